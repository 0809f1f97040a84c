"""The demo is made by the ordinary code: small here, but every book must balance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from accounts.models import User
from campaigns.models import Campaign, Playbook, Recipient
from contacts.consent_ledger import contacts_at
from contacts.hours import is_open, zones_for
from contacts.models import Contact, Reply, Suppression
from deliveries.deciding.followup import settle
from deliveries.demo import making
from deliveries.models import (
    Cause,
    Decision,
    Engagement,
    LinkVisit,
    Message,
    Outbox,
    PendingReceipt,
    QueueEntry,
    Receipt,
    StatusChange,
    StatusEvent,
)
from deliveries.outcomes.engagement_figures import EngagementFigures
from deliveries.outcomes.reconciling import reconcile, unbalanced
from deliveries.providers.sandbox.network import Network
from deliveries.sending.launching import obstacles
from deliveries.statuses import BUCKETS, OPEN, Disposition, Status

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 18, 16, 0, tzinfo=UTC)
SEED = 7
NOT_BEGUN = {making.LIVE.slug, making.SCHEDULED.slug, making.DRAFT.slug}
KEPT = {"lens-week", "storm-closure", "recall-drop", "november-newsletter", "autumn-recall-reminders"}


def make_small() -> Network:
    """A demo of some hundred people and five campaigns."""

    def progress(items: Iterable, name: str) -> Iterable:
        return items

    with pytest.MonkeyPatch.context() as smaller:
        sources = [replace(source, size=source.size // 6) for source in making.SOURCES]
        smaller.setattr(making, "SOURCES", sources)
        smaller.setattr(making, "PLANS", [plan for plan in making.PLANS if plan.slug in KEPT])
        return making.make(SEED, NOW, progress=progress, say=lambda line: None)


@pytest.fixture(scope="module")
def twice(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[dict, Network]]:
    """The demo made, counted and thrown away, then made again from the same seed: (the first's counts, the second)."""
    with django_db_blocker.unblock():
        with transaction.atomic():
            make_small()
            first = counts()
            transaction.set_rollback(True)
        with transaction.atomic():
            yield first, make_small()
            transaction.set_rollback(True)


@pytest.fixture
def made(twice: tuple[dict, Network], db: None) -> Network:
    """What the carriers know; the demo itself is in the database, and each test sees it untouched."""
    return twice[1]


def history() -> list[Campaign]:
    """The campaigns of which something has left."""
    return [each for each in Campaign.objects.exclude(slug__in=NOT_BEGUN) if each.has_begun(NOW)]


def counts() -> dict:
    """What a demo comes to, without what differs from one run to the next: references and ids."""
    return {
        "states": Counter(Recipient.objects.values_list("campaign__slug", "state", "skip_reason")),
        "messages": Counter(
            Message.objects.values_list("campaign__slug", "channel", "cause", "status", "reason_code")
        ),
        "events": StatusEvent.objects.count(),
        "receipts": Receipt.objects.count(),
        "decisions": Counter(Decision.objects.values_list("by", "rule", "step")),
        "queues": Counter(QueueEntry.objects.values_list("campaign__slug", "queue")),
        "suppressions": Counter(Suppression.objects.values_list("reason", "origin", "channel")),
        "engagements": Counter(Engagement.objects.values_list("kind", "channel")),
        "people": sorted(Contact.objects.values_list("name", "external_id")),
    }


def test_every_book_of_the_demo_balances(made):
    call_command("check_tallies")

    assert unbalanced() == []
    for campaign in history():
        strip = reconcile(campaign)
        assert strip.difference == 0
        assert strip.audience == strip.skipped + strip.planned + strip.attempted == campaign.audience_size
        assert strip.attempted > 0


def test_the_demo_shows_something_of_everything(made):
    buckets = set(Message.objects.values_list("disposition", flat=True))

    assert {bucket.value for bucket in BUCKETS} - {"OPTOUT"} <= buckets  # who opts out is too rare here
    assert {"retry", "switch"} <= set(Message.objects.values_list("cause", flat=True))
    assert len(set(Recipient.objects.values_list("state", flat=True))) >= 5
    assert Engagement.objects.exists()
    assert {username for username, _ in making.LOGINS} == set(User.objects.values_list("username", flat=True))


def test_people_click_what_they_were_sent_and_machines_are_told_apart(made):
    done = Engagement.objects.filter(kind=Engagement.Kind.CLICK)

    assert done.filter(machine=False).count() > 5
    assert done.filter(machine=True).exists()
    assert set(done.values_list("text", flat=True)) == {"https://example.com/book"}
    assert not LinkVisit.objects.exists()
    for click in done.filter(machine=False):
        message = Message.objects.get(pk=click.message_id)
        assert message.delivered_at < click.at <= NOW
    campaign = Campaign.objects.get(slug="november-newsletter")
    assert EngagementFigures(campaign).count("clicked") > 0


def test_nothing_is_left_lying_about(made):
    assert not PendingReceipt.objects.filter(state=PendingReceipt.State.NEW).exists()
    assert not StatusChange.objects.exists()
    assert not Outbox.objects.filter(claimed_until__isnull=False).exists()
    overdue = Outbox.objects.filter(due_at__lte=NOW).exclude(message__campaign__slug=making.LIVE.slug)
    assert not overdue.exists()
    assert not Recipient.objects.filter(next_step_at__lte=NOW).exists()


def test_the_live_campaign_has_just_been_launched(made):
    live = Campaign.objects.get(slug=making.LIVE.slug)

    assert (live.state, live.launched_at) == (Campaign.State.LAUNCHING, NOW)
    assert made.next_at() is None or made.next_at() > NOW


def test_a_draft_waits_to_be_launched_and_another_campaign_for_its_start(made):
    draft = Campaign.objects.get(slug=making.DRAFT.slug)
    scheduled = Campaign.objects.get(slug=making.SCHEDULED.slug)

    assert (draft.state, obstacles(draft, NOW)) == (Campaign.State.DRAFT, [])
    assert scheduled.state_words(NOW) == "Scheduled"
    assert scheduled.starts_at > NOW
    assert scheduled.messages.filter(status=Status.QUEUED).exists()
    assert not scheduled.messages.filter(handed_over_at__isnull=False).exists()


def test_replies_wait_to_be_read_that_the_ordinary_code_recorded(made):
    replies = Reply.objects.order_by("at")
    unread = [(reply.text, len(contacts_at(reply.value))) for reply in replies.holding()]

    assert unread == [
        ("Can I stop by tomorrow?", 1),
        ("Quiero cancelar la cita de mi hijo", 1),
        ("Is this for me or my wife? Stop sending both", 2),
    ]
    looked_over = replies.filter(doubtful=True, acted=True)
    assert list(looked_over.values_list("text", flat=True)) == ["You have the wrong person"]
    assert set(replies.values_list("receipt_id", flat=True)) <= set(
        Receipt.objects.filter(kind="inbound").values_list("pk", flat=True)
    )


def test_nobody_suppressed_is_written_to_after_their_suppression(made):
    """Over the rows: no message was handed over while a suppression that covers it was in force."""
    late = []
    for entry in Suppression.objects.all():
        whom = {"address__value": entry.value} if entry.value else {"contact": entry.contact}
        sent = Message.objects.filter(**whom, handed_over_at__gt=entry.created_at)
        if entry.channel:
            sent = sent.filter(channel=entry.channel)
        if entry.released_at:
            sent = sent.filter(handed_over_at__lt=entry.released_at)
        late += list(sent.values_list("pk", flat=True))

    assert Suppression.objects.exists()
    assert late == []


def test_every_retry_and_switch_has_its_decision(made):
    automatic = Message.objects.filter(cause__in=[Cause.RETRY, Cause.SWITCH])
    explained = set(Decision.objects.values_list("message_id", "step"))

    assert automatic.exists()
    assert [m.pk for m in automatic if (m.follows_id, m.cause) not in explained] == []
    assert not automatic.filter(cause_reason="").exists()


def test_every_message_the_gate_stopped_says_why(made):
    stopped = Message.objects.filter(status=Status.CANCELED)
    for message in stopped.exclude(reason_code__in=["superseded", "opted_out"]):
        assert Decision.objects.filter(message_id=message.pk, by="gate", rule=message.reason_code).exists()


def test_the_rules_that_never_bend_hold_over_all_of_it(made):
    playbook = Playbook.objects.earliest("pk")
    retries = Message.objects.filter(cause=Cause.RETRY).select_related("follows")

    assert not Message.objects.filter(attempt__gt=1 + playbook.retries).exists()
    for retry in retries:
        before = retry.follows
        assert (before.channel, before.campaign_id) == (retry.channel, retry.campaign_id)
        # What was said later may differ, but a dead address or refused content was never simply tried again.
        assert before.disposition not in {Disposition.BOUNCED_HARD, Disposition.BLOCKED_COMPLIANCE}
    followed = Message.objects.filter(canceled_at=None, follows__isnull=False).values_list(
        "follows", flat=True
    )
    assert max(Counter(followed).values()) == 1


def test_every_message_is_handed_over_once(made):
    refs = Message.objects.filter(handed_over_at__isnull=False).values_list("uuid", flat=True)

    assert {made.lookup(str(ref)).submissions for ref in refs} == {1}


def test_no_text_or_call_leaves_outside_the_recipients_hours(made):
    reached = Message.objects.filter(handed_over_at__isnull=False).exclude(channel="email")
    outside = [
        message.pk
        for message in reached.select_related("address", "contact", "campaign")
        if not is_open(
            message.handed_over_at,
            zones_for(message.contact.time_zone, message.address.time_zone, "UTC"),
            message.campaign.window_start,
            message.campaign.window_end,
        )
    ]

    assert outside == []


def test_what_the_pages_say_is_what_the_carriers_did(made):
    """A reach we claim on a receipt really happened; what we do not know is called unknown, not success."""
    claimed = Message.objects.filter(disposition=Disposition.DELIVERED)

    assert claimed.exists()
    false = [m.pk for m in claimed if not made.truth(str(m.uuid)).reached]
    assert false == []


def test_states_follow_from_the_messages(made):
    """Settling everybody anew changes nothing: the rows are what the rules make of them."""
    done = Recipient.objects.exclude(campaign__slug__in=NOT_BEGUN).exclude(state="skipped")
    # Who said no since is not looked at again for what had ended long before.
    said_no = Suppression.objects.filter(origin="recipient").values("match_key")
    done = done.exclude(contact__addresses__match_key__in=said_no)
    before = list(done.order_by("pk").values())
    # How often an address failed since, in another campaign, may call for more than it did then.
    queued = QueueEntry.objects.exclude(queue__in=["correct", "suppress"]).order_by("pk")
    queues = list(queued.values())

    settle(done.values_list("pk", flat=True), NOW)

    assert list(done.order_by("pk").values()) == before
    assert list(queued.values()) == queues
    call_command("check_tallies")


def test_a_reached_recipient_has_an_arrival_and_an_open_one_something_to_wait_for(made):
    arrived = Message.objects.filter(disposition=Disposition.DELIVERED).values("recipient")
    history = Recipient.objects.exclude(campaign__slug=making.LIVE.slug)

    assert not history.filter(state="reached").exclude(pk__in=arrived).exists()
    assert not history.exclude(state="reached").filter(pk__in=arrived).exists()
    waiting = Message.objects.filter(status__in=OPEN, canceled_at=None).values("recipient")
    lost = history.filter(state="open", next_step_at=None).exclude(pk__in=waiting)
    assert not lost.exists()


def test_no_row_is_earlier_than_what_it_follows_from(made):
    assert not Message.objects.filter(handed_over_at__lt=F("created_at")).exists()
    assert not Message.objects.filter(handed_over_at__gt=NOW).exists()
    assert not Decision.objects.filter(at__gt=NOW).exists()
    assert (
        not Message.objects.annotate(last=Greatest("created_at", "due_at"))
        .filter(handed_over_at__lt=F("last"))
        .exists()
    )


def test_the_same_seed_makes_the_same_demo(twice, made):
    assert counts() == twice[0]
