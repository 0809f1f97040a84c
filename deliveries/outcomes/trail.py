"""Everything that happened to one contact, as one timeline: newest first, paged by cursor."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.db.models.functions import Coalesce
from django.utils import timezone

from campaigns.models import Recipient
from contacts.blocking import closes
from contacts.channels import Channel
from contacts.consenting import OPTED_IN_AGAIN
from contacts.gate import REASONS, Reason
from contacts.hours import SECOND, clocks, is_open, zones_and_source
from contacts.models import Address, Consent, Contact, Note, ReplyToRead, Suppression, SuppressionLapse
from contacts.suppressing import MAPPING_CORRECTED
from deliveries.meaning.mappings import describe
from deliveries.meaning.translation import Described
from deliveries.models import (
    BatchItem,
    Cause,
    Decision,
    Engagement,
    Message,
    QueueEntry,
    Receipt,
    StatusEvent,
)
from deliveries.outcomes.figures import providers
from deliveries.outcomes.keyset import Cursor
from deliveries.outcomes.rows import advice, bucket_of, newer_attempts, words_of
from deliveries.outcomes.texts import MessageText, texts
from deliveries.outcomes.why import DECIDES, verdict
from deliveries.statuses import REACHING, Disposition, Evidence, Queue, Status, disposition
from deliveries.wording import SKIPS, date_words, decided_by, withdrawal, wording

PAGE_SIZE = 30
SHOWN_UPCOMING = 20
Judgement = ReplyToRead.Judgement
BY_MAPPING = "A corrected code mapping"
# Whose zones hours are kept in, of one zone and of several: the contact's own, their number's, or the installation's.
WHOSE_ZONES = (
    ("the contact's zone", "the contact's zones"),
    ("the number's zone", "all zones where the number may be"),
    ("our own zone, as theirs is not known", "our own zones, as theirs are not known"),
)
SHOWN_BODY = 4_000  # characters of a raw receipt


LINKS = ("campaign", "contact", "address", "sender", "recipient")  # what a message needs loaded with it

# What a message came to that somebody may have to explain.
TROUBLE = [one for one in Disposition if one not in (Disposition.DELIVERED, Disposition.PENDING)]


@dataclass(frozen=True)
class Narrowing:
    """What of a timeline is shown. What belongs to no channel, such as a note, is only in the whole one."""

    channel: str = ""
    problems: bool = False


EVERYTHING = Narrowing()


@dataclass(frozen=True)
class Item:
    """One thing on the timeline. `kind` names the template that knows the rest, in `row`."""

    at: datetime
    kind: str
    pk: int
    row: Any
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[datetime, int, int]:
        return self.at, RANK[self.kind], self.pk


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


@dataclass(frozen=True)
class Upcoming:
    """A step that has not happened yet, and who can hurry or stop it."""

    recipient: Recipient
    at: datetime
    words: str
    reason: str
    clocks: str  # what they show then where the person may be
    automatic: bool = True


@dataclass(frozen=True)
class Day:
    day: Any
    items: list[Item]


@dataclass(frozen=True)
class Trail:
    days: list[Day]
    after: str
    first: bool
    attempts: list[TrailMessage]


def trail(
    contact: Contact, addresses: Sequence[Address], after: str, narrowing: Narrowing = EVERYTHING
) -> Trail:
    """One page of the timeline, in days of the current time zone. A fixed number of queries."""
    cursor = Cursor.read(after)
    cursor = cursor if cursor and cursor.at else None
    found: list[Item] = []
    for kind, source in SOURCES.items():
        rows = source.rows(contact, addresses)
        found += _read(kind, source, source.narrowed(rows, narrowing), cursor)
    found.sort(key=lambda item: item.key, reverse=True)
    shown, more = found[:PAGE_SIZE], found[PAGE_SIZE:]
    last = shown[-1] if shown and more else None
    mark = str(Cursor(last.at, last.pk, RANK[last.kind])) if last else ""
    told = attempts([item.row for item in shown if item.kind == "message"])
    by_id = {attempt.message.pk: attempt for attempt in told}
    items = [Item(i.at, i.kind, i.pk, by_id[i.pk], i.extra) if i.kind == "message" else i for i in shown]
    days = [Day(day, list(group)) for day, group in groupby(items, lambda i: timezone.localtime(i.at).date())]
    return Trail(days, mark, cursor is None, told)


# ---- Where items come from -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrailSource:
    rows: Callable[[Contact, Sequence[Address]], QuerySet]
    at: str  # the column that says when
    time: Callable[[Any], datetime]
    channel: str = ""  # the column that says where; empty in a row means on every channel
    trouble: Q | None = None  # which of its rows are a problem; None: none is

    def narrowed(self, rows: QuerySet, narrowing: Narrowing) -> QuerySet:
        if (narrowing.channel and not self.channel) or (narrowing.problems and self.trouble is None):
            return rows.none()
        if narrowing.channel:
            rows = rows.filter(**{f"{self.channel}__in": [narrowing.channel, ""]})
        return rows.filter(self.trouble) if narrowing.problems and self.trouble else rows


def _suppressed(contact: Contact, addresses: Sequence[Address]) -> QuerySet:
    theirs = Q(contact=contact) | Q(match_key__in={one.match_key for one in addresses} - {""})
    # What extends a block of the whole contact to their addresses is no act of its own.
    return Suppression.objects.filter(theirs).exclude(follows__contact=contact)


def _lapsed(contact: Contact, addresses: Sequence[Address]) -> QuerySet:
    theirs = _suppressed(contact, addresses).values("pk")
    return SuppressionLapse.objects.filter(suppression__in=theirs).select_related("suppression")


def _batched(contact: Contact, addresses: Sequence[Address]) -> QuerySet:
    mine = Message.objects.filter(contact=contact).values("pk")
    return BatchItem.objects.filter(message_id__in=mine).select_related("batch__created_by", "message")


def _judged(contact: Contact, addresses: Sequence[Address]) -> QuerySet:
    theirs = {one.match_key for one in addresses} - {""}
    return ReplyToRead.objects.filter(match_key__in=theirs, read_at__isnull=False).select_related("read_by")


SOURCES = {
    "message": TrailSource(
        lambda contact, _: (
            Message.objects.filter(contact=contact)
            .annotate(moment=Coalesce("handed_over_at", "created_at"))
            .select_related(*LINKS)
        ),
        "moment",  # when it was sent; when it was made, as long as it was not
        lambda row: row.moment,
        channel="channel",
        trouble=Q(disposition__in=TROUBLE),
    ),
    # What was decided about a message stands under that message.
    "decision": TrailSource(
        lambda contact, _: Decision.objects.filter(contact=contact, message_id=None).select_related(
            "recipient__campaign"
        ),
        "at",
        lambda row: row.at,
        trouble=Q(by="gate"),
    ),
    "engagement": TrailSource(
        lambda contact, _: Engagement.objects.filter(contact=contact),
        "at",
        lambda row: row.at,
        channel="channel",
        trouble=Q(kind=Engagement.Kind.STOP),
    ),
    "consent": TrailSource(
        lambda contact, _: Consent.objects.filter(contact=contact).select_related("recorded_by", "withdraws"),
        "at",
        lambda row: row.at,
        channel="channel",
        trouble=Q(opted_in=False) & (Q(withdraws=None) | Q(withdraws__withdraws__isnull=False)),
    ),
    "suppression": TrailSource(
        lambda contact, addresses: _suppressed(contact, addresses).select_related("created_by"),
        "created_at",
        lambda row: row.created_at,
        channel="channel",
        trouble=Q(pk__isnull=False),
    ),
    "release": TrailSource(
        lambda contact, addresses: (
            _suppressed(contact, addresses).filter(released_at__isnull=False).select_related("released_by")
        ),
        "released_at",
        lambda row: row.released_at,
        channel="channel",
    ),
    # Of what was lifted by mistake, and stands again.
    "lapse": TrailSource(_lapsed, "released_at", lambda row: row.released_at, channel="suppression__channel"),
    "restored": TrailSource(
        _lapsed,
        "restored_at",
        lambda row: row.restored_at,
        channel="suppression__channel",
        trouble=Q(pk__isnull=False),
    ),
    # The reply itself stands where it was written; who read it, and as what, where they did.
    "judged": TrailSource(
        _judged, "read_at", lambda row: row.read_at, channel="channel", trouble=Q(judgement=Judgement.OPT_OUT)
    ),
    "note": TrailSource(
        lambda contact, _: Note.objects.filter(contact=contact).select_related("author"),
        "at",
        lambda row: row.at,
    ),
    "batch": TrailSource(
        _batched, "batch__created_at", lambda row: row.batch.created_at, channel="message__channel"
    ),
}
# Of several things at the same instant the later kind is shown first: the cause stands below its effect.
RANK = {kind: rank for rank, kind in enumerate(reversed(SOURCES))}


def _read(kind: str, source: TrailSource, rows: QuerySet, cursor: Cursor | None) -> Iterable[Item]:
    if cursor and cursor.at:
        rows = rows.filter(_before(source.at, RANK[kind], cursor))
    rows = rows.order_by(f"-{source.at}", "-id")[: PAGE_SIZE + 1]
    return [Item(source.time(row), kind, row.pk, row, EXTRA.get(kind, _extra)(row)) for row in rows]


def _extra(row: Any) -> dict[str, Any]:
    if isinstance(row, Decision):
        return {"by": decided_by(row.by, row.rule, row.rule_version)}
    if isinstance(row, BatchItem) and row.reason:
        return {"why": SKIPS.get(row.reason, row.reason)}
    return {}


def _suppressed_extra(row: Suppression) -> dict[str, Any]:
    return {"where": closes(row)}


def _released_extra(row: Suppression) -> dict[str, Any]:
    """Who or what lifted it, and that a yes to one channel says nothing of those that they refused."""
    note = row.release_note
    theirs, mapping = note.startswith(OPTED_IN_AGAIN), note.startswith(MAPPING_CORRECTED)
    by = "Their own new consent" if theirs else BY_MAPPING if mapping else ""
    by = row.released_by.display_name if row.released_by else by
    stays = (
        "What they opted out of, and did not opt in to again, stays off." if theirs and not row.value else ""
    )
    return {"where": closes(row), "by": by, "stays": stays}


def _lapsed_extra(row: SuppressionLapse) -> dict[str, Any]:
    return {"where": closes(row.suppression), "by": BY_MAPPING}


EXTRA: dict[str, Callable[[Any], dict[str, Any]]] = {
    "suppression": _suppressed_extra,
    "release": _released_extra,
    "lapse": _lapsed_extra,
    "restored": _lapsed_extra,
}


def _before(at: str, rank: int, cursor: Cursor) -> Any:
    """Rows of a kind that come after the cursor's item in the merged order (time, kind, id)."""
    if rank == cursor.kind:
        return TupleLessThan(Tuple(F(at), F("id")), (cursor.at, cursor.pk))
    return Q(**{f"{at}__{'lte' if rank < cursor.kind else 'lt'}": cursor.at})


# ---- Messages with everything that was said about them ------------------------------------------------------------


def attempts(messages: Sequence[Message]) -> list[TrailMessage]:
    """These messages (with their LINKS loaded), each with its events, receipts, decisions and text: 7 queries."""
    ids = [message.pk for message in messages]
    events: dict[int, list[StatusEvent]] = defaultdict(list)
    # By when it happened, not by when it came in; of the same moment, what goes further comes later.
    in_time = ("occurred_at", "standing", "recorded_at", "fact")
    for event in StatusEvent.objects.filter(message_id__in=ids).order_by(*in_time):
        events[event.message_id].append(event)
    told = {event.receipt_id for found in events.values() for event in found if event.receipt_id}
    receipts = {one.pk: Raw(one, readable(one)) for one in Receipt.objects.filter(pk__in=told)}
    decisions: dict[int, list[Decision]] = defaultdict(list)
    for decision in Decision.objects.filter(message_id__in=ids).order_by("at", "id"):
        decisions[decision.message_id or 0].append(decision)
    entries = QueueEntry.objects.in_bulk(ids)
    newer, said = newer_attempts(messages), texts(messages)
    slugs = providers()
    return [
        _attempt(
            m, slugs.get(m.account_id, ""), events[m.pk], receipts, decisions[m.pk], entries.get(m.pk),
            newer.get(m.pk), said[m.pk],
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
    said = (
        describe(provider, message.channel, message.reason_code, message.status)
        if message.reason_code
        else None
    )
    latency = (
        (message.delivered_at - message.handed_over_at)
        if message.delivered_at and message.handed_over_at
        else None
    )
    winner = next((event for event in events if event.standing == message.standing), None)
    withdrawn = message.status == Status.CANCELED and not message.disposition
    return TrailMessage(
        message=message,
        bucket=bucket_of(message.disposition),
        label=words.label,
        meaning=_meaning(message, said, words.meaning),
        code_name=said.name if said and not withdrawn else "",
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


def held_until(message: Message, due_at: datetime, since: datetime) -> str:
    """That a send asked for at `since` waited until `due_at` for the hours permitted where the person is, and whose
    zones those are; '' where it did not wait for them.

    Told from the zones and the window of today: where those have changed since, nothing is said.
    """
    window = message.campaign.window_start, message.campaign.window_end
    zones, whose = zones_of(message)
    if message.channel == Channel.EMAIL or due_at <= since or not is_open(due_at, zones, *window):
        return ""
    if is_open(due_at - SECOND, zones, *window):
        return ""  # at another moment than that at which the hours begin
    local = due_at.astimezone(zones[0])
    if len(zones) > 1:
        return f"Held until {date_words(local)}, {clocks(due_at, zones)} ({whose})"
    return f"Held until {date_words(local)}, {local:%H:%M} ({zones[0].key.replace('_', ' ')}, {whose})"


def asked_at(message: Message) -> datetime:
    """When it would have left, had it not to wait for anything: a campaign may begin later than it is launched."""
    return max(filter(None, (message.created_at, message.campaign.starts_at)))


def zones_of(message: Message) -> tuple[tuple[ZoneInfo, ...], str]:
    """The zones in which hours are kept, as the gate finds them, and whose they are."""
    zones, source = zones_and_source(message.contact.time_zone, message.address.time_zone, settings.TIME_ZONE)
    one, several = WHOSE_ZONES[min(source, 2)]
    return zones, one if len(zones) == 1 else several


def _meaning(message: Message, said: Described | None, usual: str) -> str:
    if message.status == Status.CANCELED and not message.disposition:
        return withdrawal(message.reason_code)
    return (said.meaning or said.short if said else "") or usual


def _fact(
    message: Message,
    provider: str,
    event: StatusEvent,
    receipts: dict[int, Raw],
    winner: StatusEvent | None,
) -> Fact:
    words = wording(message.channel, event.status, event.failure_class, message.goal, event.evidence)
    said = describe(provider, message.channel, event.native_code, event.status) if event.native_code else None
    found = disposition(event.status, event.failure_class, event.fault, message.goal)
    return Fact(
        event=event,
        label=words.label,
        bucket=bucket_of(found),
        meaning=said.short if said and said.short else event.native_text,
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


# ---- What is still to come ---------------------------------------------------------------------------------------


# What happens by itself. What waits for a person (a failed attempt to retry by hand) is only looked at again one day.
AUTOMATIC = {Recipient.NextStep.WAIT, Recipient.NextStep.RETRY, Recipient.NextStep.SWITCH}


def upcoming(contact: Contact, zones: tuple[ZoneInfo, ...], now: datetime) -> list[Upcoming]:
    """Steps with a time: automatic next steps, and messages that wait for theirs; the soonest first. Two queries.

    Where a colleague has stopped the steps nothing comes any more: a message under way is only judged one day.
    `zones` are those in which the person may be.
    """
    planned = Recipient.objects.filter(contact=contact, next_step_at__isnull=False, automatic=True)
    planned = planned.select_related("campaign")
    waiting = Message.objects.filter(contact=contact, status=Status.QUEUED, due_at__gt=now, canceled_at=None)
    waiting = waiting.select_related("recipient__campaign", "outbox", *LINKS).order_by("due_at")[
        :SHOWN_UPCOMING
    ]
    steps = [
        Upcoming(one, one.next_step_at, _future(one), one.next_step_reason, clocks(one.next_step_at, zones))
        for one in planned.order_by("next_step_at")[:SHOWN_UPCOMING]
        if one.next_step_at and one.next_step in AUTOMATIC and one.state != Recipient.State.FAILED
    ]
    sends = [
        Upcoming(
            m.recipient, m.due_at, f"{Channel(m.channel).label} leaves", _held(m) or m.cause_reason,
            clocks(m.due_at, zones), automatic=False,
        )
        for m in waiting
    ]  # fmt: skip
    return sorted([*steps, *sends], key=lambda step: step.at)


def _held(message: Message) -> str:
    """What it waits for, beside its time."""
    held = message.outbox.held if hasattr(message, "outbox") else ""
    if held == Reason.REPLY_UNREAD:
        return f"It waits: {REASONS[Reason(held)].sentence}."
    hours = held_until(message, message.due_at, asked_at(message))
    return f"{hours}." if hours else ""


def _future(recipient: Recipient) -> str:
    return str(Recipient.NextStep(recipient.next_step).label)
