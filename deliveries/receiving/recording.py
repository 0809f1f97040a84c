"""Receipts into events, statuses and tallies: set-based, one transaction for each batch.

A batch is claimed, parsed, matched to its messages and applied, and its receipts leave the waiting line, all in
one transaction: a crash anywhere rolls it back and the receipts simply still wait. Only facts that were not
known before change anything, so the same receipt may come any number of times, in any order.

What cannot be read or matched is parked with its reason, tried again with growing pauses, and kept as a dead
letter in the end. A receipt never takes its neighbours down: a batch the database refuses is split until the
one at fault stands alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import F

from contacts.consenting import record_opt_in, record_opt_out
from contacts.keywords import classify
from contacts.models import Address, Suppression
from deliveries import statements
from deliveries.models import Account, Engagement, PendingReceipt
from deliveries.providers import PROVIDERS
from deliveries.providers.base import Call, Inbound, Report, Unreadable
from deliveries.receiving.translation import MAPPING_VERSION, translate
from deliveries.statements import Event, Waiting
from deliveries.statuses import REACHING, SETTLED, Meaning, disposition, fact_key, standing

logger = logging.getLogger(__name__)

BATCH = {"postgresql": 4_000, "sqlite": 500}
# Pauses before a parked receipt is tried again. A receipt that overtook its own message is matched at the first.
BACKOFF = [timedelta(seconds=s) for s in (2, 10, 60, 300, 1_800, 7_200, 21_600, 86_400)]
CLOCK_SKEW = timedelta(minutes=5)
PARTS_MAX = 255


@dataclass
class Batch:
    """What became of a batch of receipts."""

    recorded: int = 0
    events: int = 0
    moved: int = 0
    parked: int = 0
    dead: int = 0


@dataclass
class Sorted:
    """Receipts taken apart: reports and inbound texts by receipt, and those that could not be read."""

    reports: list[tuple[Waiting, Report]] = field(default_factory=list)
    inbound: list[tuple[Waiting, Inbound]] = field(default_factory=list)
    unreadable: dict[int, str] = field(default_factory=dict)


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
) -> Event:
    """The row for one fact. `native` is the provider's (status, code, text); `goal` the campaign's."""
    status, code, text = (clip(word, length) for word, length in zip(native, (64, 64, 300), strict=True))
    key = (
        fact_key(status, code, f"{part}/{parts}", fact)
        if status or fact
        else fact_key("ours", meaning.status)
    )
    return Event(
        message_id,
        key,
        receipt_id,
        meaning.status,
        standing(meaning, key),
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
        code or (status if meaning.status in SETTLED - REACHING else ""),
    )


def record(now: datetime, limit: int | None = None) -> Batch:
    """Record one batch of waiting receipts. Nothing waiting gives a Batch of zeros."""
    limit = limit or BATCH[connection.vendor]
    try:
        with transaction.atomic():
            return _record(statements.claim_receipts(limit), now)
    except (DataError, IntegrityError):
        logger.exception("A batch of receipts was refused; splitting it")
    with transaction.atomic():
        ids = [waiting.id for waiting in statements.claim_receipts(limit)]
    return _record_split(ids, now)


def record_all(now: datetime) -> Batch:
    """Record until nothing waits."""
    total = Batch()
    while (done := record(now)).recorded + done.parked + done.dead:
        total = Batch(*(a + b for a, b in zip(vars(total).values(), vars(done).values(), strict=True)))
    return total


def unpark(now: datetime) -> int:
    """Put parked receipts whose pause is over back into the line."""
    due = PendingReceipt.objects.filter(state=PendingReceipt.State.PARKED, not_before__lte=now)
    return due.update(state=PendingReceipt.State.NEW)


def _record_split(ids: Sequence[int], now: datetime) -> Batch:
    """Record these receipts in ever smaller groups; the one the database refuses is parked alone."""
    try:
        with transaction.atomic():
            return _record(statements.claim_receipts(len(ids), ids), now)
    except (DataError, IntegrityError) as problem:
        if len(ids) == 1:
            with transaction.atomic():
                return _park(
                    statements.claim_receipts(1, ids), {ids[0]: f"The database refused it: {problem}"}, now
                )
    half = len(ids) // 2
    first, second = _record_split(ids[:half], now), _record_split(ids[half:], now)
    return Batch(*(a + b for a, b in zip(vars(first).values(), vars(second).values(), strict=True)))


def _record(claimed: Sequence[Waiting], now: datetime) -> Batch:
    if not claimed:
        return Batch()
    taken = take_apart(claimed)
    heard = hear(
        taken.inbound
    )  # first: it locks recipients, and recipients are locked before messages everywhere
    events, unknown = match(taken.reports)
    applied = apply(events, now)
    trouble = {
        **taken.unreadable,
        **dict.fromkeys(unknown, "No message with this reference or id yet."),
        **heard,
    }
    done = [waiting.id for waiting in claimed if waiting.id not in trouble]
    statements.finish_receipts(done)
    result = _park([waiting for waiting in claimed if waiting.id in trouble], trouble, now)
    result.recorded, result.events, result.moved = len(done), applied.events, applied.moved
    return result


def take_apart(claimed: Iterable[Waiting]) -> Sorted:
    """Parse each receipt with its provider's adapter. Whatever an adapter raises concerns that receipt alone."""
    providers = dict(Account.objects.values_list("pk", "provider"))
    result = Sorted()
    for waiting in claimed:
        try:
            adapter = PROVIDERS[providers[waiting.account_id]]
            call = Call(waiting.method, "", waiting.query, waiting.headers, bytes(waiting.body))
            for fact in adapter.parse(waiting.kind, call):
                if isinstance(fact, Report):
                    result.reports.append((waiting, fact))
                else:
                    result.inbound.append((waiting, fact))
        except Unreadable as problem:
            result.unreadable[waiting.id] = str(problem)
        except KeyError as problem:
            result.unreadable[waiting.id] = f"No provider adapter or field {problem}."
        except Exception as problem:  # a mistake in an adapter must not stop the others
            logger.exception("Receipt %d could not be read", waiting.id)
            result.unreadable[waiting.id] = f"{type(problem).__name__}: {problem}"
    return result


def match(reports: Sequence[tuple[Waiting, Report]]) -> tuple[list[Event], set[int]]:
    """The events of all reports whose message is known, and the receipts of those whose message is not.

    By our own reference first, else by the provider's id; always within the account the receipt came in for.
    """
    providers = dict(Account.objects.values_list("pk", "provider"))
    by_ref = statements.messages_by_ref({ref for _, report in reports if (ref := as_uuid(report.ref))})
    rest = {
        (waiting.account_id, report.provider_message_id)
        for waiting, report in reports
        if report.provider_message_id and (as_uuid(report.ref), waiting.account_id) not in by_ref
    }
    by_id = statements.messages_by_provider_id(rest)
    events, unknown = [], set()
    for waiting, report in reports:
        found = by_ref.get((as_uuid(report.ref), waiting.account_id)) or by_id.get(
            (waiting.account_id, report.provider_message_id)
        )
        if found is None:
            unknown.add(waiting.id)
            continue
        message_id, goal = found
        at = report.occurred_at
        if at is None or at > waiting.received_at + CLOCK_SKEW:
            at = waiting.received_at
        events.append(
            event(
                message_id,
                goal,
                translate(providers[waiting.account_id], report),
                at=at,
                receipt_id=waiting.id,
                native=(report.native_status, report.native_code, report.native_text),
                part=min(max(report.part, 0), PARTS_MAX),
                parts=min(max(report.parts, 0), PARTS_MAX),
                fact=report.fact,
            )
        )
    return events, unknown


def as_uuid(ref: str) -> str | None:
    """The canonical text of a reference, or None when it is not one of ours."""
    if len(ref) == 36 and ref.isascii():
        return ref.lower()
    try:
        return str(UUID(ref))
    except ValueError:
        return None


def apply(events: Sequence[Event], now: datetime) -> statements.Applied:
    """Write events, move statuses, note tally changes and tell deciding. Call inside a transaction."""
    if not events:
        return statements.Applied(0, 0)
    assert connection.in_atomic_block  # outside, PostgreSQL empties the inbox before it is read
    first: dict[tuple[int, int], Event] = {}
    for one in sorted(events, key=lambda e: (e.message_id, e.fact, e.occurred_at)):
        first.setdefault((one.message_id, one.fact), one)
    return statements.apply_events(list(first.values()), now, MAPPING_VERSION)


def hear(inbound: Sequence[tuple[Waiting, Inbound]]) -> dict[int, str]:
    """Act on what people sent: keywords change consent and suppression at once. Returns trouble by receipt."""
    return {
        waiting.id: "Sent by an address that no contact has."
        for waiting, text in inbound
        if not _hear_one(waiting, text)
    }


def _hear_one(waiting: Waiting, text: Inbound) -> bool:
    """Act on one text; False when no contact has the address. A STOP counts all the same: they may be added later."""
    from deliveries.deciding.followup import stop_paths

    stopped = Suppression.objects.filter(
        value=text.sender, reason=Suppression.Reason.STOP, released_at=None
    ).exists()
    keyword = classify(text.text, text.opt_out_type, opted_out=stopped)
    at = min(text.occurred_at or waiting.received_at, waiting.received_at + CLOCK_SKEW)
    contacts = list(Address.objects.filter(value=text.sender).values_list("contact_id", flat=True).distinct())
    if keyword.kind == "stop":
        record_opt_out(
            value=text.sender, channel=text.channel, how="Reply", evidence=clip(text.text, 500), at=at
        )
        stop_paths(text.sender, at)
    elif keyword.kind == "start":
        record_opt_in(
            value=text.sender, channel=text.channel, how="Reply", evidence=clip(text.text, 500), at=at
        )
    if not contacts:
        return False
    Engagement.objects.bulk_create(
        [
            Engagement(
                contact_id=contacts[0],
                receipt_id=waiting.id,
                channel=text.channel,
                kind=keyword.kind,
                text=clip(text.text, 2_000),
                at=at,
            )
        ],
        ignore_conflicts=True,
    )
    return True


def _park(parked: Sequence[Waiting], reasons: dict[int, str], now: datetime) -> Batch:
    """Give these receipts a pause, or lay them down as dead letters after the last one."""
    result = Batch()
    counts: Counter[int] = Counter()
    for waiting in parked:
        final = waiting.attempts >= len(BACKOFF)
        PendingReceipt.objects.filter(pk=waiting.id).update(
            state=PendingReceipt.State.DEAD if final else PendingReceipt.State.PARKED,
            not_before=None if final else now + BACKOFF[waiting.attempts],
            attempts=F("attempts") + 1,
            reason=clip(reasons[waiting.id], 300),
        )
        counts[final] += 1
    result.dead, result.parked = counts[True], counts[False]
    return result


def oldest_waiting() -> datetime | None:
    """When the receipt that has waited longest to be recorded came in; None when none waits."""
    line = PendingReceipt.objects.filter(state=PendingReceipt.State.NEW).order_by("receipt_id")
    return line.values_list("receipt__received_at", flat=True).first()
