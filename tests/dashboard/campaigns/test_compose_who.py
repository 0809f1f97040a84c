"""The composer's section Who, from the form to the campaign, and back."""

from __future__ import annotations

import pytest
from django.utils import timezone

from campaigns.conditions import KINDS
from campaigns.models import Campaign, Segment
from contacts.models import Contact, ContactImport
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db
VIP = {"is": "field", "field": "tags", "words": ["vip"]}


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture
def people():
    return factories.contact_list(name="Clinic")


@pytest.fixture
def draft(people):
    """Ten people, all of whom agreed to texts; four are tagged, six have a phone number, all an email."""
    for n in range(10):
        contact = factories.contact(lists=[people], attributes={"tags": "vip, new"} if n < 4 else {})
        if n > 3:
            factories.phone(contact)
        factories.email(contact)
        for channel in ("sms", "email"):
            consent(contact, channel, at=timezone.now())
    made = factories.campaign(lists=[people])
    account = factories.account()
    account.senders.add(factories.content(made, "sms").sender)
    return made


def post(client, draft, htmx=True, **fields):
    draft.refresh_from_db()
    values = {"lists": [one.pk for one in draft.lists.all()]} | fields
    data = {f"who-{name.replace('_is', '-is')}": value for name, value in values.items()}
    headers = {"HX-Request": "true"} if htmx else {}
    response = client.post(
        f"/campaigns/{draft.slug}/edit/who/", {"edited": draft.edited, **data}, headers=headers
    )
    draft.refresh_from_db()
    return response


def row(place, kind, **values):
    return {f"c{place}-is": kind, **{f"c{place}-{name}": value for name, value in values.items()}}


@pytest.mark.parametrize("kind", KINDS)
def test_a_condition_is_added_with_something_to_begin_with_and_shown_as_a_sentence(marketer, draft, kind):
    ContactImport.objects.create(file_name="fair.csv", file_hash="x", state="done")
    factories.campaign(state="completed", name="May news")

    response = post(marketer, draft, add=kind)

    assert response.status_code == 200
    assert [one.kind for one in draft.meant.narrowed] == [kind]
    page = response.content.decode()
    assert f'name="who-c0-is" value="{kind}"' in page
    for words, name in KINDS[kind].pieces:
        assert words in page
        assert not name or f'name="who-c0-{name}"' in page


def test_what_is_written_is_saved_and_counted_with_links_to_those_skipped(marketer, draft):
    post(marketer, draft, add="field")
    response = post(marketer, draft, **row(0, "field", field="tags", words="VIP; gold"))

    assert draft.conditions == {"all": [{"is": "field", "field": "tags", "words": ["VIP", "gold"]}]}
    page = response.content.decode()
    assert "People on “Clinic” who have in the field “tags” “VIP” or “gold”." in page
    assert "<dt>People it means</dt>\n    <dd>4</dd>" in page
    assert f'<a href="/campaigns/{draft.slug}/skipped/?reason=no_address">4</a>' in page


def test_a_condition_is_turned_round_and_taken_out(marketer, draft):
    rows = row(0, "never") | row(1, "field", field="tags", words="vip")
    post(marketer, draft, **rows, **{"c1-not": "1"})
    assert [one.negated for one in draft.meant.narrowed] == [False, True]

    response = post(marketer, draft, **rows, remove="0")

    assert [one.kind for one in draft.meant.narrowed] == ["field"]
    assert "who-c1-is" not in response.content.decode()


@pytest.mark.parametrize(("fields", "words"), [
    (row(0, "reached", any_channel="sms", days="0"), "days"),
    (row(0, "reached", any_channel="fax", days="9"), "channel"),
    (row(0, "field", field="tags", words=" , "), "Tag or other imported field"),
    (row(0, "region", regions="Texas"), "“Texas” is no country like US"),
    (row(0, "source"), "This field is required."),
    (row(0, "campaign", campaign="99", outcome="reached"), "Select a valid choice"),
    ({"hold_out": "51"}, "less than or equal to 50"),
    ({"hold_out": "many"}, "Enter a whole number"),
    ({"excluded": ["999999"]}, "999999"),
    (row(0, "source", lists=["9" * 5_000]), "Select a valid choice"),
    (row(0, "import", imports=["\u00b2"]), "Select a valid choice"),
    ({"excluded": ["9" * 5_000]}, "is not a valid value"),
    ({"add": "rich"}, "Select a valid choice"),
    ({"add": "campaign"}, "there is nothing to choose among yet"),
])  # fmt: skip
def test_what_cannot_be_used_is_said_and_nothing_is_saved(marketer, draft, fields, words):
    response = post(marketer, draft, **fields)

    assert response.status_code == 422
    assert words in response.content.decode().replace("&#x27;", "'")
    assert (draft.conditions, draft.edited) == ({}, 0)


def test_a_list_is_not_both_meant_and_left_out(marketer, draft, people):
    response = post(marketer, draft, excluded=[people.pk])

    assert response.status_code == 422
    assert "Clinic: it is chosen above." in response.content.decode()


def test_lists_are_left_out_people_held_out_and_everybody_is_meant(marketer, draft, people):
    staff = factories.contact_list(name="Staff")
    response = post(
        marketer,
        draft,
        htmx=False,
        lists=[],
        everybody="on",
        excluded=[staff.pk],
        hold_out="10",
        **row(0, "never"),
    )

    assert response.url == f"/campaigns/{draft.slug}/edit/#who"
    assert draft.conditions == {
        "all": [{"is": "never"}], "excluded": [staff.pk], "hold_out": 10, "everybody": True
    }  # fmt: skip
    assert not draft.lists.exists()
    page = marketer.get(f"/campaigns/{draft.slug}/edit/").content.decode()
    assert "All contacts who were never reached. Left out: whoever is on “Staff”." in page
    assert 'id="id_who-everybody" checked' in page


def test_all_contacts_without_a_condition_cannot_be_launched(marketer, draft):
    post(marketer, draft, lists=[], everybody="on")

    marketer.post(f"/campaigns/{draft.slug}/launch/", {"edited": draft.edited})

    draft.refresh_from_db()
    assert draft.state == Campaign.State.DRAFT


def test_a_segment_is_copied_and_remembered_and_changes_here_do_not_change_it(marketer, draft, people):
    web = factories.contact_list()
    segment = Segment.objects.create(name="Best", conditions={"all": [VIP], "hold_out": 5})
    segment.lists.set([web])

    post(marketer, draft, segment=segment.pk, **row(0, "never"))
    assert (draft.segment, draft.conditions, list(draft.lists.all())) == (segment, segment.conditions, [web])

    response = post(marketer, draft, segment=segment.pk, **row(0, "never"))
    assert draft.segment == segment
    assert draft.conditions == {"all": [{"is": "never"}]}
    assert "Changed since it was copied from Best." in response.content.decode()
    segment.refresh_from_db()
    assert segment.meant.hold_out == 5


def test_somebody_elses_own_segment_is_not_offered(marketer, draft):
    segment = Segment.objects.create(name="Theirs", shared=False, created_by=factories.user("marketer"))

    response = post(marketer, draft, segment=segment.pk)

    assert response.status_code == 422
    assert draft.segment is None


def test_with_one_first_channel_it_says_who_could_be_written_to_on_another(marketer, draft):
    sender = factories.content(draft, "email").sender
    sender.accounts.add(draft.contents.get(channel="sms").sender.accounts.get())
    draft.playbook.switch_to = ["email"]
    draft.playbook.save()

    page = marketer.get(f"/campaigns/{draft.slug}/edit/").content.decode()
    assert "4 of those skipped can be written to by email: choose the best chance" in " ".join(page.split())

    draft.playbook.channel_order = "best_chance"
    draft.playbook.save()
    page = marketer.get(f"/campaigns/{draft.slug}/edit/").content.decode()
    assert "can be written to by email" not in page
    assert "goes by SMS or email, whichever is likeliest to arrive" in " ".join(page.split())
    assert "reason=no_address" not in page


def test_the_check_says_who_could_be_written_to_on_another_channel(marketer, draft):
    factories.account().senders.add(factories.content(draft, "email").sender)

    page = " ".join(marketer.get(f"/campaigns/{draft.slug}/edit/").content.decode().split())

    assert "4 people who would be skipped could be written to by email." in page
    draft.playbook.channel_order, draft.playbook.switch_to = "best_chance", ["email"]
    draft.playbook.save()
    assert (
        "could be written to by email" not in marketer.get(f"/campaigns/{draft.slug}/edit/").content.decode()
    )


@pytest.mark.parametrize("kind", ["field", "never", "stage"])
def test_a_condition_that_stands_there_already_is_not_added_again(marketer, draft, kind):
    post(marketer, draft, add=kind)
    first = draft.meant.narrowed[0].as_json
    values = {
        name: ", ".join(value) if name == "words" else value for name, value in first.items() if name != "is"
    }

    response = post(marketer, draft, **row(0, kind, **values), add=kind)

    assert response.status_code == 422
    assert "that condition is there already" in response.content.decode()
    twice = post(marketer, draft, **row(0, kind, **values), **row(1, kind, **values))
    assert twice.status_code == 422
    assert "The same condition stands above" in twice.content.decode()
    assert len(draft.meant.narrowed) == 1


def test_a_follow_up_offers_no_lists_says_whom_it_follows_and_keeps_its_own(marketer, draft, people):
    earlier = factories.campaign(name="May news", state="completed", lists=[people])
    draft.follows, draft.follow_when, draft.follow_hours = earlier, "clicked", 48
    draft.save()
    other = factories.contact_list(name="Other")
    segment = Segment.objects.create(name="Some", conditions={"all": [VIP], "everybody": True})

    page = " ".join(marketer.get(f"/campaigns/{draft.slug}/edit/").content.decode().split())
    response = post(marketer, draft, lists=[other.pk], everybody="on", segment=segment.pk)

    assert 'name="who-lists"' not in page
    assert 'name="who-everybody"' not in page
    assert 'name="who-excluded"' in page
    assert "May news</a>: sent to people who clicked a link, 2 days after their first click." in page
    assert response.status_code == 200
    assert list(draft.lists.all()) == [people]
    assert (draft.meant.everybody, draft.meant.narrowed[0].as_json) == (False, VIP)


def test_whoever_may_not_change_campaigns_saves_nothing(login, draft):
    assert post(login("support"), draft, everybody="on").status_code == 403
    assert Contact.objects.count() == 10
    assert draft.conditions == {}


def test_the_section_costs_the_same_for_one_and_many_conditions(
    marketer, draft, django_assert_max_num_queries
):
    url = f"/campaigns/{draft.slug}/edit/"
    draft.conditions = {"all": [{"is": "never"}, VIP], "hold_out": 3}
    draft.save()
    marketer.get(url)
    with django_assert_max_num_queries(90) as few:
        marketer.get(url)
    draft.conditions = {"all": [{"is": "never"}, VIP] * 5, "hold_out": 3}
    draft.save()

    with django_assert_max_num_queries(len(few)):
        marketer.get(url)
