"""Urgent messages leave a slow route step by step and come back; every step is recorded, and the alarm stands."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from deliveries.deciding import route_moves
from deliveries.deciding.followup import follow_status_changes
from deliveries.deciding.routes import routes
from deliveries.ledger.latency import KEPT, Latencies
from deliveries.models import LatencyCount, Message, Route, RouteAlarm, RouteMove, RouteShare
from deliveries.outcomes.latency import ENOUGH, RouteId, latencies
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.deliveries.sending.test_expansion import expand_wholly, launching, member
from tests.engine import DELIVERED, Fake, agree, report, sending, waiting

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def first():
    return factories.account(name="First", rank=1)


@pytest.fixture
def second():
    return factories.account(name="Second", rank=2)


@pytest.fixture
def listed(first, second):
    return [
        Route.objects.create(channel="sms", position=position, account=account)
        for position, account in enumerate((first, second), 1)
    ]


def arrived(account, seconds, at, n=10, carrier="Carrier A", region="US-TX"):
    """So many messages that took so long, counted at that moment."""
    made = Latencies(at)
    for _ in range(n):
        made.add(account.pk, "sms", region, carrier, at - timedelta(seconds=seconds), at)
    made.save()


def pass_minutes(count, now, *arrivals):
    """Watch every minute for so long, with ten arrivals a minute by each (account, seconds); the moment after."""
    for _ in range(count):
        for account, seconds in arrivals:
            arrived(account, seconds, now)
        route_moves.run(now)
        now += MINUTE
    return now


def share():
    return RouteShare.objects.values_list("share", flat=True).first() or 0


# ---- Measuring ----------------------------------------------------------------------------------------------------


def test_what_arrives_is_counted_once_by_how_long_it_took(first, now):
    message = waiting(sending(), first, now)
    dispatch(now, Fake())
    message.refresh_from_db()
    report(message, DELIVERED, now + timedelta(seconds=41))
    follow_status_changes(now + timedelta(seconds=50))
    report(message, DELIVERED, now + timedelta(seconds=60), code="again")
    follow_status_changes(now + timedelta(seconds=70))

    ((key, latency),) = latencies(now + MINUTE).items()
    assert key == RouteId(first.pk, "sms", "US", "Carrier A")
    assert latency.n == 1
    assert 30 < latency.median <= 45


def test_what_was_handed_over_long_ago_says_nothing_of_now(first, now):
    arrived(first, 2 * 3600, now)

    assert latencies(now) == {}


@pytest.mark.parametrize(
    ("seconds", "low", "high"),
    [
        ([1] * 9, 0, 1),
        ([3] * 5 + [40] * 4, 2, 5),
        ([3] * 4 + [40] * 5, 30, 45),
        ([30] * 9, 20, 30),
        ([2_000], 1_800, 3_600),
        ([-4], 0, 1),
    ],
)
def test_the_median_lies_in_its_bucket(first, seconds, low, high, now):
    for each in seconds:
        arrived(first, each, now, n=1)

    (latency,) = latencies(now).values()
    assert low <= latency.median <= high
    assert latency.n == len(seconds)


def test_only_the_last_fifteen_minutes_count_and_a_day_is_kept(first, now):
    arrived(first, 5, now)

    assert latencies(now + 14 * MINUTE) != {}
    assert latencies(now + 15 * MINUTE) == {}
    route_moves.run(now + KEPT)
    assert LatencyCount.objects.exists()
    route_moves.run(now + KEPT + MINUTE)
    assert not LatencyCount.objects.exists()


# ---- Moving -------------------------------------------------------------------------------------------------------


def test_a_slow_route_gives_ten_in_a_hundred_away_every_five_minutes(listed, first, second, now):
    then = pass_minutes(3, now, (first, 41), (second, 4))
    assert share() == 10

    then = pass_minutes(2, then, (first, 41), (second, 4))
    assert share() == 10
    pass_minutes(13, then, (first, 41), (second, 4))

    assert [(move.was, move.share) for move in RouteMove.objects.order_by("at")] == [
        (0, 10), (10, 20), (20, 30), (30, 40)
    ]  # fmt: skip
    gaps = [move.at for move in RouteMove.objects.order_by("at")]
    assert {after - before for before, after in pairwise(gaps)} == {5 * MINUTE}
    move = RouteMove.objects.latest("at")
    assert (move.away_from, move.account, move.channel, move.country, move.carrier) == (
        first, second, "sms", "US", "Carrier A"
    )  # fmt: skip
    assert move.reason.startswith("First: a median of 38 s (150 messages in 15 minutes); a median of ")
    assert move.reason.endswith("by Second. 40 % of urgent messages leave by Second.")


def test_few_messages_prove_nothing(listed, first, now):
    arrived(first, 300, now, n=ENOUGH - 1)

    route_moves.run(now)

    assert (share(), RouteAlarm.objects.count()) == (0, 0)


def test_some_go_on_by_the_slow_route_so_that_it_is_seen_when_it_is_well(listed, first, second, now):
    pass_minutes(60, now, (first, 41), (second, 4))

    assert share() == 90


def test_where_all_are_slow_nothing_moves(listed, first, second, now):
    pass_minutes(20, now, (first, 41), (second, 60))

    assert RouteMove.objects.count() == 0
    assert {alarm.account.name for alarm in RouteAlarm.objects.filter(closed_at=None)} == {"First", "Second"}


def test_it_stops_when_the_other_becomes_slow_too(listed, first, second, now):
    then = pass_minutes(8, now, (first, 41), (second, 4))
    assert share() == 20

    pass_minutes(30, then, (first, 41), (second, 60))

    assert share() <= 40  # until more than half of its last fifteen minutes were slow
    moved = RouteMove.objects.count()
    pass_minutes(10, then + 30 * MINUTE, (first, 41), (second, 60))
    assert RouteMove.objects.count() == moved


def test_of_several_the_first_that_is_not_slow_takes_it(listed, first, second, now):
    third = factories.account(name="Third")
    Route.objects.create(channel="sms", position=3, account=third)

    pass_minutes(4, now, (first, 41), (second, 60))

    assert RouteShare.objects.get().account == third


def test_it_drifts_back_when_the_first_is_well_again(listed, first, second, now):
    then = pass_minutes(8, now, (first, 41), (second, 4))
    assert share() == 20

    then = pass_minutes(9, then, (first, 3), (second, 4))
    was = share()
    then = pass_minutes(5, then, (first, 3), (second, 4))
    assert share() == was - 10
    pass_minutes(30, then, (first, 3), (second, 4))

    assert share() == 0
    steps = [(move.was, move.share) for move in RouteMove.objects.order_by("at")]
    assert all(abs(before - after) == 10 for before, after in steps)
    assert steps[-1] == (10, 0)
    moved = RouteMove.objects.count()
    pass_minutes(10, then + 30 * MINUTE, (first, 3))
    assert RouteMove.objects.count() == moved


def test_one_carrier_that_is_slow_moves_alone(listed, first, now):
    arrived(first, 41, now, n=ENOUGH, carrier="Carrier A")
    arrived(first, 3, now, n=ENOUGH, carrier="Carrier B")
    arrived(first, 3, now, n=ENOUGH, carrier="Carrier A", region="GB")

    route_moves.run(now)

    moved = RouteShare.objects.get()
    assert (moved.country, moved.carrier) == ("US", "Carrier A")


def test_without_a_list_it_is_an_alarm_alone(first, now):
    pass_minutes(10, now, (first, 41))

    assert RouteMove.objects.count() == 0
    alarm = RouteAlarm.objects.get()
    assert alarm.sentence == (
        "First is slow by SMS to Carrier A in US: a median of 38 s (30 messages in 15 minutes), more than 30 s."
    )


# ---- Alarms -------------------------------------------------------------------------------------------------------


def test_one_alarm_stands_while_the_route_is_slow_however_well_the_other_works(listed, first, second, now):
    then = pass_minutes(20, now, (first, 41), (second, 4))
    alarm = RouteAlarm.objects.get()
    assert (alarm.kind, alarm.account, alarm.closed_at) == ("slow", first, None)

    pass_minutes(16, then, (first, 3), (second, 4))

    alarm.refresh_from_db()
    assert alarm.closed_at is not None
    assert RouteAlarm.objects.count() == 1


def test_nothing_more_to_measure_closes_no_alarm_while_messages_are_moved(listed, first, second, now):
    then = pass_minutes(8, now, (first, 41), (second, 4))

    pass_minutes(1, then + 16 * MINUTE)
    assert RouteAlarm.objects.filter(closed_at=None).exists()

    pass_minutes(20, then + 17 * MINUTE)
    assert not RouteAlarm.objects.filter(closed_at=None).exists()
    assert share() == 0


# ---- Who leaves by what -------------------------------------------------------------------------------------------


@pytest.fixture
def moved(listed, second, now):
    """Three in ten urgent messages to Carrier A in the USA leave by the second."""
    return RouteShare.objects.create(
        channel="sms", country="US", carrier="Carrier A", share=30, account=second, changed_at=now
    )


def test_an_audience_is_shared_out_by_the_last_digits_of_its_recipients(moved, now):
    people = factories.contact_list()
    for _ in range(60):
        member(people, now)
    campaign = launching(people, now=now, priority="urgent")

    expand_wholly(campaign, now)

    route = routes([campaign])[campaign.pk, "sms"]
    found = Counter()
    for message in Message.objects.select_related("account"):
        own = message.recipient_id % 100 < 30
        assert message.account.name == ("Second" if own else "First")
        assert route.pick("US-TX", "Carrier A", message.recipient_id).account == message.account
        found[message.account.name] += 1
    assert found.total() == 60
    assert agree()


@pytest.mark.parametrize(
    ("fields", "region", "carrier", "spans"),
    [
        ({"priority": "urgent"}, "US-TX", "Carrier A", [("Second", 30), ("First", 70)]),
        ({"priority": "normal"}, "US-TX", "Carrier A", [("First", 100)]),
        ({"priority": "urgent"}, "US-TX", "Carrier B", [("First", 100)]),
        ({"priority": "urgent"}, "GB", "Carrier A", [("First", 100)]),
    ],
)
def test_only_urgent_messages_to_that_country_and_carrier_move(moved, fields, region, carrier, spans):
    campaign = sending(**fields)

    found = routes([campaign])[campaign.pk, "sms"].spans(region, carrier)

    assert [(span.option.account.name, span.high - span.low) for span in found] == spans


def test_a_share_of_an_account_that_has_left_the_list_counts_for_nothing(moved, listed):
    listed[1].delete()
    campaign = sending(priority="urgent")

    found = routes([campaign])[campaign.pk, "sms"].spans("US-TX", "Carrier A")

    assert [(span.low, span.high) for span in found] == [(0, 100)]
