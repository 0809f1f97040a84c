"""One message with everything that is known of it: events, receipts, decisions, text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from campaigns.models import Recipient
from deliveries.meaning.mappings import describe
from deliveries.meaning.translation import Described
from deliveries.models import (
    Account,
    Cause,
    Decision,
    Message,
    QueueEntry,
    Receipt,
    RetentionRun,
    StatusEvent,
)
from deliveries.outcomes.held_until import held_until, waits_until
from deliveries.outcomes.rows import advice, bucket_of, newer_attempts, words_of
from deliveries.outcomes.texts import MessageText, texts
from deliveries.outcomes.why import DECIDES, verdict
from deliveries.statuses import REACHING, Disposition, Evidence, Queue, Status, disposition
from deliveries.wording import decided_by, withdrawal, wording

SHOWN_BODY = 4_000  # characters of a raw receipt: all of a usual one, and thirty of them still make a page
LINKS = (
    "campaign",
    "contact",
    "address",
    "sender",
    "recipient",
    "outbox",
)  # what a message needs loaded with it


@dataclass(frozen=True)
class Fact:
    """One status event of a message, with the receipt that reported it where there is one."""

    event: StatusEvent
    label: str
    bucket: str
    meaning: str
    receipt: Raw | None
    receipt_dropped: datetime | None  # since when its receipt is no longer kept
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
    facts_dropped: datetime | None  # since when they are no longer kept
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


@dataclass(frozen=True)
class Records:
    """What is on record about some messages, by the id of the message unless said otherwise."""

    events: Mapping[int, list[StatusEvent]]  # in order of time
    events_dropped: Mapping[int, datetime]
    receipts: Mapping[int, Raw]  # by the id of the receipt
    receipts_dropped: Mapping[int, datetime]  # by the id of the receipt
    decisions: Mapping[int, list[Decision]]  # in order of time
    entries: Mapping[int, QueueEntry]
    newer: Mapping[int, Message]  # the attempt that took its place
    texts: Mapping[int, MessageText]
    providers: Mapping[int, str]  # id of an account -> its provider


def attempts(messages: Sequence[Message]) -> list[TrailMessage]:
    """These messages (with their LINKS loaded), each with its events, receipts, decisions and text: 7 queries,
    and up to 2 more where something of it is no longer kept."""
    records = _records(messages)
    return [_attempt(message, records) for message in messages]


def _records(messages: Sequence[Message]) -> Records:
    ids = [message.pk for message in messages]
    events: dict[int, list[StatusEvent]] = defaultdict(list)
    # By when it happened, not by when it came in; of the same moment, what goes further comes later.
    in_time = ("occurred_at", "precedence", "recorded_at", "fact")
    for event in StatusEvent.objects.filter(message_id__in=ids).order_by(*in_time):
        events[event.message_id].append(event)
    reported = {event.receipt_id for found in events.values() for event in found if event.receipt_id}
    decisions: dict[int, list[Decision]] = defaultdict(list)
    for decision in Decision.objects.filter(message_id__in=ids).order_by("at", "id"):
        decisions[decision.message_id or 0].append(decision)
    receipts = {one.pk: Raw(one, readable(one)) for one in Receipt.objects.filter(pk__in=reported)}
    # Something must have been reported of what is settled.
    bare = [message.pk for message in messages if message.settled_at and not events[message.pk]]
    return Records(
        events=events,
        events_dropped=RetentionRun.dropped(RetentionRun.Kind.EVENTS, bare),
        receipts=receipts,
        receipts_dropped=RetentionRun.dropped(RetentionRun.Kind.RECEIPTS, reported - receipts.keys()),
        decisions=decisions,
        entries=QueueEntry.objects.in_bulk(ids),
        newer=newer_attempts(messages),
        texts=texts(messages),
        providers=Account.objects.providers(),
    )


def _attempt(message: Message, records: Records) -> TrailMessage:
    words = words_of(message, timezone.now())
    provider = records.providers.get(message.account_id, "")
    code = _described(provider, message.channel, message.reason_code, message.status)
    events, newer = records.events[message.pk], records.newer.get(message.pk)
    entry = records.entries.get(message.pk)
    winner = next((event for event in events if event.precedence == message.precedence), None)
    withdrawn = message.status == Status.CANCELED and not message.disposition
    return TrailMessage(
        message=message,
        bucket=bucket_of(message.disposition),
        label=words.label,
        meaning=_meaning(message, code, words.meaning),
        code_name=code.name if code and not withdrawn else "",
        next_step=_next_step("" if newer else advice(message, words), entry),
        newer=newer,
        text=records.texts[message.pk],
        why=_why(message),
        facts=[_fact(message, provider, event, records, winner) for event in events],
        facts_dropped=records.events_dropped.get(message.pk),
        decisions=[_ruling(one, message) for one in records.decisions[message.pk]],
        hours=waits_until(message),
        entry=entry,
        seconds=_seconds(message),
    )


def _described(provider: str, channel: str, code: str, status: str) -> Described | None:
    """What the tables say of a code; None where there is none."""
    return describe(provider, channel, code, status) if code else None


def _seconds(message: Message) -> int | None:
    """From handover to delivery, never below 0; None where one of the two is not known."""
    if not message.delivered_at or not message.handed_over_at:
        return None
    return max(0, round((message.delivered_at - message.handed_over_at).total_seconds()))


def _ruling(row: Decision, message: Message) -> Ruling:
    waits = row.step == Recipient.NextStep.RETRY and row.due_at
    return Ruling(
        row=row,
        by=decided_by(row.by, row.rule, row.rule_version),
        hours=held_until(message, row.due_at, row.at) if waits and row.due_at else "",
    )


def _meaning(message: Message, code: Described | None, usual: str) -> str:
    if message.status == Status.CANCELED and not message.disposition:
        return withdrawal(message.reason_code)
    return (code.meaning or code.short if code else "") or usual


def _fact(
    message: Message,
    provider: str,
    event: StatusEvent,
    records: Records,
    winner: StatusEvent | None,
) -> Fact:
    words = wording(message.channel, event.status, event.failure_class, message.goal, event.evidence)
    code = _described(provider, message.channel, event.native_code, event.status)
    found = disposition(event.status, event.failure_class, event.fault, message.goal)
    return Fact(
        event=event,
        label=words.label,
        bucket=bucket_of(found),
        meaning=code.short if code and code.short else event.native_text,
        receipt=records.receipts.get(event.receipt_id or 0),
        receipt_dropped=records.receipts_dropped.get(event.receipt_id or 0),
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
