"""What is done to a draft as a whole: copied, renamed, deleted, and a warning accepted; and what its checks say."""

from datetime import time, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns import drafting
from campaigns.conditions import Conditions
from campaigns.models import Campaign, CheckOverride, Content, Playbook, Segment, Sender
from campaigns.models.playbooks import RULES
from deliveries.sending import check_table, checks, launching
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db

# Of a campaign, what a copy begins anew, and what is copied beside the fields that are taken as they are.
ITS_OWN = {
    "breaker",
    "id",
    "name",
    "slug",
    "created_by",
    "created_at",
    "edited",
    "section_edits",
    "edited_at",
    "edited_by",
}
ADMINISTRATORS_DECIDE = {"breaker"}  # whether the copy stops by itself
OF_THE_PAST = {"starts_at", "local_date", "local_time", "relevant_until"}
OF_ITS_OWN_ROW = {"id", "campaign", "version"}  # of a text
OF_ITS_OWN_PLAYBOOK = {"id", "name", "own_of", "began_from", "version"}
WHAT_BECAME = {
    "state", "launched_by", "launched_at", "completed_at", "audience_size", "expanded_to", "expanded_count",
    "outbox_to", "leaves_out",
}  # fmt: skip


@pytest.fixture
def draft():
    people = factories.contact_list()
    contact = factories.contact(lists=[people])
    factories.phone(contact)
    consent(contact, "sms", at=timezone.now() - timedelta(days=1))
    made = factories.campaign(name="Spring recall", lists=[people])
    factories.account().senders.add(factories.content(made, "sms").sender)
    return made


@pytest.fixture
def held(draft, monkeypatch):
    """Held by a warning that an administrator has to accept: a new sender, and many people."""
    monkeypatch.setattr(checks, "NEW_SENDER_MOST", 0)
    return draft


def page(client, draft) -> str:
    return " ".join(client.get(reverse("campaigns:edit", args=[draft.slug])).content.decode().split())


def override_url(draft, key="sender_may_send"):
    return reverse("campaigns:override", args=[draft.slug, key])


def test_every_field_of_a_campaign_is_copied_or_has_a_reason_not_to_be():
    names = {field.name for field in Campaign._meta.concrete_fields}

    assert names - set(drafting.COPIED) - ITS_OWN - OF_THE_PAST - WHAT_BECAME - ADMINISTRATORS_DECIDE == set()


def test_every_field_of_a_text_and_of_a_playbook_is_copied_or_belongs_to_its_own_row():
    texts = {field.name for field in Content._meta.fields}
    playbooks = {field.name for field in Playbook._meta.fields}

    assert texts == {*drafting.COPIED_CONTENT} | OF_ITS_OWN_ROW
    assert playbooks == {*RULES} | OF_ITS_OWN_PLAYBOOK


# What each copied field is tried with, so that a copy that takes a default instead is seen.
UNUSUAL = {
    "goal": "conversation", "priority": "urgent", "purpose": "service", "window_start": time(10),
    "window_end": time(20), "per_minute": 30, "spread_hours": 5, "canary_percent": 17, "track_links": True,
    "conditions": Conditions(everybody=True).as_json, "follow_when": "reached", "follow_hours": 7,
}  # fmt: skip


def test_a_copy_and_a_follow_up_of_a_campaign_with_a_local_start_begin_without_its_times(draft):
    start = timezone.now()
    own = draft.playbook.copy_for(draft)
    own.retries, own.channel_order = 7, "best_chance"
    own.save()
    values = UNUSUAL | {
        "playbook": own,
        "segment": Segment.objects.create(name="Some"),
        "follows": factories.campaign(),
    }
    for name, value in values.items():
        setattr(draft, name, value)
    draft.starts_at, draft.local_date, draft.local_time = start, start.date(), time(9, 30)
    draft.save()
    draft.contents.update(html="<p>Hi</p>", subject="Hello", media_url="https://example.com/a.jpg")

    copy = drafting.duplicate(draft, "Copy", None)
    follow_up = drafting.make_follow_up(draft, "clicked", 24, None)

    copy.full_clean()
    assert {*drafting.COPIED} - {*values} == {"channel"}
    for name in {*values} - {"playbook"}:
        assert getattr(copy, name) == values[name]
    assert copy.playbook.own_of == copy
    assert copy.playbook.rules == own.rules
    assert [*copy.lists.all()] == [*draft.lists.all()]
    [text], [before] = copy.contents.all(), draft.contents.all()
    assert all(getattr(text, name) == getattr(before, name) for name in drafting.COPIED_CONTENT)
    for made in (copy, follow_up):
        assert (made.starts_at, made.local_date, made.local_time) == (None, None, None)
    assert (follow_up.follows, follow_up.follow_when) == (draft, "clicked")


def test_duplicating_leads_to_the_form_filled_with_its_name(login, draft):
    marketer = login("marketer")
    shown = marketer.get(f"{reverse('campaigns:new')}?from={draft.pk}").content.decode()

    assert 'value="Spring recall (copy)"' in shown
    assert f'value="{draft.pk}" selected' in shown
    for nobody in ("x", "0", "9" * 30):
        assert marketer.get(f"{reverse('campaigns:new')}?from={nobody}").status_code == 200


def test_a_draft_is_renamed_and_keeps_its_address(login, draft):
    marketer = login("marketer")

    marketer.post(reverse("campaigns:rename", args=[draft.slug]), {"name": " Autumn  recall "})
    assert (Campaign.objects.get().name, Campaign.objects.get().slug) == ("Autumn recall", draft.slug)
    for bad in ("", " ", "x" * 121, "\0"):
        said = marketer.post(reverse("campaigns:rename", args=[draft.slug]), {"name": bad}, follow=True)
        assert "The name was not changed" in said.content.decode()
    assert Campaign.objects.get().name == "Autumn recall"


def test_a_draft_is_deleted_once_somebody_has_confirmed_it(login, draft):
    marketer, url = login("marketer"), reverse("campaigns:delete", args=[draft.slug])
    own = draft.playbook.copy_for(draft)
    own.save()
    Campaign.objects.update(playbook=own)

    assert "cannot be undone" in marketer.get(url).content.decode()
    assert Campaign.objects.exists()
    said = marketer.post(url, follow=True).content.decode()

    assert "The draft Spring recall is deleted." in said
    assert not Campaign.objects.exists()
    assert not Playbook.objects.filter(own_of__isnull=False).exists()


@pytest.mark.parametrize("state", ["launching", "sending", "paused", "completed", "canceled"])
def test_what_was_launched_stays_on_record(login, draft, state):
    Campaign.objects.update(state=state)
    marketer, url = login("marketer"), reverse("campaigns:delete", args=[draft.slug])

    assert marketer.get(url).status_code == 302
    assert marketer.post(url).status_code == 302
    assert Campaign.objects.exists()


def test_what_another_campaign_follows_up_is_not_deleted(login, draft):
    factories.campaign(follows=draft)

    said = (
        login("marketer").post(reverse("campaigns:delete", args=[draft.slug]), follow=True).content.decode()
    )

    assert "another campaign follows it up" in said
    assert Campaign.objects.filter(pk=draft.pk).exists()


@pytest.mark.parametrize("name", ["rename", "delete"])
def test_support_does_nothing_to_a_draft(login, draft, name):
    url = reverse(f"campaigns:{name}", args=[draft.slug])

    assert login("support").post(url, {"name": "Mine"}).status_code == 403
    assert Campaign.objects.get().name == "Spring recall"


def test_checks_that_found_nothing_are_shown_as_well(login, draft):
    Sender.objects.update(created_at=timezone.now() - timedelta(days=30))

    shown = page(login("marketer"), draft)

    for title in ("Audience", "Merge fields", "Times"):
        assert f"</svg>{title}</li>" in shown
    assert "Launch to 1 contact" in shown


def test_a_text_that_says_nothing_stands_in_the_way(login, draft):
    draft.contents.update(body="  ")

    shown = page(login("marketer"), draft)

    assert "The SMS says nothing yet." in shown
    assert 'id="launch-open" disabled' in shown
    with pytest.raises(launching.CannotLaunch, match="says nothing yet"):
        launching.launch(draft, None, timezone.now())


def test_whoever_cannot_fix_it_reads_who_can(login, draft):
    Sender.objects.update(state="in_review")

    assert "Administrators can do this." in page(login("marketer"), draft)


def test_a_warning_that_needs_it_holds_the_launch_until_an_administrator_accepts_it(login, held):
    marketer, admin = login("marketer"), login("admin")
    assert "It holds the launch until an administrator accepts it." in page(marketer, held)
    assert "Accept it with a reason" in page(admin, held)
    with pytest.raises(launching.CannotLaunch, match="An administrator has to accept that first"):
        launching.launch(held, None, timezone.now())

    admin.post(override_url(held), {"reason": "The carrier agreed to it by phone."})

    assert "accepted that: The carrier agreed to it by phone." in page(marketer, held)
    marketer.post(reverse("campaigns:launch", args=[held.slug]), {"edited": "0"})
    report = marketer.get(held.get_absolute_url()).content.decode()
    assert "Launched although a check warned" in report
    assert "The carrier agreed to it by phone." in report


def test_a_warning_is_accepted_with_a_reason_by_an_administrator_and_as_it_was_said(login, held):
    marketer, admin = login("marketer"), login("admin")

    assert marketer.post(override_url(held), {"reason": "I want to"}).status_code == 403
    for reason in ("", "  ", "x" * 301):
        assert admin.post(override_url(held), {"reason": reason}).status_code == 422
    assert admin.post(override_url(held, "no_such_check"), {"reason": "Why"}).status_code == 404
    assert not CheckOverride.objects.exists()
    admin.post(override_url(held), {"reason": "Agreed"})
    Sender.objects.update(value="+12125550177")  # another sender: nobody accepted that one

    assert check_table.stands_in_the_way(checks.load(Campaign.objects.get(), timezone.now()))


def test_what_blocks_is_never_accepted(login, held):
    Sender.objects.update(state="in_review")

    assert login("admin").post(override_url(held), {"reason": "Send it"}).status_code == 302
    assert not CheckOverride.objects.exists()


def test_what_was_edited_after_somebody_looked_at_it_is_not_launched(login, draft):
    marketer = login("marketer")
    Campaign.objects.update(edited=3)

    said = marketer.post(reverse("campaigns:launch", args=[draft.slug]), {"edited": "2"}, follow=True)

    assert "changed after you looked at it" in said.content.decode()
    assert Campaign.objects.get().state == "draft"
    with pytest.raises(launching.CannotLaunch):
        launching.launch(draft, None, timezone.now())  # what was checked is older, too


def test_a_draft_leads_whoever_may_change_it_to_the_page_where_it_is_written(login, draft):
    assert login("marketer").get(draft.get_absolute_url()).url == reverse("campaigns:edit", args=[draft.slug])
    assert login("support").get(draft.get_absolute_url()).status_code == 200


def test_a_new_campaign_is_one_click_away(login):
    marketer, support = login("marketer"), login("support")

    for address in ("/", "/campaigns/"):
        assert f'href="{reverse("campaigns:new")}"' in marketer.get(address).content.decode()
        assert f'href="{reverse("campaigns:new")}"' not in support.get(address).content.decode()
