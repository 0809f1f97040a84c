"""Signed receipts over HTTP, on disk before the 204: ours beside a view that does nothing, and one that does it all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from django.conf import settings
from django.db import connection

from benchmarks import serving
from benchmarks.measuring import Figure, Options, Rounds, tell
from benchmarks.receipts import signed
from benchmarks.rows import execute
from deliveries.models import Receipt

REQUESTS = 60_000
THREADS = (1, 8)  # of the server with the inline view; the better one counts


def run(options: Options) -> Iterator[Figure]:
    """32 connections that stay open, one server process each; the load generator shares the machine."""
    tell(f"  load by {serving.generator()}")
    rounds = Rounds("ingest", options, "requests/s")
    connection.close()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        file = Path(folder) / "requests"
        signed(file, range(1, min(options.rows, REQUESTS) + 1))
        url = settings.PUBLIC_URL
        servers = {"ours": stack.enter_context(serving.receiver(url))}
        servers["bare view"] = stack.enter_context(serving.reference("bare", url, 1))
        for threads in THREADS:
            servers[f"inline, {threads}"] = stack.enter_context(serving.reference("inline", url, threads))
        for server in servers.values():
            serving.load(server.port, file, 1, 0)
        before, taken = Receipt.objects.count(), 0
        offset = 1_000
        latency = Rounds("ingest", options, "ms")
        cost = Rounds("ingest", options, "us CPU")
        for _ in range(options.rounds):
            for side, server in servers.items():
                spent = server.cpu()
                done = serving.load(server.port, file, options.seconds, offset)
                offset += done.requests + serving.CONNECTIONS if side.startswith("inline") else 0
                rounds.add(side, done.rate)
                cost.add(side, 1e6 * (server.cpu() - spent) / done.requests)
                if done.failed:
                    tell(f"  {side}: {done.failed} of {done.requests} requests failed")
                if done.p99 is not None:
                    latency.add(side, done.p99)
                taken += done.requests - done.failed if side == "ours" else 0
    stored = Receipt.objects.count() - before
    if stored < taken:
        tell(f"  LOST: {taken:,} receipts were answered 2xx, {stored:,} are stored")
    yield rounds.against(
        "ingest / bare view that stores nothing", "ours", "bare view", 0.65 if options.on_postgresql else 0.8
    )
    rounds.numbers["inline"] = list(map(max, *(rounds.numbers[f"inline, {threads}"] for threads in THREADS)))
    yield rounds.against("ingest / inline ORM view at its best", "ours", "inline", 12)
    yield cost.against("  CPU of the server for one request", "ours", "bare view", None)
    if latency.numbers:
        yield latency.against("  p99", "ours", "bare view", None)
    tidy()


def tidy() -> None:
    """What came in is not for the next comparison."""
    for table in ("deliveries_pendingreceipt", "deliveries_statusevent"):
        execute(f"TRUNCATE {table}" if connection.vendor == "postgresql" else f"DELETE FROM {table}")
