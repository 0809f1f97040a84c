"""Two recording worker processes beside one, on the same receipts about the same messages."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.measuring import Figure, Options, Rounds, tell, timed
from benchmarks.recording import waiting
from benchmarks.scratch import ROOT
from deliveries.models import PendingReceipt
from deliveries.receiving.recording import BATCH

BATCHES = 10


def run(options: Options) -> Iterator[Figure]:
    rounds = Rounds("workers", options, "receipts/s")
    count = BATCHES * BATCH["postgresql"]
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker()) for _ in range(2)]
        for worker in workers:
            assert _next_line(worker) == "ready"
        for number in range(options.rounds):
            for side, those in (("one", workers[:1]), ("two", workers)):
                waiting(options, count, 20_000 + 10 * number + len(those))
                rounds.add(side, count / _record(those))
                if left := PendingReceipt.objects.filter(state="new").count():
                    tell(f"  {side}: {left} receipts were left")
        for worker in workers:
            assert worker.stdin
            worker.stdin.close()
    yield rounds.against("two recording workers / one", "two", "one", 1.5)


def _record(workers: Sequence[subprocess.Popen]) -> float:
    """Seconds until the last of them found nothing more."""
    with timed() as clock:
        for worker in workers:
            assert worker.stdin
            worker.stdin.write("go\n")
            worker.stdin.flush()
        for worker in workers:
            _next_line(worker)
    return clock.seconds


def _worker() -> subprocess.Popen:
    command = [sys.executable, "-m", "benchmarks.recorder"]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _next_line(worker: subprocess.Popen) -> str:
    assert worker.stdout
    return worker.stdout.readline().strip()
