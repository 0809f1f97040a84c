"""What is looked at before a launch: each finding with its way out, and a launch that refuses what cannot work."""

import html
import re
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import Campaign, Playbook, Sender
from contacts.models import ContactImport
from deliveries.sending import checks
from deliveries.sending.audience import forecast
from deliveries.sending.expansion import expand
from deliveries.sending.launching import CannotLaunch, launch
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return factories.account(channels=["sms", "email", "voice"])


@pytest.fixture
def people():
    return factories.contact_list()


def member(people, now, *, agreed=True):
    contact = factories.contact(lists=[people])
    factories.phone(contact)
    if agreed:
        consent(contact, "sms", at=now - timedelta(days=1))
    return contact


@pytest.fixture
def draft(account, people, now):
    """A campaign by text that nothing stands against: to one person, and its playbook moves nowhere."""
    member(people, now)
    made = factories.campaign(lists=[people])
    Playbook.objects.update(switch_to=[], urgent_switch_to=[])
    factories.content(made, "sms")
    Sender.objects.update(created_at=now - timedelta(days=90))
    made.refresh_from_db()
    return made


def found(draft, now) -> list[tuple[bool, str]]:
    return [(one.blocks, one.sentence) for one in checks.check(checks.load(draft, now))]


def test_nothing_is_found_where_all_is_well(draft, now):
    assert found(draft, now) == []


def test_a_sender_that_needs_no_registration_holds_up_nothing(draft, now):
    Sender.objects.update(state="not_needed")

    assert found(draft, now) == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (
            {"per_second": 0.01},
            "100 messages take about 3 hours of sending: its sender keeps to 0.01 a second.",
        ),
        ({"per_day": 7}, "100 messages take about 14 days of sending: its sender keeps to 7 a day."),
        ({"per_second": 1}, ""),
    ],
)
def test_a_launch_that_a_slow_sender_draws_out_says_for_how_long(draft, now, monkeypatch, limits, words):
    Sender.objects.update(**limits)
    monkeypatch.setattr(checks.Draft, "reckoned", 100)

    sentences = [sentence for _, sentence in found(draft, now)]

    way_out = " Launch early enough, take a faster sender, or correct its limits."
    assert sentences == ([words + way_out] if words else [])


def test_a_sender_that_nobody_registered_holds_up_the_launch(draft, now):
    Sender.objects.update(state="not_registered")

    [(blocks, sentence)] = found(draft, now)
    assert blocks
    assert "is not approved to send yet. It is not registered yet:" in sentence


def other_channel(draft, channel, state="approved"):
    content = factories.content(draft, channel)
    Sender.objects.filter(pk=content.sender_id).update(state=state)


def playbook(draft, **fields):
    Playbook.objects.filter(pk=draft.playbook_id).update(**fields)


CASES = {
    "content that no path leads to": (
        lambda draft, now: other_channel(draft, "voice"),
        False, "The Voice content is never used: it begins by SMS, and the playbook", "does not move to Voice",
    ),
    "content that only urgent campaigns get to": (
        lambda draft, now: (playbook(draft, urgent_switch_to=["voice"]), other_channel(draft, "voice")),
        False, "The Voice content is never used", "add the channel to the playbook",
    ),
    "a channel of the playbook without content": (
        lambda draft, now: playbook(draft, switch_to=["email"]),
        False, "moves to Email, and there is no Email content.", "add the content.",
    ),
    "a channel of the playbook that no account sends": (
        lambda draft, now: (playbook(draft, switch_to=["rvm"]), other_channel(draft, "rvm")),
        False, "No active account sends Ringless voicemail", "Ask an administrator",
    ),
    "a later sender that is not approved": (
        lambda draft, now: (playbook(draft, switch_to=["email"]), other_channel(draft, "email", "in_review")),
        False, "is not approved to send yet.", "It is in review",
    ),
    "a first sender that is suspended": (
        lambda draft, now: Sender.objects.update(state="suspended"),
        True, "is not approved to send yet.", "It is suspended",
    ),
    "a sender that is new": (
        lambda draft, now: Sender.objects.update(created_at=now - timedelta(days=2)),
        False, "is new.", "begin with a small list",
    ),
    "people without consent": (
        lambda draft, now: [member(draft.lists.get(), now, agreed=False) for _ in range(3)],
        False, "3 of 4 people have not agreed to SMS.", "import their consent",
    ),
    "nobody with consent": (
        lambda draft, now: draft.lists.get().memberships.all().delete()
        and [member(draft.lists.get(), now, agreed=False) for _ in range(2)],
        True, "Nobody on its lists can be written to by SMS: there is no consent", "choose another list or channel",
    ),
    "nobody with a number": (
        lambda draft, now: draft.lists.get().memberships.all().delete()
        and factories.contact(lists=[draft.lists.get()]),
        True, "Nobody on its lists can be written to by SMS: there is no address", "Import what is missing",
    ),
    "a list with nobody on it": (
        lambda draft, now: draft.lists.get().memberships.all().delete(),
        True, "Nobody is on its lists.", "Import contacts",
    ),
    "a list that is being imported": (
        lambda draft, now: draft.lists.get().memberships.all().delete()
        and ContactImport.objects.create(
            contact_list=draft.lists.get(), file_name="people.csv", state="running", file_hash="x"
        ),
        True, "Nobody is on its lists yet: people.csv is being imported.", "all at once",
    ),
    "no list": (lambda draft, now: draft.lists.clear(), True, "The campaign has no list.", "Choose at least one."),
    "a merge field that nobody has": (
        lambda draft, now: draft.contents.update(body="Hello {city}"),
        True, "Nobody on its lists has the merge field {city}.", "import the field",
    ),
    "what is relevant no more": (
        lambda draft, now: Campaign.objects.update(relevant_until=now - timedelta(hours=1)),
        True, "It was relevant until", "Nothing would leave",
    ),
    "what is relevant no more when it starts": (
        lambda draft, now: Campaign.objects.update(
            relevant_until=now + timedelta(hours=1), starts_at=now + timedelta(days=1)
        ),
        True, "which ends before it starts.", "Nothing would leave",
    ),
    "a start that has passed": (
        lambda draft, now: Campaign.objects.update(starts_at=now - timedelta(hours=1)),
        False, "has passed.", "Launched now, it starts at once",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_draft_says_what_is_wrong_and_the_way_out(draft, login, now, name):
    change, blocks, says, way_out = CASES[name]
    change(draft, now)
    draft.refresh_from_db()

    outcome = found(draft, now)

    assert [blocked for blocked, _ in outcome] == [blocks]
    assert says in outcome[0][1]
    assert way_out in outcome[0][1]
    if blocks:
        with pytest.raises(CannotLaunch):
            launch(draft, None, now)
        draft.refresh_from_db()
        assert draft.state == "draft"
    else:
        launch(draft, None, now)


def test_the_page_of_a_draft_shows_both_with_links_for_whoever_may_follow_them(draft, login, now):
    playbook(draft, switch_to=["email"])
    Sender.objects.update(state="in_review")

    writer = login("marketer")
    type(writer.user).objects.filter(pk=writer.user.pk).update(is_staff=True)
    marketer = writer.get(draft.get_absolute_url(), follow=True).content.decode()
    support = login("support").get(draft.get_absolute_url(), follow=True).content.decode()

    assert "In the way" in marketer
    assert "Worth a look" in marketer
    assert "Not ready to launch." in support
    assert "Check this before you launch." in support
    assert ">Go to What</a>" in marketer
    assert ">Go to What</a>" not in support


def test_the_page_of_a_draft_says_who_would_be_skipped_and_why(draft, login, now, people):
    member(people, now, agreed=False)

    page = login("marketer").get(draft.get_absolute_url(), follow=True).content.decode()

    assert "<b>1</b> gets a message" in page
    assert re.search(r"<a [^>]*>1</a> because there is no consent for this channel", page)


def says(login, draft) -> str:
    """What stands in the dialog before a launch, without tags, with single spaces."""
    page = login("marketer").get(draft.get_absolute_url(), follow=True).content.decode()
    dialog = re.search(r'<dialog[^>]* id="launch".*?</dialog>', page, re.DOTALL)
    assert dialog
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", dialog[0])).split())


def test_the_confirmation_says_to_how_many_by_what_and_who_is_left_out(draft, login, now, people):
    member(people, now)
    member(people, now, agreed=False)
    factories.contact(lists=[people])

    with time_machine.travel(now, tick=False):
        said = says(login, draft)

    assert "It goes to 2 people: 2 SMS messages, 2 segments in all." in said
    assert (
        "2 are left out: 1 because there is no address for this channel; 1 because there is no consent"
        in said
    )
    assert "1 check to look at first" in said
    assert "It starts now." in said
    assert "temporary failure is retried up to 2 times" in said


def test_a_launch_at_night_does_not_say_that_it_starts_now(draft, login, now):
    with time_machine.travel(now - timedelta(hours=12), tick=False):
        said = says(login, draft)

    assert "Nothing leaves yet: nobody is in their permitted hours now. Everybody gets it from" in said
    assert "It starts now." not in said


def test_the_confirmation_of_one_person_speaks_of_one(draft, login, now):
    said = says(login, draft)

    assert "It goes to 1 person: 1 SMS message, 1 segment in all." in said
    assert "Nobody who was checked is left out." in said
    assert "to look at first" not in said


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(0), "It starts now. Everybody gets it at once: email has no quiet hours."),
        (timedelta(days=1), "Everybody gets it at once then: email has no quiet hours."),
    ],
)
def test_the_confirmation_of_an_email_campaign_speaks_of_no_hours(draft, login, now, people, ahead, words):
    person = member(people, now)
    factories.email(person)
    consent(person, "email", at=now - timedelta(days=1))
    other_channel(draft, "email")
    Campaign.objects.filter(pk=draft.pk).update(
        channel="email", starts_at=timezone.now() + ahead if ahead else None
    )

    said = says(login, draft)

    assert words in said
    assert "permitted hours" not in said


def test_a_draft_says_beside_its_content_which_is_for_later(draft, login, account):
    playbook(draft, switch_to=["email"])
    other_channel(draft, "email")
    account.senders.set(Sender.objects.all())

    page = " ".join(login("marketer").get(draft.get_absolute_url(), follow=True).content.decode().split())

    assert page.count("Later, to people not reached before") == 1


def test_the_confirmation_names_the_channels_it_may_move_to_that_can_leave(draft, login, now, account):
    playbook(draft, switch_to=["rvm", "email", "voice"])
    other_channel(draft, "email")
    other_channel(draft, "rvm")  # no account sends it
    account.senders.set(Sender.objects.all())

    said = says(login, draft)

    assert "People it does not reach may get a message by email later" in said
    assert "up to 1 message." in said
    assert "by voice later" not in said  # it has no content
    assert "voicemail later" not in said.lower()


@pytest.mark.parametrize(
    ("body", "segments"), [("Hello", "3 segments"), ("a" * 150 + "{name}", "3 to 6 segments")]
)
def test_the_confirmation_says_how_many_segments_that_is(draft, login, now, people, body, segments):
    for name in ("Jo", "Bartholomew the Younger"):
        contact = member(people, now)
        type(contact).objects.filter(pk=contact.pk).update(name=name)
    type(contact).objects.exclude(name="Bartholomew the Younger").update(name="Jo")
    draft.contents.update(body=body)

    assert f"3 SMS messages, {segments} in all." in says(login, draft)


def test_the_page_of_a_draft_costs_the_same_for_few_and_many_lists_and_people(
    draft, login, now, people, django_assert_max_num_queries
):
    other_channel(draft, "email")
    other_channel(draft, "voice")
    member(
        people, now, agreed=False
    )  # whether another channel would reach the skipped is asked once somebody is
    marketer = login("marketer")
    marketer.get(draft.get_absolute_url(), follow=True)
    with CaptureQueriesContext(connection) as few:
        marketer.get(draft.get_absolute_url(), follow=True)
    for _ in range(6):
        more = factories.contact_list()
        draft.lists.add(more)
        member(more, now, agreed=False)

    with django_assert_max_num_queries(len(few)):
        marketer.get(draft.get_absolute_url(), follow=True)


def test_what_is_forecast_is_what_the_expansion_does(draft, people, now):
    member(people, now, agreed=False)
    factories.contact(lists=[people])
    outcome = forecast(draft, {"sms": draft.contents.get().sender.value}, now)

    launch(draft, None, now)
    while expand(Campaign.objects.get(pk=draft.pk), now):
        pass

    skipped = draft.recipients.values_list("skip_reason", flat=True)
    assert outcome == {reason: list(skipped).count(reason) for reason in set(skipped)}


def test_a_check_costs_the_same_for_few_and_many_people(draft, people, now, django_assert_num_queries):
    found(draft, now)  # with it the playbook is known
    with django_assert_num_queries(17):
        found(draft, now)
    for _ in range(20):
        member(people, now)

    with django_assert_num_queries(17):
        found(draft, now)


@pytest.mark.parametrize(
    ("body", "blocks", "words"),
    [
        ("See bit.ly/lens", False, "bit.ly is a public address shortener."),
        ("Hello {first_name", True, "has only one of its braces."),
        ("x" * 1_600, True, "The text takes 11 segments."),
    ],
)
def test_the_text_is_looked_at(draft, now, body, blocks, words):
    draft.contents.update(body=body)

    [(stands_in_the_way, sentence)] = found(draft, now)

    assert stands_in_the_way == blocks
    assert words in sentence


def test_marketing_asks_for_a_way_out_by_the_countries_of_its_people(draft, people, now):
    Campaign.objects.update(purpose="marketing")
    draft.refresh_from_db()

    assert "which US asks for in marketing" in str(found(draft, now))
