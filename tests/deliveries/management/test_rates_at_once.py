"""Three real processes that send for one sender: together they keep to its rate, as its provider counts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import time as clock_time
from pathlib import Path
from urllib.request import urlopen

import pytest
from django.utils import timezone

from campaigns.models import Campaign
from deliveries.models import Message, Outbox
from tests import factories
from tests.engine import sending, waiting
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[3]
PER_SECOND, SECONDS = 20, 6.0

pytestmark = pytest.mark.processes


@contextmanager
def running(env: dict[str, str], *words: str) -> Iterator[subprocess.Popen]:
    with subprocess.Popen([sys.executable, *words], cwd=ROOT, env=env) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def wait_for(true, seconds: float = 40.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "nothing came"
        time.sleep(0.1)


def ask(port: int, what: str) -> dict:
    with urlopen(f"http://127.0.0.1:{port}/{what}") as answer:
        return json.load(answer)


def answers(port: int) -> bool:
    try:
        return ask(port, "counts") is not None
    except OSError:
        return False


def test_three_processes_together_send_no_more_a_second_than_their_sender_may(process_env):
    account = factories.account("twilio")
    campaign = sending()
    Campaign.objects.update(purpose="service", window_start=clock_time(0), window_end=clock_time(23, 59, 59))
    sender = campaign.contents.get().sender
    sender.per_second = PER_SECOND
    sender.save()
    for _ in range(int(PER_SECOND * SECONDS)):
        waiting(campaign, account, timezone.now())
    (port,) = free_ports(1)
    env = {**process_env, "TWILIO_URL": f"http://127.0.0.1:{port}", "LOG_LEVEL": "ERROR"}
    provider_env = {**os.environ, "PYTHONPATH": str(ROOT)}

    with ExitStack() as stack:
        stack.enter_context(running(provider_env, "-m", "benchmarks.provider", str(port), "50"))
        wait_for(lambda: answers(port))
        for _ in range(3):
            stack.enter_context(running(env, "manage.py", "drain", "--forever", "--role", "send"))
        wait_for(lambda: not Outbox.objects.exists(), 90.0)
        rates, counts = ask(port, "rates"), ask(port, "counts")

    (most,) = rates.values()
    assert PER_SECOND / 2 <= most <= PER_SECOND
    assert (counts["messages"], counts["twice"]) == (PER_SECOND * SECONDS, 0)
    assert not Message.objects.filter(handed_over_at=None).exists()
