"""The composer's section When: from when, how fast, and by which rules; marketers change a campaign's own numbers."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine
from django.urls import reverse

from campaigns.models import Campaign, Playbook
from dashboard.playbook_words import LINES
from deliveries.meaning import full_mailboxes
from deliveries.meaning.translation import shipped
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def draft():
    made = factories.campaign(name="Winter offer", playbook=factories.playbook(name="House rules"))
    factories.content(made, "sms")
    return made


@pytest.fixture
def marketer(login):
    return login("marketer")


def address(campaign):
    return reverse("campaigns:edit_when", args=[campaign.slug])


def typed(campaign, **changes):
    from dashboard.campaigns import compose_when

    form = compose_when.form(campaign, None)
    given = {form[name].html_name: form[name].value() for name in form.fields}
    given |= {f"when-{name}": value for name, value in changes.items()}
    return {"edited": campaign.edited} | {key: value for key, value in given.items() if value is not None}


def save(client, campaign, **changes):
    answer = client.post(address(campaign), typed(campaign, **changes), **HTMX)
    campaign.refresh_from_db()
    return answer


def numbers(playbook, **values):
    return {f"p{playbook.pk}_{name}": value for name, value in values.items()}


def test_what_is_shown_is_saved_as_it_was(marketer, draft):
    before = Campaign.objects.values().get()

    assert save(marketer, draft).status_code == 200

    changed = {key for key, value in Campaign.objects.values().get().items() if value != before[key]}
    assert changed == {"edited", "section_edits", "edited_at", "edited_by_id"}
    assert draft.playbook.own_of is None


def test_a_marketer_changes_the_numbers_of_this_campaign_alone(marketer, draft):
    shared = draft.playbook

    answer = save(marketer, draft, **numbers(shared, retries=5, switch=["email", "voice"], busy_retries=1))

    own = Playbook.objects.get(own_of=draft)
    shared.refresh_from_db()
    assert (own.retries, own.switch_to, own.busy_retries, shared.retries) == (5, ["email", "voice"], 1, 2)
    assert "These are numbers of this campaign alone" in answer.content.decode()


def test_a_marketer_chooses_the_best_chance(marketer, draft):
    save(marketer, draft, **numbers(draft.playbook, channel_order="best_chance"))

    assert draft.playbook.by_chance
    assert not Playbook.objects.shared().filter(channel_order="best_chance").exists()


def test_another_playbook_comes_with_its_own_numbers(marketer, draft):
    save(marketer, draft, **numbers(draft.playbook, retries=5))
    other = factories.playbook(name="Other rules", retries=1)

    save(marketer, draft, playbook=other.pk)

    assert draft.playbook == other
    assert not Playbook.objects.filter(own_of=draft).exists()


def test_the_channels_of_an_urgent_campaign_are_those_for_urgent_ones(marketer, draft):
    draft.priority = "urgent"
    draft.save()

    save(marketer, draft, **numbers(draft.playbook, switch=["email"]))

    own = Playbook.objects.get(own_of=draft)
    assert (own.urgent_switch_to, own.switch_to) == (["email"], ["email"])
    assert own.began_from.urgent_switch_to == ["voice", "email"]


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"start": "now", "starts_at": "2026-12-24T18:00"}, (None, None, None)),
        (
            {"start": "at", "starts_at": "2026-12-01T09:00", "local_date": "2026-12-02"},
            (datetime(2026, 12, 1, 9, tzinfo=UTC), None, None),
        ),
        (
            {"start": "local", "local_date": "2026-12-01", "local_time": "09:00", "starts_at": "nonsense"},
            (datetime(2026, 11, 30, 19, tzinfo=UTC), date(2026, 12, 1), time(9)),
        ),
    ],
    ids=["now", "at a time", "where each is"],
)
def test_of_the_ways_to_start_only_the_chosen_one_counts(marketer, draft, changes, kept):
    assert save(marketer, draft, **changes).status_code == 200

    assert (draft.starts_at, draft.local_date, draft.local_time) == kept


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"pace": "per_minute", "per_minute": 10, "spread_hours": "x"}, (10, None)),
        ({"pace": "spread", "spread_hours": 6}, (None, 6)),
        ({"pace": "fastest", "per_minute": 10}, (None, None)),
    ],
)
def test_of_the_paces_only_the_chosen_one_counts(marketer, draft, changes, kept):
    assert save(marketer, draft, **changes).status_code == 200

    assert (draft.per_minute, draft.spread_hours) == kept


BAD = {
    "no time": ({"start": "at", "starts_at": ""}, "Say when it starts"),
    "a time that has passed": ({"start": "at", "starts_at": "2026-11-30T11:00"}, "That has passed"),
    "a day without a time": ({"start": "local", "local_time": ""}, "Give the day and the time"),
    "passed everywhere": (
        {"start": "local", "local_date": "2026-11-29", "local_time": "23:00"},
        "That has passed everywhere",
    ),
    "no number": ({"pace": "per_minute", "per_minute": ""}, "Give a number, or choose another pace."),
    "none a minute": ({"pace": "per_minute", "per_minute": 0}, "greater than or equal to 1"),
    "an end before the start": (
        {"start": "at", "starts_at": "2026-12-01T09:00", "relevant_until": "2026-12-01T08:00"},
        "Nothing would leave",
    ),
    "hours that never open": (
        {"window_start": "21:00", "window_end": "09:00"},
        "later than the time to send",
    ),
    "no start at all": ({"start": "whenever"}, "Select a valid choice"),
    "no such playbook": ({"playbook": 987654321}, "Select a valid choice"),
}


@pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD)
def test_what_cannot_be_is_refused_whole_with_the_way_out(marketer, draft, changes, words):
    before = Campaign.objects.values().get()

    answer = save(marketer, draft, goal="conversation", **changes)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert Campaign.objects.values().get() == before


@pytest.mark.parametrize(
    "changes", [{"start": "at"}, {"start": "local"}, {"pace": "per_minute"}, {"pace": "spread"}]
)
def test_a_choice_is_saved_as_soon_as_it_is_made_with_what_is_usual(marketer, draft, changes):
    assert save(marketer, draft, **changes).status_code == 200

    chosen = (draft.starts_at, draft.local_start, draft.per_minute, draft.spread_hours)
    assert chosen in {
        (datetime(2026, 12, 1, 9, tzinfo=UTC), None, None, None),
        (datetime(2026, 11, 30, 19, tzinfo=UTC), datetime.combine(date(2026, 12, 1), time(9)), None, None),
        (None, None, 60, None),
        (None, None, None, 4),
    }


def test_a_pause_longer_than_the_time_for_retries_is_refused(marketer, draft):
    answer = save(marketer, draft, **numbers(draft.playbook, no_answer_after_hours=48))

    assert answer.status_code == 422
    assert "No answer: a pause of 48 h does not fit into 24 h" in answer.content.decode()
    assert draft.playbook.own_of is None


def test_a_copy_has_the_numbers_of_its_original_for_itself(marketer, draft):
    save(marketer, draft, pace="per_minute", per_minute=10, **numbers(draft.playbook, retries=5))

    marketer.post(reverse("campaigns:new"), {"name": "Copy", "source": draft.pk})

    copy = Campaign.objects.get(name="Copy")
    assert (copy.playbook.retries, copy.playbook.own_of, copy.per_minute) == (5, copy, 10)


def test_support_changes_nothing(login, draft):
    assert save(login("support"), draft, pace="per_minute", per_minute=5).status_code == 403
    assert draft.per_minute is None


def test_the_start_is_near_enough_to_be_seen_again(marketer, draft):
    """A draft whose start passes while it is written can still be changed elsewhere; the checks say so."""
    draft.starts_at = NOW - timedelta(hours=1)
    draft.save()

    assert save(marketer, draft, goal="conversation").status_code == 200


@pytest.mark.parametrize(
    ("channel", "then", "lines"),
    [
        ("sms", [], []),
        ("sms", ["email"], ["Mailbox full"]),
        ("sms", ["voice"], ["Busy", "No answer"]),
        ("voice", ["rvm"], ["Busy", "No answer", "Mailbox full"]),
    ],
)
def test_only_what_a_channel_in_use_can_report_has_numbers_of_its_own(marketer, draft, channel, then, lines):
    Campaign.objects.filter(pk=draft.pk).update(channel=channel)
    Playbook.objects.filter(pk=draft.playbook_id).update(switch_to=then)

    page = marketer.get(address(draft), **HTMX).content.decode()

    assert [words for words in ("Busy", "No answer", "Mailbox full") if f"{words}: retry" in page] == lines


def test_numbers_that_were_not_shown_stay(marketer, draft):
    Playbook.objects.filter(pk=draft.playbook_id).update(switch_to=["voice"], mailbox_full_retries=7)
    given = typed(draft, **numbers(draft.playbook, busy_retries=5))
    given = {name: value for name, value in given.items() if "mailbox_full" not in name}

    assert marketer.post(address(draft), given, **HTMX).status_code == 200

    own = Playbook.objects.get(own_of=draft)
    assert (own.busy_retries, own.mailbox_full_retries) == (5, 7)


def test_what_is_folded_says_what_is_set_and_unfolds_where_it_is_wrong(marketer, draft):
    shared = draft.playbook
    Playbook.objects.filter(pk=shared.pk).update(switch_to=["email", "voice"])
    page = marketer.get(address(draft), **HTMX).content.decode()

    assert (
        "SMS is retried 2 times, 4 h apart, for at most 24 h; after 48 h it moves to email, then voice. "
        "Nothing is waited for after 72 h." in page
    )
    assert '<details id="when-numbers" class="folded">' in page
    refused = save(marketer, draft, **numbers(shared, retry_after_hours=30)).content.decode()
    assert '<details id="when-numbers" class="folded" open>' in refused
    assert '<details id="when-what" class="folded">' in refused


def test_each_channel_that_a_code_table_calls_busy_unanswered_or_full_has_that_line():
    channels_of = {line.words: line.channels for line in LINES}
    statuses = {(code.status, key.channel) for key, code in shipped().codes.items()}

    assert {channel for status, channel in statuses if status == "busy"} <= channels_of["Busy"]
    assert {channel for status, channel in statuses if status == "no_answer"} <= channels_of["No answer"]
    assert {channel for _, channel, _ in full_mailboxes.rows()} <= channels_of["Mailbox full"]
