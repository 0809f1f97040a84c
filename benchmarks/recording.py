"""Receipts into events, statuses and tallies: ours beside a loop of rows, the ORM's bulk methods, and a bare COPY."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from unittest import mock

from django.db import connection, transaction
from django.utils import timezone

from benchmarks import references
from benchmarks.measuring import Figure, Options, Rounds, timed
from benchmarks.receipts import incoming
from benchmarks.rows import execute
from deliveries.ledger import statements, tallies
from deliveries.models import Account
from deliveries.receiving import recording
from deliveries.receiving.storing import store

BATCHES = 3  # of the default size in each round
ONE_BY_ONE, BULK = 200, 2_000
EVENTS = "deliveries_statusevent"
# What recording adds beside the events: table -> its columns without the key.
BESIDE = {
    "deliveries_tallydelta": ", ".join([*tallies.DIMENSIONS, "n"]),
    "deliveries_statuschange": "message_id, changed_at",
}
STEPS = ("claim_receipts", "take_apart", "match", "apply", "finish_receipts", "_park")


def run(options: Options) -> Iterator[Figure]:
    """Every side records receipts about random messages of the same table, some of them unknown."""
    rounds = Rounds("recording", options, "receipts/s")
    batch = recording.BATCH[connection.vendor]
    spent: Counter[str] = Counter()
    waiting(options, batch, 0)
    _ours()  # warm: statements prepared, code tables read
    for number in range(1, options.rounds + 1):
        count = BATCHES * batch
        waiting(options, count, number)
        with timed() as clock, _measured(spent):
            _ours()
        rounds.add("ours", count / clock.seconds)
        spent["receipts"] += count
        if options.on_postgresql:
            beside = {table: _stored(table) for table in BESIDE}
            events = _events(options, count, 7_000 + number)
            rounds.add("COPY", len(events) / _copy({EVENTS: events}))
            events = _events(options, count, 8_000 + number)
            rounds.add("COPY of all", count / _copy({EVENTS: events, **beside}))
            for table in BESIDE:
                execute(f"TRUNCATE {table}")  # counted once already
        for side, size, act in (
            ("row by row", ONE_BY_ONE, references.record_one_by_one),
            ("bulk ORM", BULK, references.record_in_bulk),
        ):
            waiting(options, size, 1_000 * number + size)
            with timed() as clock:
                act(timezone.now(), size)
            rounds.add(side, size / clock.seconds)
        tidy()
    yield rounds.against(
        "recording / a loop over rows (ORM)", "ours", "row by row", 50 if options.on_postgresql else 20
    )
    yield rounds.against("recording / bulk ORM", "ours", "bulk ORM", 10 if options.on_postgresql else 7)
    if options.on_postgresql:
        yield rounds.against("recording / COPY of the same events", "ours", "COPY", 0.12)
        yield rounds.against("recording / COPY of every row it adds", "ours", "COPY of all", None)
    for step in STEPS:
        micros = 1e6 * spent[step] / spent["receipts"]
        yield Figure("recording", options.database, f"  of which {step.strip('_')}", "us/receipt", micros)


def waiting(options: Options, count: int, seed: int) -> None:
    """Let so many receipts wait, and nothing else."""
    tidy()
    account = Account.objects.get().pk
    rows = incoming(account, timezone.now(), options.rows, count, seed)
    for at in range(0, count, 1_000):
        store(rows[at : at + 1_000])


def _ours() -> None:
    while recording.record(timezone.now()).recorded:
        pass


def _stored(table: str) -> list[tuple]:
    """What `BESIDE` names of each row that recording has just added to this table."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {BESIDE[table]} FROM {table}")
        return cursor.fetchall()


def _events(options: Options, count: int, seed: int) -> list[tuple]:
    """The events of as many other receipts, in the order in which those came in."""
    waiting(options, count, seed)
    with transaction.atomic():
        taken = recording.take_apart(statements.claim_receipts(count))
        events = recording.match(taken.reports).events
    now = timezone.now()
    # Each time as other facts of their messages: neither this nor recording may find them known later on.
    return [
        (*e[:1], e.fact ^ seed, *e[2:14], now, 1)
        for e in {(e.message_id, e.fact): e for e in events}.values()
    ]


def _copy(rows: dict[str, list[tuple]]) -> float:
    """Seconds of COPY for these rows of each table, in one commit."""
    with connection.cursor() as cursor, timed() as clock, transaction.atomic():
        for table, those in rows.items():
            columns = f"({BESIDE[table]})" if table in BESIDE else ""
            with cursor.copy(f"COPY {table} {columns} FROM STDIN") as copy:
                for row in those:
                    copy.write_row(row)
    return clock.seconds


def tidy() -> None:
    """What other workers would have done meanwhile."""
    tallies.fold_all()
    for table in ("deliveries_statuschange", "deliveries_pendingreceipt"):
        execute(f"TRUNCATE {table}" if connection.vendor == "postgresql" else f"DELETE FROM {table}")


@contextmanager
def _measured(spent: Counter[str]) -> Iterator[None]:
    """Add up the seconds of each step of `record`."""

    def clocked(name: str, step: Callable) -> Callable:
        @wraps(step)
        def wrapper(*arguments):
            with timed() as clock:
                result = step(*arguments)
            spent[name] += clock.seconds
            return result

        return wrapper

    with ExitStack() as stack:
        for name in STEPS:
            place = statements if hasattr(statements, name) else recording
            stack.enter_context(mock.patch.object(place, name, clocked(name, getattr(place, name))))
        yield
