"""Valid receipts while a flood of forged ones comes in, and a page while bodies are sent that never end."""

from __future__ import annotations

import http.client
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from statistics import quantiles

from django.conf import settings
from django.db import connection

from benchmarks import ingest, serving
from benchmarks.measuring import Figure, Options, Rounds, tell
from benchmarks.receipts import signed
from benchmarks.scratch import ROOT

EVERY = 0.02  # seconds between two valid receipts: fifty a second, which one provider sends a small office
HELD = 24  # bodies that are never finished: more than a process has threads
PROCESSES = (1, 2)
TYPE = "application/x-www-form-urlencoded"
Request = tuple[str, str, str]  # target, signature, form


def run(options: Options) -> Iterator[Figure]:
    """Valid receipts come one after the other, as of one provider; forged ones as fast as they are answered."""
    connection.close()
    with tempfile.TemporaryDirectory() as folder:
        valid, forged = Path(folder) / "valid", Path(folder) / "forged"
        signed(valid, range(1, min(options.rows, 20_000) + 1))
        forged.write_text("".join(_forged(line) for line in valid.read_text().splitlines(keepends=True)))
        for processes in PROCESSES:
            yield from _with(options, processes, valid, forged)
    ingest.tidy()


def _forged(line: str) -> str:
    target, _, form = line.split("\t")
    return f"{target}\t{'A' * 27}=\t{form}"


def _with(options: Options, processes: int, valid: Path, forged: Path) -> Iterator[Figure]:
    rounds = Rounds(f"flood, {processes} web", options, "ms p99")
    pages = Rounds(f"slow bodies, {processes} web", options, "ms p99")
    with ExitStack() as stack:
        server = stack.enter_context(serving.receiver(settings.PUBLIC_URL, processes))
        requests = cycle(tuple(line.split("\t")) for line in valid.read_text().splitlines())
        _latencies(server.port, requests, 1.0)
        for _ in range(options.rounds):
            rounds.add("alone", _p99(_latencies(server.port, requests, options.seconds)))
            with _flood(server.port, forged, options.seconds + 1):
                rounds.add("flooded", _p99(_latencies(server.port, requests, options.seconds)))
            pages.add("alone", _p99(_pages(server.port, options.seconds)))
            with _unfinished(server.port):
                pages.add("held", _p99(_pages(server.port, options.seconds)))
    with_them = f"with {processes} web process{'es' if processes > 1 else ''}"
    yield rounds.against(
        f"valid receipts in a forged flood / without, {with_them}", "flooded", "alone", 2, at_most=True
    )
    yield pages.against(
        f"a page beside {HELD} unfinished bodies / without, {with_them}", "held", "alone", 2, at_most=True
    )


def _p99(seconds: list[float]) -> float:
    return 1_000 * quantiles(seconds, n=100)[98]


def _latencies(port: int, requests: Iterator[Request], seconds: float) -> list[float]:
    """How long each valid receipt waited for its answer."""
    asked = http.client.HTTPConnection(serving.HOST, port)
    taken, failed = [], 0
    ends = time.monotonic() + seconds
    while (start := time.monotonic()) < ends:
        target, signature, form = next(requests)
        headers = {"Content-Type": TYPE, "User-Agent": "TwilioProxy/1.1", "X-Twilio-Signature": signature}
        asked.request("POST", target, form, headers)
        answer = asked.getresponse()
        answer.read()
        failed += answer.status // 100 != 2
        taken.append(time.monotonic() - start)
        time.sleep(max(0.0, EVERY - taken[-1]))
    asked.close()
    if failed:
        tell(f"  {failed} of {len(taken)} valid receipts were refused")
    return taken


def _pages(port: int, seconds: float) -> list[float]:
    """How long the log-in page and the health check took, in turn."""
    asked = http.client.HTTPConnection(serving.HOST, port)
    taken = []
    ends = time.monotonic() + seconds
    for path in cycle(("/admin/login/", "/healthz")):
        if (start := time.monotonic()) >= ends:
            break
        asked.request("GET", path, headers={"Host": "localhost"})
        answer = asked.getresponse()
        answer.read()
        if answer.status != http.HTTPStatus.OK:
            tell(f"  {path} answered {answer.status}")
        taken.append(time.monotonic() - start)
        time.sleep(max(0.0, EVERY - taken[-1]))
    asked.close()
    return taken


@contextmanager
def _flood(port: int, forged: Path, seconds: float) -> Iterator[None]:
    """Receipts for a known account with a signature that is wrong, over as many connections as a load has."""
    with subprocess.Popen(
        serving.command(port, forged, seconds, 0), cwd=ROOT, stdout=subprocess.DEVNULL
    ) as flood:
        time.sleep(0.5)
        yield
        flood.wait()


@contextmanager
def _unfinished(port: int) -> Iterator[None]:
    """POSTs to a page that announce more than they send."""
    head = f"POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: {TYPE}\r\nContent-Length: 500\r\n\r\na="
    with ExitStack() as stack:
        for _ in range(HELD):
            held = stack.enter_context(socket.create_connection((serving.HOST, port)))
            held.sendall(head.encode())
        time.sleep(0.2)
        yield
