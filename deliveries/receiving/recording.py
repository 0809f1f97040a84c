"""Receipts into events, statuses and tallies: set-based, one transaction for each batch.

A batch is claimed, parsed, matched to its messages and applied, and its receipts leave the waiting line, all in
one transaction: a crash anywhere rolls it back and the receipts simply still wait. Only facts that were not
known before change anything, so the same receipt may come any number of times, in any order.

What cannot be read or matched is parked with its reason, tried again with growing pauses, and kept as a dead
letter in the end. A receipt never takes its neighbours down: a batch the database refuses is split until the
one at fault stands alone.
"""

from __future__ import annotations

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import F

from contacts.chunks import in_lists
from deliveries.ledger import statements
from deliveries.ledger.events import apply, clip, counted, event
from deliveries.ledger.receiver_counts import count_receipts
from deliveries.ledger.statements.values import ClaimedReceipt, EventRow
from deliveries.meaning import evidence, lines, mappings
from deliveries.meaning.lines import ReportedLine
from deliveries.meaning.translation import Translated
from deliveries.models import (
    Account,
    Backscatter,
    CodeOccurrence,
    LineNote,
    Message,
    PendingReceipt,
)
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Act, BackscatterReport, Call, Fact, Inbound, Report, Unreadable
from deliveries.providers.kit.signatures import without_secret
from deliveries.receiving.answers import about_answers
from deliveries.receiving.inbound import handle_inbound, record_engagement
from deliveries.receiving.matching import MessageFinder
from deliveries.statuses import Disposition, Meaning

logger = logging.getLogger(__name__)

# Receipts in one transaction; on SQLite few, as its one write lock is wanted for receiving too.
BATCH = {"postgresql": 4_000, "sqlite": 500}
# Pauses before a parked receipt is tried again. A receipt that overtook its own message is matched at the first.
BACKOFF = [timedelta(seconds=s) for s in (2, 10, 60, 300, 1_800, 7_200, 21_600, 86_400)]
# A database that is busy or has gone away says nothing about any receipt.
AWAY = (OperationalError, InterfaceError)
# How far ahead of ours a provider's clock may be; a time beyond that is not believed. Our own choice.
CLOCK_SKEW = timedelta(minutes=5)


@dataclass
class Recorded:
    """What became of a batch of receipts."""

    recorded: int = 0
    events: int = 0
    changed: int = 0
    parked: int = 0
    dead: int = 0


@dataclass
class Sorted:
    """Receipts taken apart: the facts in them by kind, each with its receipt, and those that could not be read.

    What is no report comes with its place among the facts of its receipt, which tells repeats apart.
    """

    reports: list[tuple[ClaimedReceipt, Report]] = field(default_factory=list)
    inbound: list[tuple[ClaimedReceipt, int, Inbound]] = field(default_factory=list)
    acts: list[tuple[ClaimedReceipt, int, Act]] = field(default_factory=list)
    backscatter: list[tuple[ClaimedReceipt, BackscatterReport]] = field(default_factory=list)
    unreadable: dict[int, str] = field(default_factory=dict)


@dataclass
class Matched:
    """The reports whose message is known, as events, and notes of the codes they came with; and the other reports."""

    events: list[EventRow] = field(default_factory=list)
    unknown: list[tuple[ClaimedReceipt, Report]] = field(default_factory=list)
    # (account, channel, status, code, known, contradicts) -> how often, and one receipt that says so
    occurrences: dict[tuple, tuple[int, int]] = field(default_factory=dict)
    version: int = 1  # of the mapping
    lines: dict[int, tuple[datetime, ReportedLine]] = field(
        default_factory=dict
    )  # by message, the latest of each

    def see(self, waiting: ClaimedReceipt, report: Report, translated: Translated) -> None:
        words = (
            waiting.account_id, report.channel, report.native_status, report.native_code,
            translated.known, translated.contradicts,
        )  # fmt: skip
        n, example = self.occurrences.get(words, (0, waiting.id))
        self.occurrences[words] = (n + 1, example)

    def see_line(self, waiting: ClaimedReceipt, message_id: int, line: ReportedLine | None) -> None:
        known = self.lines.get(message_id)
        if line and (known is None or known[0] <= waiting.received_at):
            self.lines[message_id] = waiting.received_at, line


def record(now: datetime, limit: int | None = None) -> Recorded:
    """Record one batch of waiting receipts. Nothing waiting gives zeros.

    What people wrote comes before what providers report: a STOP that was acknowledged waits behind no backlog.
    """
    return _record_claimed(statements.claim_receipts, limit or BATCH[connection.vendor], now)


def record_inbound(now: datetime) -> bool:
    """Record all that waits and that a person may have written. False while another process is at some of it."""
    while statements.inbound_waits():
        batch = _record_claimed(statements.claim_inbound, BATCH[connection.vendor], now)
        if not batch.recorded + batch.parked + batch.dead:
            return False
    return True


def _record_claimed(claim: Callable[[int], list[ClaimedReceipt]], limit: int, now: datetime) -> Recorded:
    try:
        with _no_garbage_collection(), transaction.atomic():
            return _record(claim(limit), now)
    except AWAY:
        raise
    except Exception:  # concerns single receipts, which must not hold up the others
        logger.exception("A batch of receipts was refused; splitting it")
    with transaction.atomic():
        ids = [waiting.id for waiting in claim(limit)]
    return _record_split(ids, now)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """A batch makes a hundred thousand objects and drops none before its end: looking for garbage every few hundred
    of them finds nothing and takes a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def record_all(now: datetime) -> Recorded:
    """Record until nothing waits."""
    total = Recorded()
    while (done := record(now)).recorded + done.parked + done.dead:
        total = Recorded(*(a + b for a, b in zip(vars(total).values(), vars(done).values(), strict=True)))
    return total


def unpark(now: datetime) -> int:
    """Put parked receipts whose pause is over back into the line."""
    due = PendingReceipt.objects.filter(state=PendingReceipt.State.PARKED, not_before__lte=now)
    return due.update(state=PendingReceipt.State.NEW)


def _record_split(ids: Sequence[int], now: datetime) -> Recorded:
    """Record these receipts in ever smaller groups; the one the database refuses is parked alone."""
    try:
        with transaction.atomic():
            return _record(statements.claim_receipts(len(ids), ids), now)
    except AWAY:
        raise
    except Exception as problem:
        logger.exception("%d receipts were refused", len(ids))
        if len(ids) == 1:
            refused = isinstance(problem, DatabaseError)
            why = f"{'The database refused it' if refused else type(problem).__name__}: {problem}"
            with transaction.atomic():
                return _park(statements.claim_receipts(1, ids), {ids[0]: why}, now)
    half = len(ids) // 2
    first, second = _record_split(ids[:half], now), _record_split(ids[half:], now)
    return Recorded(*(a + b for a, b in zip(vars(first).values(), vars(second).values(), strict=True)))


def _record(claimed: Sequence[ClaimedReceipt], now: datetime) -> Recorded:
    if not claimed:
        return Recorded()
    _take_out_secrets(claimed)
    taken = take_apart(claimed)
    # What people did comes first: it locks recipients, and recipients are locked before messages everywhere.
    inbound_trouble, lost = handle_inbound(taken.inbound), record_engagement(taken.acts)
    matched = match(taken.reports)
    applied = apply(matched.events, now, matched.version)
    _opt_out_reported(matched.events, now)
    note_occurrences(matched.occurrences, now)
    note_lines(matched.lines, now)
    lost |= {waiting.id for waiting, _ in matched.unknown} - about_answers(matched.unknown, now)
    set_aside(taken.backscatter)
    trouble = {
        **taken.unreadable,
        **dict.fromkeys(lost, "No message with this reference or id yet."),
        **inbound_trouble,
    }
    done = [waiting.id for waiting in claimed if waiting.id not in trouble]
    statements.finish_receipts(done)
    result = _park([waiting for waiting in claimed if waiting.id in trouble], trouble, now)
    result.recorded, result.events, result.changed = len(done), applied.events, applied.changed
    count_receipts(claimed, now)
    return result


def _take_out_secrets(claimed: Sequence[ClaimedReceipt]) -> None:
    """The receiver stores no secret of ours, but during an upgrade a process of an older release may."""
    carrying = [(clean, one.id) for one in claimed if (clean := without_secret(one.query)) != one.query]
    if carrying:
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE deliveries_receipt SET query = %s WHERE id = %s", carrying)


def take_apart(claimed: Iterable[ClaimedReceipt]) -> Sorted:
    """Parse each receipt with its provider's adapter. Whatever an adapter raises concerns that receipt alone."""
    providers = Account.objects.providers()
    result = Sorted()
    for waiting in claimed:
        adapter = PROVIDERS.get(providers.get(waiting.account_id, ""))
        if adapter is None:
            result.unreadable[waiting.id] = "No adapter for this account's provider."
            continue
        try:
            facts = list(adapter.parse(waiting.kind, as_call(waiting)))
        except Unreadable as problem:
            result.unreadable[waiting.id] = str(problem)
        except Exception as problem:  # a mistake in an adapter must not stop the others
            logger.exception("Receipt %d could not be read", waiting.id)
            result.unreadable[waiting.id] = f"{type(problem).__name__}: {problem}"
        else:
            _sort(waiting, facts, result)
    return result


def _sort(waiting: ClaimedReceipt, facts: Iterable[Fact], into: Sorted) -> None:
    for place, fact in enumerate(facts):
        if isinstance(fact, Report):
            into.reports.append((waiting, fact))
        elif isinstance(fact, Inbound):
            into.inbound.append((waiting, place, fact))
        elif isinstance(fact, Act):
            into.acts.append((waiting, place, fact))
        else:
            into.backscatter.append((waiting, fact))


def as_call(waiting: ClaimedReceipt) -> Call:
    return Call(
        waiting.method,
        "",
        without_secret(waiting.query),
        waiting.headers,
        bytes(waiting.body),
        at=waiting.received_at,
    )


def match(reports: Sequence[tuple[ClaimedReceipt, Report]]) -> Matched:
    """The events of all reports whose message is known."""
    mapping = mappings.latest()
    result = Matched(version=mapping.version)
    finder = MessageFinder(reports)
    found = [(waiting, report, finder.find(waiting, report)) for waiting, report in reports]
    weaker = evidence.of_routes({message[0] for _, _, message in found if message})
    for waiting, report, message in found:
        if message is None:
            result.unknown.append((waiting, report))
            continue
        provider = finder.providers[waiting.account_id]
        translated = mapping.translate(provider, report)
        result.see(waiting, report, translated)
        result.see_line(waiting, message[0], lines.reported(provider, report))
        result.events.append(_event(waiting, report, message, weaker(message[0], translated.meaning)))
    return result


def _event(waiting: ClaimedReceipt, report: Report, message: tuple[int, str], meaning: Meaning) -> EventRow:
    at = report.occurred_at
    if at is None or at > waiting.received_at + CLOCK_SKEW:
        at = waiting.received_at
    message_id, goal = message
    return event(
        message_id,
        goal,
        meaning,
        at=at,
        receipt_id=waiting.id,
        native=(report.native_status, report.native_code, report.native_text),
        part=counted(report.part),
        parts=counted(report.parts),
        fact=report.fact,
    )


def note_occurrences(occurrences: dict[tuple, tuple[int, int]], now: datetime) -> None:
    """Append which words came how often; they are counted a moment later."""
    CodeOccurrence.objects.bulk_create(
        CodeOccurrence(
            account_id=account, channel=channel, native_status=clip(status, 64), native_code=clip(code, 64),
            known=known, contradicts=contradicts, n=n, receipt_id=receipt, at=now,
        )
        for (account, channel, status, code, known, contradicts), (n, receipt) in occurrences.items()
    )  # fmt: skip


def note_lines(found: dict[int, tuple[datetime, ReportedLine]], now: datetime) -> None:
    """Append what was reported of the lines of numbers: one row, whatever the batch."""
    if found:
        LineNote.objects.create(
            at=now, facts=[[pk, at.isoformat(), *line] for pk, (at, line) in found.items()]
        )


def _opt_out_reported(events: Sequence[EventRow], now: datetime) -> None:
    """A no that a provider reports holds once it is recorded: deciding, which makes sure of it, may be far behind."""
    from deliveries.deciding.stopping import apply_opt_outs

    for part in in_lists({one.message_id for one in events if one.disposition == Disposition.OPTOUT}):
        apply_opt_outs(list(Message.objects.filter(pk__in=part, disposition=Disposition.OPTOUT)), now)


def set_aside(backscatter: Sequence[tuple[ClaimedReceipt, BackscatterReport]]) -> None:
    """Keep reports about mail that is not ours, away from every contact."""
    Backscatter.objects.bulk_create(
        [
            Backscatter(
                account_id=waiting.account_id, receipt_id=waiting.id, address=clip(report.address, 254),
                text=clip(report.text, 300), at=report.occurred_at or waiting.received_at,
            )
            for waiting, report in backscatter
        ],
        ignore_conflicts=True,
    )  # fmt: skip


def _park(parked: Sequence[ClaimedReceipt], reasons: dict[int, str], now: datetime) -> Recorded:
    """Give these receipts a pause, or lay them down as dead letters after the last one."""
    result = Recorded()
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
