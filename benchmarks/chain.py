"""The whole chain at once: signed receipts over HTTP while one worker process records them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection

from benchmarks import rows, serving
from benchmarks.measuring import Figure, Options, Rounds, tell
from benchmarks.receipts import signed
from benchmarks.recording import tidy
from deliveries.ledger import tallies
from deliveries.models import PendingReceipt, Receipt, StatusEvent

SECONDS = 2  # of load, times the seconds of other comparisons
MOST = 14_000  # requests a second: each is about a message of its own, so none may be sent twice
PATIENCE = 60.0


def run(options: Options) -> Iterator[Figure]:
    share = Rounds("chain", options, "% recorded")
    speed = Rounds("chain", options, "receipts/s")
    rest = Rounds("chain", options, "s")
    tidy()
    rows.tallies()
    rows.execute("TRUNCATE deliveries_statusevent")
    earlier = Receipt.objects.count()
    seconds = SECONDS * options.seconds
    each = min(int(MOST * seconds), options.rows // options.rounds)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving.receiver(settings.PUBLIC_URL) as server,
        serving.running("manage.py", "drain", "--forever", "--only", "record", LOG_LEVEL="ERROR"),
    ):
        time.sleep(1.5)  # until the worker looks for work
        for number in range(options.rounds):
            file = Path(folder) / "requests"
            signed(file, range(1 + number * each, 1 + (number + 1) * each))
            done = serving.load(server.port, file, seconds, 0)
            waiting = PendingReceipt.objects.filter(state="new").count()
            received = done.requests - done.failed
            rest.add("to the end", _drained())
            speed.add("received", received / done.seconds)
            speed.add("recorded", (received - waiting) / done.seconds)
            share.add("recorded", 100 * (received - waiting) / received)
            if done.requests > each:
                tell(
                    "  More requests than messages: some were sent twice, so there are fewer events than receipts."
                )
    yield share.alone("chain: recorded while the load lasts", "recorded", 80)
    yield rest.alone("chain: seconds until the last is recorded", "to the end", 3, at_most=True)
    yield speed.against("chain: recorded / received", "recorded", "received", None)
    yield from _invariants(options, earlier)
    connection.close()


def _drained() -> float:
    """Seconds until nothing waits."""
    start = time.perf_counter()
    while PendingReceipt.objects.filter(state="new").exists():
        if time.perf_counter() - start > PATIENCE:
            break
        time.sleep(0.02)
    return time.perf_counter() - start


def _invariants(options: Options, earlier: int) -> Iterator[Figure]:
    """What must hold whatever the speed, as figures whose target is 1, or 0."""
    tallies.fold_all()
    receipts, events = Receipt.objects.count() - earlier, StatusEvent.objects.count()
    wrong = sum(len(tallies.differences(tally)) for tally in tallies.MESSAGE_TALLIES)
    same = 1.0 if receipts == events else 0.0
    yield Figure(
        "chain", options.database, "chain: receipts = events", "rows", receipts, events, same, same, same, 1
    )
    name = "chain: cells of tallies that differ from the rows"
    yield Figure("chain", options.database, name, "cells", wrong, None, wrong, wrong, wrong, 0, at_most=True)
