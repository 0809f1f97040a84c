"""The drain: which steps it goes round, when it ends, and that no step holds up another."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection

from campaigns.models import Campaign
from deliveries.running import drain
from tests.engine import sending

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    """One that is being sent, with nothing left to send."""
    return sending("sms")


def test_a_campaign_is_completed_while_other_work_never_ends(monkeypatch, campaign):
    monkeypatch.setitem(drain.STEPS, "record", lambda now: 1)

    drain.drain_once(seconds=0.05)

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.COMPLETED


def test_a_step_that_fails_stops_no_other(monkeypatch, campaign):
    def broken(now):
        raise RuntimeError

    monkeypatch.setitem(drain.STEPS, "record", broken)

    drain.drain_once(seconds=0.05)

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

    assert drain.drain_once(seconds=0.05).more is False


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

    drain.drain_once(seconds=0.05)

    assert seen[0] == drain.LOCK_TIMEOUT
