"""A route that takes everything and delivers nothing is seen, alarmed and left by urgent messages, as a slow one is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deliveries.deciding import route_moves
from deliveries.ledger.latency import Latencies
from deliveries.models import Route, RouteAlarm, RouteMove, RouteShare
from deliveries.outcomes.latency import arrivals, latencies
from deliveries.outcomes.route_status import ALARM_WORDS
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import Fake, sending, waiting

pytestmark = pytest.mark.django_db
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def first():
    return factories.account(name="First", rank=1)


@pytest.fixture
def second():
    return factories.account(name="Second", rank=2)


@pytest.fixture
def listed(first, second):
    for position, account in enumerate((first, second), 1):
        Route.objects.create(channel="sms", position=position, account=account)


def leave(account, at, n, arrived):
    """So many are handed over, of which so many arrive 4 seconds later."""
    made = Latencies(at)
    for number in range(n):
        made.add_handover(account.pk, "sms", "US-TX", "Carrier A")
        if number < arrived:
            made.add(account.pk, "sms", "US-TX", "Carrier A", at - timedelta(seconds=4), at)
    made.save()


def a_day(now, *accounts, arrived=94):
    """What is usual: 94 in 100 arrive."""
    for account in accounts:
        leave(account, now - 5 * HOUR, 100, arrived)


def half_an_hour(now, *traffic):
    """Handed over 45 to 15 minutes ago by each (account, of 120, so many arrived)."""
    for account, arrived in traffic:
        for minute in range(30):
            leave(
                account,
                now - (15 + minute) * MINUTE,
                4,
                (arrived * (minute + 1)) // 30 - arrived * minute // 30,
            )


def shares():
    return list(RouteShare.objects.values_list("share", "account__name"))


def test_handing_over_is_counted_and_is_no_arrival(first, now):
    waiting(sending(), first, now)
    dispatch(now, Fake())

    assert latencies(now + MINUTE) == {}
    ((key, found),) = arrivals(now + 20 * MINUTE).items()
    assert (key.account_id, key.country, key.carrier) == (first.pk, "US", "Carrier A")
    assert (found.handed_over, found.arrived, found.usual, found.is_silent) == (1, 0, None, False)


def test_urgent_messages_leave_a_silent_route_step_by_step_and_come_back(listed, first, second, now):
    a_day(now, first, second)
    half_an_hour(now, (first, 0), (second, 112))

    for minute in range(6):
        route_moves.run(now + minute * MINUTE)

    assert shares() == [(20, "Second")]
    move = RouteMove.objects.latest("at")
    assert (move.away_from, move.account) == (first, second)
    assert "First: 0 of " in move.reason
    assert "handed over 15 to 45 minutes ago, where usually 94 in 100 do" in move.reason
    alarm = RouteAlarm.objects.get()
    assert (alarm.kind, alarm.account, alarm.closed_at) == ("silent", first, None)
    assert alarm.sentence.startswith(
        "First delivers nothing by SMS to Carrier A in US: 0 of 120 messages arrived"
    )
    assert alarm.kind in ALARM_WORDS

    half_an_hour(now + HOUR, (first, 112), (second, 112))
    for minute in range(11):
        route_moves.run(now + HOUR + minute * MINUTE)

    assert shares() == []
    alarm.refresh_from_db()
    assert alarm.closed_at is not None


@pytest.mark.parametrize(
    ("of_first", "of_second", "usual", "alarms", "moved"),
    [
        (10, 112, 94, 1, True),  # hardly any
        (40, 112, 94, 0, False),  # some
        (0, 0, 94, 2, False),  # the carrier is silent by all of them
        (0, 112, 20, 0, False),  # where no receipts come, or few, silence says nothing
    ],
    ids=["hardly any", "some", "all silent", "no receipts there"],
)  # fmt: skip
def test_what_counts_as_silent(listed, first, second, now, of_first, of_second, usual, alarms, moved):
    a_day(now, first, second, arrived=usual)
    half_an_hour(now, (first, of_first), (second, of_second))

    route_moves.run(now)

    assert RouteAlarm.objects.filter(kind="silent").count() == alarms
    assert bool(shares()) is moved


def test_too_few_messages_and_nothing_known_of_the_day_before_say_nothing(listed, first, second, now):
    half_an_hour(now, (first, 0))
    route_moves.run(now)
    assert not RouteAlarm.objects.exists()

    later = now + 3 * HOUR
    a_day(later, second)
    leave(first, later - 20 * MINUTE, 49, 0)
    route_moves.run(later)

    assert not RouteAlarm.objects.exists()
