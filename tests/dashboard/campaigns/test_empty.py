"""What a list of a campaign says while it has no rows: in each of its states, for each list."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from campaigns.models import Campaign, Recipient
from deliveries.models import Message, QueueEntry
from deliveries.statuses import Queue
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
START = NOW + timedelta(days=1)
WHEN = "30 Nov, 12:00 (UTC)"


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def marketer(login):
    return login("marketer")


def nobody(state, **fields):
    """A campaign without a message."""
    launched = {"launched_at": NOW - timedelta(hours=1)} if state != "draft" else {}
    return factories.campaign(state=state, name="Winter offer", **launched, **fields)


def skipped(state, at_launch=2):
    """A campaign whose audience was looked at, and skipped to the last; so many were on its lists at the launch."""
    made = nobody(state, audience_size=at_launch, expanded_count=2)
    for _ in range(2):
        recipient = factories.recipient(made, factories.contact())
        Recipient.objects.filter(pk=recipient.pk).update(state="skipped", skip_reason="no_consent")
    reporting_rows.count()
    return made


def withdrawn(messages):
    """A campaign that was canceled with so many messages waiting."""
    made = reporting_rows.campaign([0] * messages, state="canceled", launched_at=NOW - timedelta(hours=1))
    Message.objects.update(status="canceled", disposition="", reason_code="campaign_not_sending")
    QueueEntry.objects.all().delete()
    reporting_rows.count()
    return made


def arrived(state):
    """A campaign of which something was sent, and all of it arrived."""
    return reporting_rows.campaign([0, 0], state=state, launched_at=NOW - timedelta(hours=1))


COMES = "Messages appear here as soon as they are prepared."
ALL_SKIPPED = "All 2 people on its lists were skipped, and nobody was contacted."
PAUSED = "The campaign is paused. Nothing is sent before it is resumed."
# What it is -> (how it is made, title of the list of all messages, sentence of every list).
UNSENT = {
    "launching": (lambda: nobody("launching"), "Nothing sent yet", COMES),
    "scheduled": (
        lambda: nobody("launching", starts_at=START),
        "Nothing sent yet",
        f"Nothing is sent before {WHEN}.",
    ),
    "sending": (lambda: nobody("sending"), "Nothing sent yet", COMES),
    "sending, all skipped": (lambda: skipped("sending"), "Nothing to send", ALL_SKIPPED),
    "paused": (lambda: nobody("paused"), "Nothing sent yet", PAUSED),
    "paused before its start": (
        lambda: nobody("paused", starts_at=START),
        "Nothing sent yet",
        f"{PAUSED} It was scheduled for {WHEN}.",
    ),
    "completed, all skipped": (lambda: skipped("completed"), "Nothing was sent", ALL_SKIPPED),
    "completed, all skipped but one who left the lists": (
        lambda: skipped("completed", at_launch=3),
        "Nothing was sent",
        ALL_SKIPPED,
    ),
    "paused, some skipped so far": (lambda: skipped("paused", at_launch=3), "Nothing sent yet", PAUSED),
    "completed, nobody": (
        lambda: nobody("completed"),
        "Nothing was sent",
        "Nobody was on its lists when it was launched.",
    ),
    "canceled at once": (
        lambda: nobody("canceled"),
        "Canceled before anything was sent",
        "The campaign was canceled before a message was made, and nobody was contacted.",
    ),
    "canceled with one": (
        lambda: withdrawn(1),
        "Canceled before anything was sent",
        "1 message was canceled, and nobody was contacted.",
    ),
    "canceled with two": (
        lambda: withdrawn(2),
        "Canceled before anything was sent",
        "2 messages were canceled, and nobody was contacted.",
    ),
}
TITLES = {
    "": None,
    "queue=retry": "Nothing to retry",
    "queue=switch": "Nothing to move",
    "queue=correct": "Nothing to correct",
    "queue=review": "Nothing to review",
    "queue=suppress": "Nothing to suppress",
    "queue=watch": "Nothing waits for a receipt",
    "channel=voice": "Nothing matches these filters",
}


def said(client, campaign, query="") -> tuple[str, str]:
    """Title and sentence of the empty list."""
    page = client.get(f"{campaign.get_absolute_url()}?{query}").content.decode()
    results = page[page.index('id="results"') :]
    found = re.search(r'<div class="empty">.*?<h2>(.*?)</h2>\s*<p>(.*?)</p>', results, re.DOTALL)
    assert found
    return html.unescape(found[1]), html.unescape(" ".join(found[2].split()))


def read(client, address) -> str:
    page = client.get(address).content.decode()
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))


@pytest.mark.parametrize("query", TITLES)
@pytest.mark.parametrize("kind", UNSENT)
def test_a_list_of_what_sent_nothing_says_why(marketer, kind, query):
    make, title, sentence = UNSENT[kind]

    assert said(marketer, make(), query) == (TITLES[query] or title, sentence)


@pytest.mark.parametrize("state", ["sending", "paused", "completed", "canceled"])
@pytest.mark.parametrize("queue", Queue)
def test_an_empty_queue_of_what_was_sent_says_what_would_be_there(marketer, state, queue):
    title, sentence = said(marketer, arrived(state), f"queue={queue}")

    assert title == TITLES[f"queue={queue}"]
    assert "before" not in sentence
    assert sentence.startswith("No")


@pytest.mark.parametrize("kind", UNSENT)
def test_no_part_of_the_report_says_otherwise_than_its_list(marketer, kind):
    make = UNSENT[kind][0]
    made = make()

    pages = read(marketer, made.get_absolute_url()), read(marketer, "/campaigns/")

    for page in pages:
        if made.is_over:
            assert "Started 29 Nov" not in page
            assert "Launched 29 Nov" in page
            assert "Nothing sent yet" not in page
            assert "so far" not in page
            assert "No messages yet" not in page
        assert "No final results yet" not in page
        assert "of 0 sent" not in page


@pytest.mark.parametrize(
    ("state", "title"), [("sending", "No failures so far"), ("completed", "No failures")]
)
def test_causes_of_what_is_over_are_not_awaited(marketer, state, title):
    page = marketer.get(arrived(state).get_absolute_url()).content.decode()

    assert f"<h2>{title}</h2>" in page


def test_what_waits_for_its_start_is_not_called_on_its_way(marketer):
    made = reporting_rows.campaign([3, 3], launched_at=NOW - timedelta(hours=1), starts_at=START)
    Recipient.objects.update(state="planned")
    reporting_rows.count()

    page = read(marketer, made.get_absolute_url())

    assert "on their way" not in page
    assert "waiting to be sent" in page


def test_a_draft_says_what_it_lacks_to_whoever_only_reads_it(login):
    page = read(login("support"), nobody("draft").get_absolute_url())

    assert "No content yet" in page
    assert "Write what this campaign says on its channel." in page


def test_every_state_is_looked_at():
    seen = {kind.split(",")[0].split(" ")[0] for kind in UNSENT} | {"draft"}

    assert seen >= set(Campaign.State.values)
