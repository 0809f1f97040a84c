"""The drain: which steps it goes round, when it ends, and that no step holds up another."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import partial

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from campaigns.models import Campaign
from deliveries.models import Heartbeat
from deliveries.running import drain, heartbeat
from deliveries.running.heartbeat import Role
from tests import factories
from tests.engine import sending

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def newly_started(monkeypatch):
    monkeypatch.setattr(heartbeat, "_ours", None)


@pytest.fixture
def campaign():
    """One that is being sent, with nothing left to send."""
    return sending("sms")


@pytest.fixture
def steps(monkeypatch):
    """`steps(record=[2, 1])`: these steps alone, each with what it does in its rounds, and nothing after that.

    Returns the list of those that ran, in order.
    """

    def made(**rounds):
        ran = []

        def step(name, left, now):
            ran.append(name)
            return left.pop(0) if left else 0

        table = {name: partial(step, name, list(left)) for name, left in rounds.items()}
        monkeypatch.setattr(drain, "STEPS", table)
        return ran

    return made


def test_the_drain_goes_round_until_nothing_is_left(steps):
    ran = steps(record=[2, 1], send=[0, 0, 3])

    drained = drain.drain_once()

    assert drained == drain.Drained(done=6, more=False)
    assert ran == ["record", "send"] * 4


def test_what_is_left_when_the_time_is_up_is_said(steps):
    steps(record=[1] * 100_000)

    drained = drain.drain_once(seconds=0.5)

    assert drained.more
    assert drained.done > 0


def test_without_any_time_nothing_is_done_and_there_may_be_more(steps):
    ran = steps(record=[1])

    assert drain.drain_once(seconds=0) == drain.Drained(done=0, more=True)
    assert ran == []


def test_only_the_steps_that_are_asked_for_run(steps):
    ran = steps(record=[1], decide=[1], send=[1])

    drained = drain.drain_once(only=("send", "record"))

    assert drained == drain.Drained(done=2, more=False)
    assert set(ran) == {"record", "send"}


def test_what_people_wait_to_see_comes_before_what_they_wait_for():
    order = list(drain.STEPS)

    assert order[:3] == ["record", "decide", "fold"]
    assert order.index("send") < order.index("expand")


def test_every_step_belongs_to_one_role_and_every_role_has_steps():
    assert sorted(step for steps in drain.ROLES.values() for step in steps) == sorted(drain.STEPS)
    assert set(drain.ROLES) == set(Role)
    assert all(drain.ROLES.values())


def test_a_role_is_whole_or_none():
    assert drain.roles_of(drain.STEPS) == list(Role)
    assert drain.roles_of(drain.steps_of(Role.SEND)) == [Role.SEND]
    assert drain.roles_of(["send", "record"]) == []  # who only hands over recovers nothing


def test_who_is_told_to_stop_ends_after_the_step_it_is_at(steps):
    ran = steps(record=[1, 1, 1], send=[1, 1, 1])

    drain.drain_once(going=lambda: not ran)

    assert ran == ["record"]


def test_a_slice_leaves_a_sign_of_progress(steps):
    steps(record=[4])

    drain.drain_once()

    row = Heartbeat.objects.get()
    assert (row.pid, row.step, row.started_at <= row.at) == (os.getpid(), "record", True)


@pytest.mark.parametrize(("left", "wakes"), [(True, 1), (False, 0)])
def test_the_task_wakes_another_where_something_is_left(monkeypatch, left, wakes):
    woken = []
    monkeypatch.setattr(drain, "drain_once", lambda only: drain.Drained(1, more=left))
    monkeypatch.setattr(drain, "wake", lambda: woken.append("drain"))

    drain.drain()

    assert len(woken) == wakes


@pytest.mark.parametrize(
    ("roles", "sends"),
    [
        ((), True),  # nobody else is there
        ((Role.RECORD, Role.DECIDE, Role.REST), True),
        ((Role.SEND,), False),
        ((Role.SEND, Role.REST), False),
        (tuple(Role), True),  # another one like us: each would wait for the other
    ],
)
def test_tasks_leave_sending_to_a_process_that_was_started_for_it(steps, roles, sends):
    ran = steps(record=[1], recover=[1], send=[1])
    if roles:
        factories.heartbeat(*roles)

    drain.drain()

    assert ("send" in ran, "recover" in ran, "record" in ran) == (sends, sends, True)


def test_tasks_send_again_where_the_process_for_it_has_gone_silent(steps):
    ran = steps(send=[1])
    factories.heartbeat(Role.SEND, at=timezone.now() - timedelta(minutes=5))

    drain.drain()

    assert "send" in ran


def test_between_two_tasks_a_process_waits_and_does_not_hang(steps):
    steps(record=[4])

    drain.drain()

    row = Heartbeat.objects.get()
    assert (row.step, row.done) == ("", 4)
    assert not row.is_silent(timezone.now() + timedelta(days=1))


def test_a_campaign_is_completed_while_other_work_never_ends(monkeypatch, campaign):
    monkeypatch.setitem(drain.STEPS, "record", lambda now: 1)

    drain.drain_once(seconds=0.5)

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.COMPLETED


def test_a_step_that_fails_stops_no_other(monkeypatch, campaign):
    def broken(now):
        raise RuntimeError

    monkeypatch.setitem(drain.STEPS, "record", broken)

    drain.drain_once()

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_a_slice_ends_when_the_database_has_gone_and_the_next_one_begins_anew(monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("a file does not go away")

    def cut(now):
        connection.connection.close()
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as gone:
        gone.setitem(drain.STEPS, "record", cut)
        gone.setitem(drain.STEPS, "decide", lambda now: pytest.fail("the connection is of no use"))
        assert drain.drain_once(seconds=5).done == 0

    assert drain.drain_once().more is False


@pytest.mark.django_db(transaction=True)
def test_the_work_waits_for_nobodys_lock_for_ever(monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's time-out says the same")
    seen = []

    def look(now):
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            seen.append(cursor.fetchone()[0])
        return 0

    monkeypatch.setitem(drain.STEPS, "record", look)

    drain.drain_once()

    assert seen[0] == drain.LOCK_TIMEOUT


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", ["0", "7s"])
def test_behind_pgbouncer_nothing_is_set_for_whoever_has_the_connection_next(
    monkeypatch, settings, caplog, limit
):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections to share")
    settings.PGBOUNCER = True
    drain._warn_of_locks.cache_clear()
    monkeypatch.setattr(drain, "STEPS", {})
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [limit])

        drain.drain_once()
        drain.drain_once()

        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone()[0] == limit
        cursor.execute("RESET lock_timeout")
    assert caplog.text.count("SET lock_timeout = '20s'") == (limit == "0")
