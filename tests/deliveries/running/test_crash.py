"""Promises 1, 3, 4 and 5 while real processes are killed: nothing lost, nothing twice, every number adds up."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from datetime import time as clock
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command
from django.utils import timezone

from campaigns.models import Campaign, Recipient, Sender
from contacts.models import Contact
from contacts.suppressing import suppress
from deliveries.models import Message, Outbox, PendingReceipt, Receipt, StatusChange, StatusEvent
from deliveries.providers.sandbox.server import Store
from deliveries.running.supervisor import end_groups
from deliveries.sending.launching import launch
from tests import factories
from tests.engine import consent

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

PEOPLE = 500
KILLS = 10
SPEED = "20000"  # thirty hours in five seconds
LEASE = 4
# Segments of each sender, two for each text, so that people are still waiting when the first processes are killed, on a
# fast machine as well.
PER_SECOND = 2 * PEOPLE / KILLS

# Whatever the carriers ever had to say, kept aside when they forget it.
KEEP = """
CREATE TABLE ever (url TEXT, body BLOB);
CREATE TRIGGER keep AFTER INSERT ON callback BEGIN INSERT INTO ever VALUES (new.url, new.body); END;
"""


class World:
    """The three commands on the test database; `kill` ends one at once with all it started, `start` begins it anew."""

    def __init__(self, env: dict[str, str], tmp_path: Path) -> None:
        self.port = int(env["PORT"])
        self.env = env | {"HANDOVER_LEASE_SECONDS": str(LEASE), "WORKERS": "2"}
        self.logs, self.state = tmp_path, tmp_path / "carriers.sqlite3"
        self.carriers = f"http://127.0.0.1:{self.port + 1}"
        self.running: dict[str, subprocess.Popen] = {}
        self.commands = {
            "web": ["web"],
            "worker": ["worker"],
            "carriers": ["carriers", "--speed", SPEED, "--state", str(self.state)],
        }

    def start(self, name: str) -> None:
        with (self.logs / f"{name}.log").open("ab") as out:
            self.running[name] = subprocess.Popen(
                [sys.executable, "manage.py", *self.commands[name]],
                cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """kill -9 on the command and on everything below it, the task cluster's own group included."""
        process = self.running[name]
        groups = {os.getpgid(pid) for pid in below(process.pid)} | {process.pid}
        for group in groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        process.wait(timeout=10)

    def end(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                groups = [os.getpgid(pid) for pid in below(process.pid)]
                end_groups([process.pid, *groups], grace=0)

    def said(self) -> str:
        return "\n".join(log.read_text()[-3_000:] for log in sorted(self.logs.glob("*.log")))

    def wait_for(self, true: Callable[[], object], what: str, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s; they said:\n{self.said()}"
            time.sleep(0.2)

    def answers(self, url: str) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(url).status_code == 200
        return False


def below(pid: int) -> list[int]:
    """The processes that this one started, and those they started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        kids = children.get(queue.pop(), [])
        found += kids
        queue += kids
    return found


@pytest.fixture
def world(process_env: dict[str, str], tmp_path: Path) -> Iterator[World]:
    made = World(process_env, tmp_path)
    Store(made.state).close()
    with contextlib.closing(sqlite3.connect(made.state)) as database:
        database.executescript(KEEP)
    yield made
    made.end()


@pytest.fixture
def audience() -> Campaign:
    """A draft to PEOPLE by text, and by email to those whose number is dead; sent at any hour."""
    people = factories.contact_list()
    for n in range(PEOPLE):
        person = factories.contact(lists=[people])
        factories.phone(person, value=f"+1{212 + n // 100}555{100 + n % 100:04d}")
        factories.email(person)
        consent(person, "sms", "email", at=timezone.now())
    campaign = factories.campaign(lists=[people], window_start=clock(0), window_end=clock.max)
    account = factories.account()
    for channel in ("sms", "email"):
        content = factories.content(campaign, channel, body="Hello {first_name}. " + "A long text. " * 20)
        account.senders.add(content.sender)
    Sender.objects.update(per_second=PER_SECOND)
    return campaign


@pytest.mark.skipif(not Path("/proc").exists(), reason="finds processes in /proc")
def test_killing_the_processes_again_and_again_loses_nothing_and_doubles_nothing(world, audience):
    dice = random.Random(7)
    suppressed: dict[int, datetime] = {}
    for name in ("carriers", "web", "worker"):
        world.start(name)
    world.wait_for(lambda: world.answers(f"{world.carriers}/healthz"), "the carriers answer")
    launch(audience, None, timezone.now())
    # Else a busy machine has killed the worker ten times before it was up once.
    world.wait_for(lambda: Recipient.objects.filter(campaign=audience).exists(), "the worker is up")

    for kill in range(KILLS):
        time.sleep(dice.uniform(0.3, 2.5))
        suppressed |= suppress_somebody(audience, dice)
        name = ("worker", "web")[kill % 2]
        world.kill(name)
        time.sleep(dice.uniform(0.0, 0.5))
        world.start(name)

    world.wait_for(lambda: quiet(world), "everything is reported, recorded and decided", seconds=180)

    nothing_lost(world)
    nothing_twice(world)
    nobody_after_their_suppression(world, suppressed)
    call_command("check_tallies")
    assert not Recipient.objects.filter(campaign=audience, state="planned").exists()
    assert Recipient.objects.filter(campaign=audience).count() == PEOPLE


def suppress_somebody(campaign: Campaign, dice: random.Random) -> dict[int, datetime]:
    """Suppress ten of those who have been sent nothing yet: contact -> when that was committed."""
    planned = list(
        Recipient.objects.filter(campaign=campaign, state="planned").values_list("contact_id", flat=True)
    )
    chosen = dice.sample(planned, min(10, len(planned)))
    done = {}
    for contact in Contact.objects.filter(pk__in=chosen):
        suppress(contact=contact, reason="staff", origin="staff", now=timezone.now())
        done[contact.pk] = timezone.now()
    return done


def quiet(world: World) -> bool:
    """Nothing is on its way any more: not at the carriers, not in a queue of ours."""
    with contextlib.suppress(httpx.HTTPError, json.JSONDecodeError):
        told = httpx.get(f"{world.carriers}/healthz").json()
        waiting = PendingReceipt.objects.filter(state=PendingReceipt.State.NEW)
        launching = Campaign.objects.filter(state=Campaign.State.LAUNCHING)
        now = timezone.now()
        ours = (
            waiting,
            StatusChange.objects,
            Outbox.objects,
            launching,
            Recipient.objects.filter(next_step_at__lte=now),
        )
        return told["waiting"] == 0 and not any(each.exists() for each in ours)
    return False


def nothing_lost(world: World) -> None:
    """Every callback was acknowledged, so every one is on disk, and all that concern a message are recorded."""
    with contextlib.closing(sqlite3.connect(world.state)) as database:
        told = database.execute("SELECT url, body FROM ever").fetchall()
    stored = {bytes(body) for body in Receipt.objects.values_list("body", flat=True)}
    lost = [body for _, body in told if bytes(body) not in stored]
    assert len(told) > PEOPLE
    assert lost == []
    assert not PendingReceipt.objects.filter(state=PendingReceipt.State.NEW).exists()
    parked = PendingReceipt.objects.select_related("receipt")
    assert all(each.receipt.kind == "inbound" for each in parked), [each.reason for each in parked]
    recorded = StatusEvent.objects.filter(receipt_id__isnull=False).values("message_id").distinct().count()
    assert recorded > 0


def nothing_twice(world: World) -> None:
    """The carriers know each message once, and we know what they know."""
    with contextlib.closing(sqlite3.connect(world.state)) as database:
        counts = dict(database.execute("SELECT ref, count(*) FROM submission GROUP BY ref").fetchall())
    left = Message.objects.filter(handed_over_at__isnull=False, canceled_at=None)
    refs = {str(ref) for ref in left.values_list("uuid", flat=True)}
    twice = {ref: n for ref, n in counts.items() if n != 1}
    assert twice == {}
    assert refs == set(counts)
    sample = sorted(refs)[:5]
    for ref in sample:
        known = httpx.get(f"{world.carriers}/v1/messages", params={"ref": ref}).json()
        assert known["submissions"] == 1


def nobody_after_their_suppression(world: World, suppressed: dict[int, datetime]) -> None:
    """By the carriers' own clock. The gate's word is part of the claim: a call begins within half a lease of it, and
    may last a third of one."""
    longest = timedelta(seconds=LEASE / 2 + LEASE / 3)
    with contextlib.closing(sqlite3.connect(world.state)) as database:
        left = dict(database.execute("SELECT ref, at FROM submission").fetchall())
    theirs = Message.objects.filter(contact_id__in=suppressed).values_list("uuid", "contact_id")
    after = {
        ref: datetime.fromisoformat(left[str(ref)]) - suppressed[contact]
        for ref, contact in theirs
        if str(ref) in left
    }
    assert suppressed
    assert {ref: by for ref, by in after.items() if by > longest} == {}
