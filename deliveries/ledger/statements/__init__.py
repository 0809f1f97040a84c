"""The set-based statements, each once for PostgreSQL and once for SQLite behind the names below.

What both databases say alike stands here, in the ORM or in portable SQL. `postgresql.py` and `sqlite.py` offer
the same functions with the same results; the same tests run on both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from types import ModuleType
from typing import Any, cast

from django.db import connection
from django.db.models import Field, Model

from deliveries.ledger.statements import postgresql, sqlite
from deliveries.ledger.statements.values import MESSAGE_DIMENSIONS, Applied, ClaimedReceipt, EventRow
from deliveries.ledger.tallies import append
from deliveries.models import Message, PendingReceipt, RetentionRun, StatusChange, StatusEvent
from deliveries.statuses import REACHING, SETTLED, Disposition, Precedence, Status, project

# SQLite allows 32,766 parameters in one statement; stay well below.
CHUNK = 5_000

INBOUND_WAITS = "SELECT EXISTS (SELECT 1 FROM deliveries_pendingreceipt WHERE inbound AND state = 'new')"


def backend() -> ModuleType:
    """The module for the database in use."""
    return postgresql if connection.vendor == "postgresql" else sqlite


def chunks(values: Iterable, size: int = CHUNK) -> Iterable[list]:
    values = list(values)
    return (values[at : at + size] for at in range(0, len(values), size))


def claim_receipts(limit: int, ids: Sequence[int] | None = None) -> list[ClaimedReceipt]:
    """Up to `limit` waiting receipts, oldest first, for this transaction alone; only those of `ids` if given.

    As long as any wait that a person may have written, only those.
    """
    if ids is not None:
        return backend().claim_receipts(limit, ids)
    return claim_inbound(limit) or backend().claim_receipts(limit)


def claim_inbound(limit: int) -> list[ClaimedReceipt]:
    """As `claim_receipts`, but never one that is only about messages of ours."""
    return backend().claim_receipts(limit, inbound=True)


def inbound_waits() -> bool:
    """Whether something waits that a person may have written: also what another process is just recording."""
    with connection.cursor() as cursor:
        cursor.execute(INBOUND_WAITS)
        return bool(cursor.fetchone()[0])


def finish_receipts(ids: Sequence[int]) -> None:
    """These receipts are recorded: they leave the line. The receipts themselves stay as evidence."""
    for chunk in chunks(ids):
        PendingReceipt.objects.filter(pk__in=chunk).delete()


def messages_by_ref(refs: Collection[str]) -> dict[tuple[str | None, int], tuple[int, str]]:
    """(reference, account) -> (message, goal) for the references that exist."""
    found: dict[tuple[str | None, int], tuple[int, str]] = {}
    for chunk in chunks(refs):
        rows = backend().messages_by_ref(chunk)
        found.update({(ref, account): (pk, goal) for ref, account, pk, goal in rows})
    return found


def messages_by_provider_id(keys: Collection[tuple[int, str]]) -> dict[tuple[int, str], tuple[int, str]]:
    """(account, provider's id) -> (message, goal) for those that exist."""
    found = {}
    for account in {account for account, _ in keys}:
        for chunk in chunks(sorted(id for owner, id in keys if owner == account)):
            for provider_id, pk, goal in backend().messages_by_provider_id(account, chunk):
                found[account, provider_id] = (pk, goal)
    return found


def apply_events(events: Sequence[EventRow], now: datetime, mapping_version: int) -> Applied:
    """Write events (unique by message and fact), move each message to its greatest event, append the change of
    the tallies, and note those whose status changed. Call inside a transaction."""
    applied, in_parts = backend().apply_events(events, now, mapping_version)
    if in_parts:
        applied = Applied(applied.events, applied.changed + len(reproject(in_parts, now)))
    return applied


def reproject(message_ids: Sequence[int], now: datetime) -> list[Message]:
    """Set messages to what all their events together say; return those that changed.

    Needed for messages that report in parts, and after events were read anew.

    The messages are locked before their events are read, so of two recorders the second sees all of them.
    A message whose events are no longer kept stays what it is, whatever comes late.
    """
    floor = RetentionRun.floor(RetentionRun.Kind.EVENTS)
    message_ids = [pk for pk in message_ids if pk >= floor]
    messages = list(Message.objects.select_for_update().filter(pk__in=message_ids).order_by("pk"))
    events: dict[int, list[StatusEvent]] = {}
    for event in StatusEvent.objects.filter(message_id__in=message_ids):
        events.setdefault(event.message_id, []).append(event)
    changes: Counter[tuple] = Counter()
    changed = []
    for message in messages:
        before = tuple(getattr(message, name) for name in MESSAGE_DIMENSIONS)
        was = (*before, message.precedence, message.fault)
        show(message, events[message.pk])
        if (
            *(getattr(message, name) for name in MESSAGE_DIMENSIONS),
            message.precedence,
            message.fault,
        ) != was:
            message.updated_at = now
            changed.append(message)
            changes[before] -= 1
            changes[tuple(getattr(message, name) for name in MESSAGE_DIMENSIONS)] += 1
    shown = [
        "status", "precedence", "failure_class", "fault", "evidence", "disposition", "reason_code",
        "parts", "sent_at", "delivered_at", "settled_at", "updated_at",
    ]  # fmt: skip
    rewrite(messages, shown)
    StatusChange.objects.bulk_create(
        [StatusChange(message_id=m.pk, changed_at=now) for m in changed], batch_size=1_000
    )
    append(changes)
    return changed


def show(message: Message, events: Sequence[StatusEvent]) -> None:
    """Make `message` say what its events, in parts or whole, say together."""
    from deliveries.statuses import disposition, shown_code

    winner = project([Precedence(e.precedence, e.status, e.part, e.parts) for e in events])
    assert winner is not None
    event = next((e for e in events if e.precedence == winner.precedence), None)
    reaching = [e.occurred_at for e in events if e.status in REACHING]
    message.parts = max(e.parts for e in events)
    message.precedence = winner.precedence
    message.status = winner.status
    message.sent_at = min((e.occurred_at for e in events if e.status == Status.SENT), default=None)
    # In parts it is complete only when its last part is.
    last = max if winner.status in REACHING and message.parts > 1 else min
    message.delivered_at = last(reaching, default=None)
    if event is None:  # some parts arrived, the others are silent
        message.failure_class, message.fault, message.evidence = "none", "none", "carrier"
        message.disposition, message.reason_code, message.settled_at = Disposition.PENDING, "", None
        return
    message.failure_class, message.fault, message.evidence = event.failure_class, event.fault, event.evidence
    message.disposition = disposition(event.status, event.failure_class, event.fault, message.goal)
    message.reason_code = shown_code(event.status, event.native_status, event.native_code)
    message.settled_at = event.occurred_at if event.status in SETTLED else None


def rewrite(rows: Sequence[Model], fields: Sequence[str]) -> None:
    """Write these fields of rows that are already stored, each row by its key, in one round and in order of the keys.

    The ORM's own bulk update builds one CASE for every column and row, which costs about ten times as much.
    """
    if not rows:
        return
    meta = rows[0]._meta
    columns = [cast("Field[Any, Any]", meta.get_field(name)) for name in fields]
    assert meta.pk is not None
    named = [meta.pk, *columns]
    values = [
        [row.pk, *(c.get_db_prep_save(getattr(row, c.attname), connection) for c in columns)]
        for row in sorted(rows, key=lambda row: row.pk)
    ]
    backend().rewrite(meta.db_table, {c.column: cast("str", c.db_type(connection)) for c in named}, values)
