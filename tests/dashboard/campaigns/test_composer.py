"""The composer: from a name to a page whose sections are saved one by one, and never over what somebody else saved."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import Campaign, Content
from tests import factories

pytestmark = pytest.mark.django_db

HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def draft():
    made = factories.campaign(name="Spring recall")
    factories.content(made, "sms")
    return made


@pytest.fixture
def marketer(login):
    return login("marketer")


def address(campaign, section=""):
    return reverse(f"campaigns:edit{section and '_'}{section}", args=[campaign.slug])


def typed(campaign, section, **changes):
    """What the browser sends of a section: what is saved, with these changes."""
    from dashboard.campaigns.composer import SECTIONS

    form = SECTIONS[section].form(campaign, None)
    fields = {form[name].html_name: form[name].value() for name in form.fields}
    given = {key: value for key, value in fields.items() if value is not None}
    return {
        "edited": campaign.edited,
        **given,
        **{f"{section}-{name}": value for name, value in changes.items()},
    }


def test_a_name_makes_a_draft_that_can_be_written_at_once(marketer):
    factories.sender("sms")

    response = marketer.post(reverse("campaigns:new"), {"name": "  Spring   recall "})

    made = Campaign.objects.get()
    assert response.url == address(made)
    assert (made.name, made.slug, made.created_by) == ("Spring recall", "spring-recall", marketer.user)
    assert made.contents.get().channel == "sms"
    assert marketer.get(response.url).status_code == 200


def test_no_campaign_takes_the_address_of_the_page_that_makes_them(marketer):
    marketer.post(reverse("campaigns:new"), {"name": "New"})

    assert marketer.get(address(Campaign.objects.get())).status_code == 200


def test_a_copy_takes_what_was_meant_along_and_nothing_of_what_became_of_it(marketer, draft):
    people = factories.contact_list()
    draft.lists.add(people)
    Campaign.objects.update(state="completed", audience_size=9)

    marketer.post(reverse("campaigns:new"), {"name": "Again", "source": draft.pk})

    made = Campaign.objects.get(name="Again")
    assert (made.state, made.audience_size, list(made.lists.all())) == ("draft", 0, [people])
    assert made.contents.get().body == draft.contents.get().body


@pytest.mark.parametrize("data", [{}, {"name": " "}, {"name": "x" * 121}, {"name": "A", "source": "x"}])
def test_a_name_that_cannot_be_used_is_said(marketer, data):
    assert marketer.post(reverse("campaigns:new"), data).status_code == 422
    assert not Campaign.objects.exists()


def test_a_section_is_saved_and_answers_with_what_follows_from_it(marketer, draft):
    data = typed(draft, "what", sms_body="Hello {first_name}, come by.")

    response = marketer.post(address(draft, "what"), data, **HTMX)

    assert (response.status_code, Content.objects.get().body) == (200, "Hello {first_name}, come by.")
    draft.refresh_from_db()
    assert (draft.edited, draft.section_edits, draft.edited_by) == (1, {"what": 1}, marketer.user)
    page = response.content.decode()
    assert "<html" not in page
    for part in ('id="fields-what"', 'id="preview"', 'id="check"', "Saved "):
        assert part in page


def test_without_a_script_a_save_leads_back_to_the_section(marketer, draft):
    people = factories.contact_list()

    response = marketer.post(address(draft, "who"), typed(draft, "who", lists=[people.pk]))

    assert response.url == f"{address(draft)}#who"
    assert list(draft.lists.all()) == [people]


def test_what_cannot_be_saved_is_kept_as_it_was_typed_and_nothing_changes(marketer, draft):
    data = typed(draft, "when", window_start="21:00", window_end="09:00")

    for extra in (HTMX, {}):
        response = marketer.post(address(draft, "when"), data, **extra)

        assert response.status_code == 422
        assert "This must be later than the time to send from." in response.content.decode()
        assert 'value="21:00"' in response.content.decode()
    draft.refresh_from_db()
    assert (draft.window_start.hour, draft.edited) == (9, 0)


def test_two_windows_never_overwrite_each_other_in_silence(marketer, login, draft):
    other = login("marketer")
    seen = typed(draft, "what")
    other.post(address(draft, "what"), {**seen, "what-sms_body": "Theirs"}, **HTMX)

    response = marketer.post(address(draft, "what"), {**seen, "what-sms_body": "Mine"}, **HTMX)

    page = response.content.decode()
    assert (response.status_code, Content.objects.get().body) == (422, "Theirs")
    assert "Changed meanwhile" in page
    assert "Theirs" in page
    assert "Mine" in page
    marketer.post(address(draft, "what"), {**seen, "what-sms_body": "Mine", "over": "1"}, **HTMX)
    assert Content.objects.get().body == "Mine"


def test_a_change_of_another_section_is_nobody_elses_business(marketer, draft):
    seen = typed(draft, "what", sms_body="Mine")
    marketer.post(address(draft, "when"), typed(draft, "when", priority="urgent"), **HTMX)

    assert marketer.post(address(draft, "what"), seen, **HTMX).status_code == 200


def test_channels_are_added_and_removed(marketer, draft):
    factories.sender("email")

    marketer.post(address(draft, "what"), {**typed(draft, "what"), "what-add": "email"})
    assert set(draft.contents.values_list("channel", flat=True)) == {"sms", "email"}

    draft.refresh_from_db()
    marketer.post(address(draft, "what"), {**typed(draft, "what"), "what-remove": "sms"})
    draft.refresh_from_db()
    assert (draft.channel, draft.contents.get().channel) == ("email", "email")


def test_what_was_launched_meanwhile_is_not_changed(marketer, draft):
    data = typed(draft, "what", sms_body="Too late")
    Campaign.objects.update(state="launching")

    response = marketer.post(address(draft, "what"), data, **HTMX)

    assert response["HX-Redirect"] == draft.get_absolute_url()
    assert Content.objects.get().body != "Too late"
    assert marketer.get(address(draft)).url == draft.get_absolute_url()


def test_the_checks_alone_can_be_asked_again(marketer, draft):
    sender = draft.contents.get().sender
    type(sender).objects.update(state="not_registered")
    looked = marketer.get(address(draft), {"check": ""}, **HTMX)
    assert f"The sender {sender.value} is not approved" in looked.text

    type(sender).objects.update(state="approved")
    again = marketer.get(address(draft), {"check": ""}, **HTMX)

    assert "is not approved" not in again.text
    assert 'id="check"' in again.text
    assert 'id="form-what"' not in again.text
    Campaign.objects.update(state="launching")
    assert marketer.get(address(draft), {"check": ""}, **HTMX)["HX-Redirect"] == draft.get_absolute_url()


def test_only_those_who_may_change_campaigns_open_the_composer(login, draft):
    support = login("support")

    assert support.get(reverse("campaigns:new")).status_code == 403
    assert support.get(address(draft)).status_code == 403
    assert support.post(address(draft, "what"), typed(draft, "what")).status_code == 403


def test_a_save_costs_the_same_for_few_and_many_people(marketer, draft):
    people = factories.contact_list()
    draft.lists.add(people)
    factories.phone(factories.contact(lists=[people], attributes={"city": "Austin"}))

    def saved() -> int:
        draft.refresh_from_db()
        with CaptureQueriesContext(connection) as queries:
            assert marketer.post(address(draft, "what"), typed(draft, "what"), **HTMX).status_code == 200
        return len(queries)

    saved()
    few = saved()
    for _ in range(12):
        factories.phone(factories.contact(lists=[people], attributes={"city": "Waco"}))

    assert saved() <= few <= 90
