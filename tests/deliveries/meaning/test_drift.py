"""Noticing that a code's share, or what it leads to, changed beyond chance."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deliveries.meaning import drift
from deliveries.meaning.drift import DriftShare, Kind, matters
from deliveries.models import Bookmark, CodeAlarm, CodeDay
from deliveries.statuses import Status
from tests import factories

DAY = timedelta(days=1)


# ---- Beyond chance -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "chance"),
    [
        (DriftShare(50, 100, 50, 100), 1.0),
        (DriftShare(0, 0, 5, 10), 1.0),
        (DriftShare(0, 10, 0, 10), 1.0),
        (DriftShare(60, 100, 40, 100), 0.00468),  # z = 2.83
        (DriftShare(20, 1000, 10, 1000), 0.0659),  # z = 1.84
    ],
)
def test_the_chance_of_a_difference_without_a_cause(share, chance):
    assert share.chance == pytest.approx(chance, abs=0.0005)


@pytest.mark.parametrize(
    ("kind", "share", "expected"),
    [
        (Kind.SHARE, DriftShare(100, 1000, 300, 10_000), True),  # 10 % after 3 %
        (Kind.SHARE, DriftShare(30, 1000, 300, 10_000), False),  # the same
        (Kind.SHARE, DriftShare(45, 1000, 300, 10_000), False),  # beyond chance, but not twice as much
        (Kind.SHARE, DriftShare(4, 1000, 5, 10_000), False),  # not one in a hundred
        (Kind.SHARE, DriftShare(20, 40, 5, 10_000), False),  # too few
        (Kind.CONSEQUENCE, DriftShare(60, 100, 20, 400), True),  # 60 % delivered next, after 5 %
        (Kind.CONSEQUENCE, DriftShare(90, 1000, 100, 2000), False),  # beyond chance, but small
        (Kind.CONSEQUENCE, DriftShare(25, 40, 20, 400), False),  # too few
    ],
)
def test_only_what_is_large_and_no_chance_matters(kind, share, expected):
    assert matters(kind, share) is expected


# ---- From the counts of days -------------------------------------------------------------------------------


@pytest.fixture
def account(db):
    return factories.account("twilio")


def days(account, now, code, *, before, recent, **more):
    """`before` and `recent` uses of a code a day."""
    for ago in range(1, 32):
        CodeDay.objects.create(
            account_id=account.pk, channel="sms", code=code, day=(now - ago * DAY).date(),
            n=recent if ago <= 3 else before,
            **{name: (values[1] if ago <= 3 else values[0]) for name, values in more.items()},
        )  # fmt: skip


def test_a_code_whose_share_doubled_raises_an_alarm_once(account, now):
    days(account, now, "delivered", before=1_000, recent=1_000)
    days(account, now, "30003", before=20, recent=200)

    for _ in range(2):
        drift.run(now)
        now += DAY / 2

    alarm = CodeAlarm.objects.get(kind="share")
    assert (alarm.account_id, alarm.code) == (account.pk, "30003")
    assert "16.7%" in alarm.sentence
    assert "2.0%" in alarm.sentence


def test_a_quiet_account_raises_none(account, now):
    days(account, now, "delivered", before=1_000, recent=980)
    days(account, now, "30003", before=20, recent=24)

    drift.run(now)

    assert not CodeAlarm.objects.exists()


def test_a_code_that_no_longer_lasts_raises_an_alarm(account, now):
    days(account, now, "30005", before=30, recent=30, followed=(20, 30), then_delivered=(1, 24))

    drift.run(now)

    alarm = CodeAlarm.objects.get()
    assert (alarm.kind, alarm.code) == ("consequence", "30005")
    assert "80%" in alarm.sentence
    assert "5%" in alarm.sentence


def test_alarms_are_looked_for_once_a_day(account, now):
    drift.run(now)
    days(account, now, "delivered", before=1_000, recent=1_000)
    days(account, now, "30003", before=20, recent=200)

    drift.run(now + DAY / 2)
    assert not CodeAlarm.objects.exists()
    drift.run(now + DAY)
    assert CodeAlarm.objects.exists()


# ---- What became of the next attempt -----------------------------------------------------------------------


def test_each_follow_up_is_counted_once_and_only_after_its_time(account, now):
    for delivered in (True, False):
        first = factories.message(
            account=account, status=Status.UNDELIVERED, reason_code="30003", created_at=now - 5 * DAY
        )
        factories.message(
            account=account, follows=first, created_at=now - 4 * DAY,
            status=Status.DELIVERED if delivered else Status.UNDELIVERED,
            disposition="DELIVERED" if delivered else "PENDING_RETRY",
        )  # fmt: skip
    young = factories.message(
        account=account, status=Status.UNDELIVERED, reason_code="30003", created_at=now - DAY
    )
    factories.message(account=account, follows=young, status=Status.DELIVERED, created_at=now)

    for _ in range(3):
        drift.run(now)

    row = CodeDay.objects.get()
    assert (row.code, row.day, row.followed, row.then_delivered) == ("30003", (now - 4 * DAY).date(), 2, 1)
    assert Bookmark.objects.get(name="drift").detail["upto"] < young.pk

    drift.run(now + 4 * DAY)
    assert sum(CodeDay.objects.values_list("followed", flat=True)) == 3
