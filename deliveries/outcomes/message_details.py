"""One message with everything that is known of it: events, receipts, decisions, text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from campaigns.models import Recipient
from deliveries.meaning.mappings import describe
from deliveries.meaning.translation import Described
from deliveries.models import Account, Cause, Decision, Message, QueueEntry, Receipt, StatusEvent
from deliveries.outcomes.held_until import asked_at, held_until
from deliveries.outcomes.rows import advice, bucket_of, newer_attempts, words_of
from deliveries.outcomes.texts import MessageText, texts
from deliveries.outcomes.why import DECIDES, verdict
from deliveries.statuses import REACHING, Disposition, Evidence, Queue, Status, disposition
from deliveries.wording import decided_by, withdrawal, wording

SHOWN_BODY = 4_000  # characters of a raw receipt
LINKS = ("campaign", "contact", "address", "sender", "recipient")  # what a message needs loaded with it


@dataclass(frozen=True)
class Fact:
    """One status event of a message, with the receipt that told it where there is one."""

    event: StatusEvent
    label: str
    bucket: str
    meaning: str
    receipt: Raw | None
    verdict: str

    @property
    def decides(self) -> bool:
        return self.verdict == DECIDES


@dataclass(frozen=True)
class Raw:
    """A receipt as it came in."""

    receipt: Receipt
    body: str

    @property
    def headers(self) -> list[tuple[str, str]]:
        return sorted(dict(self.receipt.headers).items())


@dataclass(frozen=True)
class Ruling:
    """A decision about a message: who made it, and until when it lets the next attempt wait for the permitted hours."""

    row: Decision
    by: str
    hours: str


@dataclass(frozen=True)
class TrailMessage:
    """What the timeline and the page of one message show of a message."""

    message: Message
    bucket: str
    label: str
    meaning: str
    code_name: str
    next_step: str
    newer: Message | None  # the attempt that took its place
    text: MessageText
    why: str  # why the attempt was made; '' for the campaign's own first one
    facts: list[Fact]
    decisions: list[Ruling]
    hours: str  # until when it waited for the permitted hours, and in whose zone; '' where it did not
    entry: QueueEntry | None
    seconds: int | None  # from handover to delivery

    @property
    def at(self) -> datetime:
        """When it was handed over; when it was made, as long as it was not."""
        return self.message.handed_over_at or self.message.created_at

    @property
    def arrived(self) -> bool:
        """Somewhere: a call that was to be a conversation may have reached no more than a mailbox."""
        return self.message.status in REACHING

    @property
    def delivered(self) -> bool:
        """As the campaign wanted it."""
        return self.message.disposition == Disposition.DELIVERED

    @property
    def failed(self) -> bool:
        return self.bucket not in ("", "success", "pending") and not self.arrived

    @property
    def evidence(self) -> str:
        return str(Evidence(self.message.evidence).label)


def attempts(messages: Sequence[Message]) -> list[TrailMessage]:
    """These messages (with their LINKS loaded), each with its events, receipts, decisions and text: 7 queries."""
    ids = [message.pk for message in messages]
    events: dict[int, list[StatusEvent]] = defaultdict(list)
    # By when it happened, not by when it came in; of the same moment, what goes further comes later.
    in_time = ("occurred_at", "precedence", "recorded_at", "fact")
    for event in StatusEvent.objects.filter(message_id__in=ids).order_by(*in_time):
        events[event.message_id].append(event)
    receipt_ids = {event.receipt_id for found in events.values() for event in found if event.receipt_id}
    receipts = {one.pk: Raw(one, readable(one)) for one in Receipt.objects.filter(pk__in=receipt_ids)}
    decisions: dict[int, list[Decision]] = defaultdict(list)
    for decision in Decision.objects.filter(message_id__in=ids).order_by("at", "id"):
        decisions[decision.message_id or 0].append(decision)
    entries = QueueEntry.objects.in_bulk(ids)
    newer, sent_texts = newer_attempts(messages), texts(messages)
    slugs = Account.objects.providers()
    return [
        _attempt(
            m, slugs.get(m.account_id, ""), events[m.pk], receipts, decisions[m.pk], entries.get(m.pk),
            newer.get(m.pk), sent_texts[m.pk],
        )
        for m in messages
    ]  # fmt: skip


def _attempt(
    message: Message,
    provider: str,
    events: Sequence[StatusEvent],
    receipts: dict[int, Raw],
    decisions: list[Decision],
    entry: QueueEntry | None,
    newer: Message | None,
    text: MessageText,
) -> TrailMessage:
    words = words_of(message, timezone.now())
    described = (
        describe(provider, message.channel, message.reason_code, message.status)
        if message.reason_code
        else None
    )
    latency = (
        (message.delivered_at - message.handed_over_at)
        if message.delivered_at and message.handed_over_at
        else None
    )
    winner = next((event for event in events if event.precedence == message.precedence), None)
    withdrawn = message.status == Status.CANCELED and not message.disposition
    return TrailMessage(
        message=message,
        bucket=bucket_of(message.disposition),
        label=words.label,
        meaning=_meaning(message, described, words.meaning),
        code_name=described.name if described and not withdrawn else "",
        next_step=_next_step("" if newer else advice(message, words), entry),
        newer=newer,
        text=text,
        why=_why(message),
        facts=[_fact(message, provider, event, receipts, winner) for event in events],
        decisions=[_ruling(one, message) for one in decisions],
        hours="" if message.canceled_at else held_until(message, message.due_at, asked_at(message)),
        entry=entry,
        seconds=max(0, round(latency.total_seconds())) if latency else None,
    )


def _ruling(row: Decision, message: Message) -> Ruling:
    waits = row.step == Recipient.NextStep.RETRY and row.due_at
    return Ruling(
        row=row,
        by=decided_by(row.by, row.rule, row.rule_version),
        hours=held_until(message, row.due_at, row.at) if waits and row.due_at else "",
    )


def _meaning(message: Message, described: Described | None, usual: str) -> str:
    if message.status == Status.CANCELED and not message.disposition:
        return withdrawal(message.reason_code)
    return (described.meaning or described.short if described else "") or usual


def _fact(
    message: Message,
    provider: str,
    event: StatusEvent,
    receipts: dict[int, Raw],
    winner: StatusEvent | None,
) -> Fact:
    words = wording(message.channel, event.status, event.failure_class, message.goal, event.evidence)
    described = (
        describe(provider, message.channel, event.native_code, event.status) if event.native_code else None
    )
    found = disposition(event.status, event.failure_class, event.fault, message.goal)
    return Fact(
        event=event,
        label=words.label,
        bucket=bucket_of(found),
        meaning=described.short if described and described.short else event.native_text,
        receipt=receipts.get(event.receipt_id or 0),
        verdict=verdict(event, message, winner),
    )


def _next_step(usual: str, entry: QueueEntry | None) -> str:
    """The reason it stands in a queue says more than the usual step for its status."""
    if entry is None:
        return usual
    return f"{Queue(entry.queue).label}. {entry.reason}"


def _why(message: Message) -> str:
    if message.cause == Cause.CAMPAIGN:
        return message.cause_reason
    return ": ".join(filter(None, [str(Cause(message.cause).label), message.cause_reason]))


def readable(receipt: Receipt) -> str:
    """The body as text, cut to what a page can bear."""
    text = bytes(receipt.body).decode("utf-8", "replace")
    return text if len(text) <= SHOWN_BODY else f"{text[:SHOWN_BODY]} ..."
