"""The processes that expand and send, killed again and again, and people who say no while they are at work.

`KILLS=100 TRIES=1000 pytest tests/deliveries/running/test_send_process.py` does it as often.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import time as clock
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from campaigns.models import Campaign, Recipient
from contacts.models import Address, Consent, Contact, ListMembership
from contacts.suppressing import suppress
from deliveries.models import Account, Message, Outbox
from deliveries.receiving.storing import Incoming, store
from deliveries.running.drain import drain_once
from deliveries.sending import expansion
from deliveries.sending.expansion import expand
from deliveries.sending.launching import launch, pause, resume
from tests import factories

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

KILLS = int(os.environ.get("KILLS", "6"))
TRIES = int(os.environ.get("TRIES", "100"))
LEASE = 4  # seconds
DELAY = 50  # milliseconds until the provider answers
# Between the commit of a claim and the first byte of its calls, on a machine that is busy with tests.
MOMENT = 2.0  # seconds
CHUNK = 10  # people that are expanded at a time
STATEMENT = 0.005  # seconds that each of a chunk's statements takes, so that a kill falls between two of them


class World:
    """A provider, and the process that sends to it."""

    def __init__(self, env: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{env['PORT']}"
        self.env = env | {"SANDBOX_URL": self.url, "HANDOVER_LEASE_SECONDS": str(LEASE), "LOG_LEVEL": "ERROR"}
        self.provider = self.start("-m", "benchmarks.provider", env["PORT"], str(DELAY))
        self.sender: subprocess.Popen | None = None
        self.wait_for(self.counts, "the provider answers")

    def start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=self.env, stdin=subprocess.DEVNULL)

    def send(self) -> None:
        self.sender = self.start("manage.py", "drain", "--forever", "--role", "send")

    def kill(self) -> None:
        assert self.sender
        self.sender.kill()
        self.sender.wait(10)

    def end(self) -> None:
        for process in filter(None, (self.sender, self.provider)):
            process.kill()
            process.wait(10)

    def counts(self, what: str = "counts") -> dict:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/{what}").json()
        return {}

    def wait_for(self, true, what: str, seconds: float = 240.0) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            time.sleep(0.05)


@pytest.fixture
def world(process_env: dict[str, str]) -> Iterator[World]:
    made = World(process_env)
    yield made
    made.end()


def draft(people: int, at_a_time: int) -> Campaign:
    """A campaign to so many, at any hour."""
    members = factories.contact_list()
    contacts = Contact.objects.bulk_create([Contact(name=f"Person {n}") for n in range(people)])
    Address.objects.bulk_create(
        Address(
            contact=contact, kind="phone", value=f"+1210{2_000_000 + n}", line_type="mobile", validity="valid",
            region="US-TX", time_zone="America/Chicago",
        )
        for n, contact in enumerate(contacts)
    )  # fmt: skip
    Consent.objects.bulk_create(
        Consent(contact=contact, channel="sms", opted_in=True, at=timezone.now(), how="Form")
        for contact in contacts
    )
    ListMembership.objects.bulk_create(
        ListMembership(contact_list=members, contact=contact) for contact in contacts
    )
    campaign = factories.campaign(lists=[members], window_start=clock(0), window_end=clock.max)
    account = factories.account(at_a_time=at_a_time)
    account.senders.add(factories.content(campaign, "sms").sender)
    return campaign


def audience(people: int, at_a_time: int) -> list[Message]:
    """Messages to so many, all of them due."""
    campaign = draft(people, at_a_time)
    Campaign.objects.update(state=Campaign.State.LAUNCHING)
    while expand(campaign, timezone.now()):
        pass
    messages = list(Message.objects.order_by("pk").select_related("address"))
    assert len(messages) == people
    return messages


def test_killing_the_process_that_sends_again_and_again_sends_nothing_twice_and_forgets_nothing(world):
    dice = random.Random(7)
    messages = audience(500 + 250 * KILLS, at_a_time=20)
    for _ in range(KILLS):
        before = world.counts()["messages"]
        world.send()
        world.wait_for(lambda seen=before: world.counts()["messages"] > seen, "it sends")
        time.sleep(dice.uniform(0.0, 0.6))
        world.kill()
    in_doubt = Outbox.objects.exclude(claimed_until=None).count()

    world.send()
    world.wait_for(lambda: not Outbox.objects.exists(), "everything is sent")

    came, twice = map(world.counts().get, ("messages", "twice"))
    print(f"{KILLS} kills: {came} of {len(messages)} came, {twice} twice; {in_doubt} in doubt at last")
    assert (came, twice) == (len(messages), 0)
    assert set(world.counts("moments")) == {str(message.uuid) for message in messages}
    assert not Message.objects.filter(handed_over_at=None).exists()
    call_command("check_tallies")


def prepare() -> None:
    """What a process does that expands, a few people at a time and slowly."""

    def slowly(execute, sql, *more):
        done = execute(sql, *more)
        if sql.lstrip().startswith("INSERT INTO"):
            time.sleep(STATEMENT)
        return done

    expansion.expand.__defaults__ = (CHUNK,)
    with connection.execute_wrapper(slowly):
        while True:
            drain_once(only=("hold", "expand"))


def preparing() -> multiprocessing.Process:
    connections.close_all()  # no process uses another one's
    started = multiprocessing.get_context("fork").Process(target=prepare, daemon=True)
    started.start()
    return started


def test_a_launch_that_is_killed_again_and_again_and_resumed_twice_makes_each_once(world):
    dice = random.Random(7)
    campaign = draft(80 * KILLS, at_a_time=20)
    launch(campaign, None, timezone.now())
    world.send()
    for kill in range(KILLS):
        campaign.refresh_from_db()
        process, before = preparing(), campaign.expanded_to
        world.wait_for(lambda seen=before: expanded_to(campaign) > seen, "it is expanded")
        time.sleep(dice.uniform(0.0, 0.1))
        process.kill()
        process.join(10)
        assert Campaign.objects.get(pk=campaign.pk).state == Campaign.State.LAUNCHING  # it had not ended
        if kill in (1, KILLS - 2):
            assert pause(campaign, Campaign.State.LAUNCHING)
            world.kill()
            assert resume(campaign)
            world.send()

    process = preparing()
    world.wait_for(
        lambda: Campaign.objects.get(pk=campaign.pk).state == Campaign.State.SENDING,
        "it is expanded to the end",
    )
    world.wait_for(lambda: not Outbox.objects.exists(), "everything is sent")
    process.kill()

    people = set(Contact.objects.values_list("pk", flat=True))
    recipients = list(Recipient.objects.values_list("contact_id", flat=True))
    assert len(recipients) == len(people)
    assert set(recipients) == people
    assert list(Message.objects.order_by("contact_id").values_list("contact_id", flat=True)) == sorted(people)
    came, twice = map(world.counts().get, ("messages", "twice"))
    assert (came, twice) == (len(people), 0)
    campaign.refresh_from_db()
    assert (campaign.expanded_count, campaign.audience_size) == (len(people), len(people))
    call_command("check_tallies")


def expanded_to(campaign: Campaign) -> int:
    return Campaign.objects.values_list("expanded_to", flat=True).get(pk=campaign.pk)


@pytest.mark.parametrize("how", ["suppressed by staff", "STOP acknowledged"])
def test_nobody_is_written_to_who_said_no_before_the_handover(world, how):
    dice = random.Random(7)
    audience(TRIES * 4, at_a_time=5)
    account = Account.objects.get()
    world.send()
    world.wait_for(lambda: world.counts()["messages"], "it sends")

    said: dict[str, float] = {}
    for _ in range(TRIES):
        rows = Outbox.objects.filter(claimed_until=None).order_by("due_at", "pk")
        next_ones = list(rows.select_related("message__address", "message__contact")[:12])
        if not next_ones:  # it was faster than whoever says no here
            break
        message = dice.choice(next_ones).message
        if how == "STOP acknowledged":
            store([stop(account, message)])
        else:
            suppress(contact=message.contact, reason="staff", origin="staff", now=timezone.now())
        said[str(message.uuid)] = timezone.now().timestamp()
    world.wait_for(lambda: not Outbox.objects.exists(), "everything is sent or withdrawn")

    came = world.counts("moments")
    late = {ref: came[ref] - at for ref, at in said.items() if ref in came and came[ref] > at}
    before = sum(ref in came for ref in said) - len(late)
    last = max(late.values(), default=0.0)
    print(
        f"{how}: of {len(said)} {before} were written to before, {len(late)} after, by {last:.3f} s at most"
    )
    assert last < MOMENT
    assert len(said) > before + len(late)


def stop(account: Account, message: Message) -> Incoming:
    now = timezone.now()
    body = {"channel": "sms", "from": message.address.value, "to": "+12125550199", "text": "STOP",
            "occurred_at": now.isoformat()}  # fmt: skip
    return Incoming(account.pk, "inbound", now, "POST", "c=sms", {}, json.dumps(body).encode())
