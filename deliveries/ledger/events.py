"""The row for one fact about a message, and applying many of them: every status that moves, moves here.

A fact comes from a receipt or from ourselves (a clock, a withdrawal, a handover). It is written once: only facts
that were not known before change a status, in whatever order and however often they come.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

from deliveries.ledger import statements
from deliveries.ledger.statements.values import Applied, EventRow
from deliveries.meaning import mappings
from deliveries.providers.facts import Report
from deliveries.statuses import Meaning, disposition, fact_key, precedence, shown_code

PARTS_MAX = 255  # what the column of parts holds


def clip(text: str, length: int) -> str:
    """Text the database can hold: no NUL, no lone surrogates, not too long."""
    if not text.isprintable():
        text = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return text[:length]


def event(
    message_id: int,
    goal: str,
    meaning: Meaning,
    *,
    at: datetime,
    receipt_id: int | None = None,
    native: tuple[str, str, str] = ("", "", ""),
    part: int = 0,
    parts: int = 0,
    fact: str = "",
) -> EventRow:
    """The row for one fact. `native` is the provider's (status, code, text); `goal` the campaign's."""
    status, code, text = (clip(word, length) for word, length in zip(native, (64, 64, 300), strict=True))
    key = _key(status, code, part, parts, fact) if status or fact else fact_key("ours", meaning.status)
    return EventRow(
        message_id,
        key,
        receipt_id,
        meaning.status,
        precedence(meaning, key),
        meaning.failure_class,
        meaning.fault,
        meaning.evidence,
        status,
        code,
        text,
        part,
        parts,
        at,
        disposition(meaning.status, meaning.failure_class, meaning.fault, goal),
        shown_code(meaning.status, status, code),
    )


def _key(status: str, code: str, part: int, parts: int, fact: str) -> int:
    return fact_key(status, code, f"{part}/{parts}", fact)


def event_key(report: Report) -> int:
    """The key of the fact that a report tells: what its event is stored under."""
    status, code = clip(report.native_status, 64), clip(report.native_code, 64)
    return _key(status, code, counted(report.part), counted(report.parts), report.fact)


def counted(part: int) -> int:
    """A number of parts as the column holds it."""
    return min(max(part, 0), PARTS_MAX)


def apply(events: Sequence[EventRow], now: datetime, version: int | None = None) -> Applied:
    """Write events, move statuses, note tally changes and tell deciding. Call inside a transaction.

    `version` is the mapping's that translated them; that in force when not given.
    """
    if not events:
        return Applied(0, 0)
    assert connection.in_atomic_block  # outside, PostgreSQL empties the inbox before it is read
    first: dict[tuple[int, int], EventRow] = {}
    for one in sorted(events, key=lambda e: (e.message_id, e.fact, e.occurred_at)):
        first.setdefault((one.message_id, one.fact), one)
    return statements.apply_events(list(first.values()), now, version or mappings.current().version)
