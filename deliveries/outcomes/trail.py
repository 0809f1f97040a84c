"""Everything that happened to one contact, as one timeline: newest first, paged by cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.db.models.functions import Coalesce
from django.utils import timezone

from contacts.blocking import closes
from contacts.consenting import OPTED_IN_AGAIN
from contacts.models import (
    Address,
    AutomaticAnswer,
    Consent,
    Contact,
    Note,
    Reply,
    Suppression,
    SuppressionLapse,
)
from contacts.suppressing import MAPPING_CORRECTED
from deliveries.models import BatchItem, Decision, Engagement, Message
from deliveries.outcomes.keyset import Cursor
from deliveries.outcomes.message_details import LINKS, TrailMessage, attempts
from deliveries.statuses import Disposition
from deliveries.wording import SKIPS, decided_by

PAGE_SIZE = 30  # things on one page; each may be a message with all its receipts
Judgement = Reply.Judgement
BY_MAPPING = "A corrected code mapping"

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
    page_messages = attempts([item.row for item in shown if item.kind == "message"])
    by_id = {attempt.message.pk: attempt for attempt in page_messages}
    items = [Item(i.at, i.kind, i.pk, by_id[i.pk], i.extra) if i.kind == "message" else i for i in shown]
    days = [Day(day, list(group)) for day, group in groupby(items, lambda i: timezone.localtime(i.at).date())]
    return Trail(days, mark, cursor is None, page_messages)


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
    return Reply.objects.filter(match_key__in=theirs, read_at__isnull=False).select_related("read_by")


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
    # What was answered to what they wrote, by itself or by a colleague.
    "answer": TrailSource(
        lambda contact, _: AutomaticAnswer.objects.filter(address__contact=contact).select_related(
            "written_by"
        ),
        "asked_at",
        lambda row: row.asked_at,
        channel="channel",
    ),
    "consent": TrailSource(
        lambda contact, _: Consent.objects.filter(contact=contact).select_related("recorded_by", "withdraws"),
        "at",
        lambda row: row.at,
        channel="channel",
        trouble=Q(opted_in=False) & (Q(withdraws=None) | Q(withdraws__withdraws__isnull=False)),
    ),
    "suppression": TrailSource(
        lambda contact, addresses: _suppressed(contact, addresses).select_related("created_by", "follows"),
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
