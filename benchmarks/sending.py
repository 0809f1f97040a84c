"""Handing messages over: the sending process beside a bare client that makes the same calls, and stores nothing.

The provider answers after 0, 50, 100 and 200 ms; both sides make 200 calls at a time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import time
from urllib.request import urlopen

from django.utils import timezone

from benchmarks import rows, serving
from benchmarks.measuring import Figure, Options, Rounds, timed
from benchmarks.scratch import ROOT
from campaigns.models import Campaign
from deliveries.models import Account, Message
from deliveries.sending.expansion import expand

AT_A_TIME = 200
# Processes -> calls at a time of each, where several are compared with one: few, so that they wait for answers and not
# for a core; and what is aimed at.
SEVERAL = {2: (40, 1.7), 4: (20, 3.4)}

# After so many ms: the share of the bare client that is aimed at, on PostgreSQL and on SQLite.
AIMS = {0: (0.3, 0.15), 50: (None, None), 100: (0.6, 0.3), 200: (None, None)}
LATENCY_OF_SEVERAL = 100


def run(options: Options) -> Iterator[Figure]:
    of = rows.world()
    Campaign.objects.update(purpose="service", window_start=time(0), window_end=time.max)
    audience = int(1_500 * options.seconds)
    rows.contacts(of, audience)
    rows.settle_down()
    campaigns = iter(of.campaigns)
    for campaign in of.campaigns:
        campaign.lists.set(of.sources[:1])
    for delay, aims in AIMS.items():
        with provider(delay) as port, sender(port) as ours:
            rounds = Rounds("sending", options, "messages/s")
            for _ in range(options.rounds):
                rounds.add(f"{delay} ms, ours", _speed([ours], next(campaigns), AT_A_TIME))
                rounds.add(f"{delay} ms, bare", _bare(port, audience))
            name = f"sending / the same calls alone, answered after {delay} ms"
            aim = aims[0] if options.on_postgresql else aims[1]
            yield rounds.against(name, f"{delay} ms, ours", f"{delay} ms, bare", aim)
            yield _twice(options, port, delay)
    if options.on_postgresql:
        yield from _several(options, campaigns)


def _several(options: Options, campaigns: Iterator[Campaign]) -> Iterator[Figure]:
    with provider(LATENCY_OF_SEVERAL) as port, ExitStack() as stack:
        processes = [stack.enter_context(sender(port)) for _ in range(max(SEVERAL))]
        for several, (few, aim) in SEVERAL.items():
            rounds = Rounds("sending", options, "messages/s")
            for _ in range(options.rounds):
                rounds.add("one", _speed(processes[:1], next(campaigns), few))
                rounds.add(f"{several}", _speed(processes[:several], next(campaigns), few))
            name = f"{several} sending processes / one, {few} calls at a time, answered after {LATENCY_OF_SEVERAL} ms"
            yield rounds.against(name, f"{several}", "one", aim)


def _twice(options: Options, port: int, delay: int) -> Figure:
    """What must hold whatever the speed: nothing was handed over twice."""
    twice = float(ask(port, "counts")["twice"])
    name = f"sending: handed over twice, answered after {delay} ms"
    return Figure(
        "sending", options.database, name, "messages", twice, None, twice, twice, twice, 0, at_most=True
    )


def ask(port: int, what: str) -> dict:
    """What the provider has counted: see benchmarks/provider.py."""
    with urlopen(f"http://127.0.0.1:{port}/{what}") as answer:
        return json.load(answer)


@contextmanager
def provider(delay: int) -> Iterator[int]:
    """Its port."""
    port = serving.free_port()
    with serving.running("-m", "benchmarks.provider", str(port), str(delay), port=port):
        yield port


@contextmanager
def sender(port: int) -> Iterator[subprocess.Popen]:
    env = {**os.environ, "TWILIO_URL": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "benchmarks.sender"]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def _speed(processes: Sequence[subprocess.Popen], campaign: Campaign, at_a_time: int) -> float:
    """Messages a second, from the first claim to the last answer stored."""
    Account.objects.update(at_a_time=at_a_time)
    Campaign.objects.filter(pk=campaign.pk).update(state=Campaign.State.LAUNCHING)
    while expand(campaign, timezone.now()):
        pass
    with timed() as clock:
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout
            process.stdout.readline()
    return Message.objects.filter(campaign=campaign).exclude(handed_over_at=None).count() / clock.seconds


def _bare(port: int, number: int) -> float:
    command = [sys.executable, "-m", "benchmarks.bare", str(port), str(AT_A_TIME), str(number)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return number / float(done.stdout)
