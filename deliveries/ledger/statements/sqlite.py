"""SQLite: one writer at a time, so what is read inside the transaction cannot change before it is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper

from deliveries.ledger.statements.values import MESSAGE_DIMENSIONS, Applied, ClaimedReceipt, EventRow
from deliveries.ledger.tallies import append
from deliveries.models import Outbox
from deliveries.statuses import REACHING, SETTLED, Status

CLAIM = """
SELECT p.receipt_id, r.account_id, r.kind, r.received_at, r.method, r.query, r.headers, r.body, p.attempts
FROM deliveries_pendingreceipt p JOIN deliveries_receipt r ON r.id = p.receipt_id
WHERE p.state = 'new' {these} ORDER BY p.receipt_id LIMIT %s
"""

BY_REF = "SELECT uuid, account_id, id, goal FROM deliveries_message WHERE uuid IN ({marks})"

# The condition of the index is said again, in its own words: else SQLite reads the whole table.
BY_PROVIDER_ID = """
SELECT provider_message_id, id, goal FROM deliveries_message
WHERE account_id = %s AND provider_message_id IN ({marks}) AND NOT (provider_message_id = '')
"""

# For the expansion of an audience: ids in advance. The transaction holds the one write lock, so they stay free.
NEXT_ID = "(SELECT coalesce(max(id), 0) FROM {table}) + row_number() OVER (ORDER BY c.id)"

# The same: when the one with this id leaves, where `o` says when it may and over how many seconds that is spread. As
# `contacts.hours.spread` says it; what is spread begins at a full second.
SPREAD_DUE = """CASE WHEN o.spread_over = 1 THEN o.due_at
  ELSE datetime(o.due_at, '+' || (message_id * o.step %% o.spread_over) || ' seconds') END"""

WRITE_EVENTS = """
INSERT INTO deliveries_statusevent (
  message_id, fact, receipt_id, status, precedence, failure_class, fault, evidence, native_status, native_code,
  native_text, part, parts, occurred_at, recorded_at, mapping_version)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (message_id, fact) DO UPDATE SET occurred_at = excluded.occurred_at
"""

RAISE = """
UPDATE deliveries_message SET status = %s, precedence = %s, failure_class = %s, fault = %s, evidence = %s,
  disposition = %s, reason_code = %s, settled_at = %s, updated_at = %s, sent_at = %s, delivered_at = %s WHERE id = %s
"""

TIMES = "UPDATE deliveries_message SET settled_at = %s, sent_at = %s, delivered_at = %s WHERE id = %s"

NOTE_CHANGE = "INSERT INTO deliveries_statuschange (message_id, changed_at) VALUES (%s, %s)"


def lock_due(
    shares: Mapping[tuple[int, int], int],
    now: datetime,
    without: Sequence[int],
    taken: Sequence[int],
    *,
    urgent: bool,
) -> list[Outbox]:
    """Up to so many due rows of each (account, sender), the longest waiting first."""
    due = Outbox.objects.filter(claimed_until=None, due_at__lte=now, urgent=urgent).order_by(
        "due_at", "message"
    )
    due = due.exclude(campaign_id__in=without).exclude(pk__in=taken)
    return [
        row
        for (account, sender), places in shares.items()
        for row in due.filter(account_id=account, sender_id=sender)[:places]
    ]


def rewrite(table: str, columns: Mapping[str, str], values: Sequence[Sequence[Any]]) -> None:
    """`columns` are names and types, the key first; `values` has a row for each, in the same order."""
    key, *others = columns
    sets = ", ".join(f"{name} = %s" for name in others)
    sql = f"UPDATE {table} SET {sets} WHERE {key} = %s"  # noqa: S608 - names of our own models
    with connection.cursor() as cursor:
        cursor.executemany(sql, [(*rest, pk) for pk, *rest in values])


def sqlite_text(moment: datetime) -> str:
    """A moment as Django writes it into SQLite: UTC without its zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")


def moment(value: datetime | str) -> datetime:
    """What SQLite gave for a moment, aware: it keeps UTC without saying so."""
    naive = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return naive.replace(tzinfo=UTC)


def marks(values: Sequence) -> str:
    return ", ".join(["%s"] * len(values))


def earlier(one: str | None, other: str | None) -> str | None:
    """The earlier of two moments as SQLite stores them; one that is not there does not count."""
    return min(filter(None, (one, other)), default=None)


def new_reference(moment: str) -> str:
    """SQL that gives every row a reference of its own; `moment` as `references.moment` gives it."""
    chance = "lower(substr(hex(randomblob({bytes})), 2))"
    return f"'{moment}7' || {chance.format(bytes=2)} || '8' || {chance.format(bytes=8)}"


def claim_receipts(
    limit: int, ids: Sequence[int] | None = None, *, inbound: bool = False
) -> list[ClaimedReceipt]:
    these = ("" if ids is None else f"AND p.receipt_id IN ({marks(ids)})") + (
        " AND p.inbound" if inbound else ""
    )
    with connection.cursor() as cursor:
        cursor.execute(CLAIM.format(these=these), [*(ids or ()), limit])
        rows = cursor.fetchall()
    return [
        ClaimedReceipt(id, account, kind, moment(at), method, query, json.loads(headers), body, attempts)
        for id, account, kind, at, method, query, headers, body, attempts in rows
    ]


def messages_by_ref(refs: Sequence[str]) -> list[tuple[str, int, int, str]]:
    """(reference, account, message, goal)"""
    by_hex = {ref.replace("-", ""): ref for ref in refs}  # as Django stores them
    with connection.cursor() as cursor:
        cursor.execute(BY_REF.format(marks=marks(refs)), list(by_hex))
        return [(by_hex[ref], account, pk, goal) for ref, account, pk, goal in cursor.fetchall()]


def messages_by_provider_id(account: int, ids: Sequence[str]) -> list[tuple[str, int, str]]:
    """(provider's id, message, goal)"""
    with connection.cursor() as cursor:
        cursor.execute(BY_PROVIDER_ID.format(marks=marks(ids)), [account, *ids])
        return cursor.fetchall()


def apply_events(
    events: Sequence[EventRow], now: datetime, mapping_version: int
) -> tuple[Applied, list[int]]:
    """See `statements.apply_events`; also returns the messages that report in parts."""
    ids = sorted({event.message_id for event in events})
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT message_id, fact, occurred_at FROM deliveries_statusevent WHERE message_id IN ({marks(ids)})",  # noqa: S608
            ids,
        )
        known = {(message, fact): at for message, fact, at in cursor.fetchall()}
        new_events = [
            event
            for event in events
            if (event.message_id, event.fact) not in known
            or sqlite_text(event.occurred_at) < as_text(known[event.message_id, event.fact])
        ]
        if not new_events:
            return Applied(0, 0), []
        cursor.executemany(
            WRITE_EVENTS,
            [(*e[:13], sqlite_text(e.occurred_at), sqlite_text(now), mapping_version) for e in new_events],
        )
        in_parts = {event.message_id for event in new_events if event.parts > 1} | _in_parts(
            new_events, cursor
        )
        changed = _raise_statuses(
            [event for event in new_events if event.message_id not in in_parts], now, cursor
        )
    return Applied(len(new_events), changed), sorted(in_parts)


def _in_parts(new_events: Sequence[EventRow], cursor: CursorWrapper) -> set[int]:
    """Those messages that were known before to report in parts."""
    ids = sorted({event.message_id for event in new_events})
    cursor.execute(
        f"SELECT id FROM deliveries_message WHERE parts > 1 AND id IN ({marks(ids)})",  # noqa: S608
        ids,
    )
    return {id for (id,) in cursor.fetchall()}


def as_text(value: datetime | str) -> str:
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value


def _raise_statuses(new_events: Sequence[EventRow], now: datetime, cursor: CursorWrapper) -> int:
    """Raise each message to the greatest of its new events; return how many changed."""
    by_message: dict[int, list[EventRow]] = {}
    for event in new_events:
        by_message.setdefault(event.message_id, []).append(event)
    ids = sorted(by_message)
    columns = ("id", "precedence", "sent_at", "delivered_at", "settled_at", *MESSAGE_DIMENSIONS)
    cursor.execute(
        f"SELECT {', '.join(columns)} FROM deliveries_message WHERE id IN ({marks(ids)})",  # noqa: S608
        ids,
    )
    raised, times, changed = [], [], []
    changes: Counter[tuple] = Counter()
    for id, precedence, sent_at, delivered_at, settled_at, *dimensions in cursor.fetchall():
        events = by_message[id]
        best = max(events, key=lambda event: event.precedence)
        sent = earlier(text_or_none(sent_at), first(events, {Status.SENT}))
        delivered = earlier(text_or_none(delivered_at), first(events, REACHING))
        settled = sqlite_text(best.occurred_at) if best.status in SETTLED else None
        if best.precedence > precedence:
            raised.append(
                (
                    *best[3:8],
                    best.disposition,
                    best.reason_code,
                    settled,
                    sqlite_text(now),
                    sent,
                    delivered,
                    id,
                )
            )
            changed.append((id, sqlite_text(now)))
            before = tuple(dimensions)
            changes[before] -= 1
            changes[(*before[:7], best.status, best.failure_class, best.disposition, best.reason_code)] += 1
        else:
            if best.precedence == precedence:
                settled = earlier(text_or_none(settled_at), settled)
            else:
                settled = text_or_none(settled_at)
            times.append((settled, sent, delivered, id))
    cursor.executemany(RAISE, raised)
    cursor.executemany(TIMES, times)
    cursor.executemany(NOTE_CHANGE, changed)
    append(changes)
    return len(raised)


def text_or_none(value: datetime | str | None) -> str | None:
    return None if value is None else as_text(value)


def first(events: Sequence[EventRow], statuses: frozenset | set) -> str | None:
    """When the first event with one of these statuses happened, as SQLite stores it."""
    return min((sqlite_text(event.occurred_at) for event in events if event.status in statuses), default=None)
