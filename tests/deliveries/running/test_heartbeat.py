"""The row of each process: what it says, when it counts, and how it goes."""

from __future__ import annotations

import os
import socket
import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone

from deliveries.models import Heartbeat, Outbox, StatusChange
from deliveries.running import heartbeat, waiting
from deliveries.running.heartbeat import Reporter, Role
from tests import factories

pytestmark = pytest.mark.django_db


def ended_pid() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_process_has_one_row_that_says_who_and_where_it_is():
    report = Reporter()

    report.begin("recover", [Role.SEND])
    report.did(3)
    report.rest()

    row = Heartbeat.objects.get()
    assert (row.host, row.pid, row.roles) == (socket.gethostname(), os.getpid(), "send")
    assert (row.step, row.done) == ("", 3)
    assert row.started_at <= row.at <= timezone.now()


def test_signs_are_written_every_couple_of_seconds_however_busy_it_is(django_assert_num_queries):
    report = Reporter()
    report.begin("record", [Role.RECORD])

    with django_assert_num_queries(0):
        for _ in range(100):
            report.begin("fold", [Role.RECORD])
            report.did(10)
    assert Heartbeat.objects.get().step == "record"

    report._written_at -= heartbeat.EVERY
    report.did(1)
    row = Heartbeat.objects.get()
    assert (row.step, row.done) == ("fold", 1_001)


def test_a_process_takes_over_the_row_of_an_earlier_one_with_its_number():
    factories.heartbeat(
        host=socket.gethostname(), pid=os.getpid(), done=7, at=timezone.now() - timedelta(hours=3)
    )

    Reporter().begin("record", [Role.RECORD])

    row = Heartbeat.objects.get()
    assert row.done == 0
    assert row.started_at > timezone.now() - timedelta(minutes=1)


def test_who_ends_in_good_order_takes_its_row_along():
    factories.heartbeat(host="another")
    report = Reporter()
    report.begin("record", [Role.RECORD])

    report.leave()

    assert Heartbeat.objects.get().host == "another"


def test_rows_of_ended_processes_go_and_those_of_living_ones_and_of_other_machines_stay():
    here = socket.gethostname()
    factories.heartbeat(host=here, pid=ended_pid())
    living = factories.heartbeat(host=here, pid=os.getpid())
    elsewhere = factories.heartbeat(host=f"not-{here}", pid=ended_pid())

    heartbeat.forget_ended()

    assert set(Heartbeat.objects.all()) == {living, elsewhere}


@pytest.mark.parametrize(
    ("age", "stays"),
    [(timedelta(minutes=50), True), (timedelta(minutes=70), False), (timedelta(days=-1), False)],
)
def test_a_silent_row_is_shown_for_a_while_and_then_goes(age, stays):
    old = factories.heartbeat(at=timezone.now() - age)

    Reporter().begin("record", [Role.RECORD])

    assert Heartbeat.objects.filter(pk=old.pk).exists() is stays


def test_silence_means_nothing_while_a_process_waits_for_a_task(settings):
    now = timezone.now()
    late = now - timedelta(seconds=settings.READY_HEARTBEAT_SECONDS + 1)

    assert factories.heartbeat(step="send", at=late).is_silent(now)
    assert not factories.heartbeat(step="send", at=now).is_silent(now)
    assert not factories.heartbeat(step="", at=late).is_silent(now)


@pytest.mark.parametrize(
    ("failed", "waits", "progress"),
    [(False, False, True), (False, True, True), (True, False, True), (True, True, False)],
)
def test_a_round_that_fails_while_work_waits_is_no_progress(heard, failed, waits, progress):
    report = Reporter()
    report.begin("record", [Role.RECORD])
    if waits:
        factories.receipt(received_at=timezone.now() - timedelta(minutes=10))

    report.end_round(failed=failed)

    assert heard() == (["WATCHDOG=1"] if progress else [])


def test_whatever_is_done_is_progress(heard):
    Reporter().did(0)
    assert heard() == []

    Reporter().did(1)
    assert heard() == ["WATCHDOG=1"]


@pytest.mark.parametrize("role", Role)
def test_what_waits_for_long_is_known_for_each_role(role):
    long_ago = timezone.now() - timedelta(minutes=10)
    message = factories.message()
    waits = {
        Role.RECORD: lambda: factories.receipt(received_at=long_ago),
        Role.DECIDE: lambda: StatusChange.objects.create(message_id=message.pk, changed_at=long_ago),
        Role.SEND: lambda: Outbox.objects.create(
            message=message,
            campaign_id=message.campaign_id,
            account_id=message.account_id,
            sender_id=message.sender_id,
            due_at=long_ago,
        ),
        Role.REST: lambda: factories.campaign(state="launching", launched_at=long_ago),
    }
    waits[role]()

    now = timezone.now()
    assert {each: waiting.overdue([each], now) for each in Role if waiting.overdue([each], now)} == {
        role: long_ago
    }
