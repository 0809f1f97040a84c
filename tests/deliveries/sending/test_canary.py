"""The first slice of a large campaign."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import Campaign
from deliveries.models import Canary, Message, Outbox
from deliveries.models.work import CANARY, NOT_NOW
from deliveries.outcomes.reconciling import unbalanced
from deliveries.sending import canary
from deliveries.sending.launching import hold_or_let_go, pause, resume
from tests import factories
from tests.deliveries.sending.guarded import (
    PEOPLE,
    large_draft,
    launched,
    left,
    outcomes,
    slice_of,
    small,
    waiting_for,
    work,
)
from tests.engine import SPAM, agree

pytestmark = pytest.mark.django_db
State = Campaign.State


@pytest.fixture
def campaign(monkeypatch, now):
    small(monkeypatch)
    factories.account()
    return launched(large_draft(now), now)


def test_only_the_slice_leaves_first_and_the_others_wait_without_a_time(campaign, now):
    work(now)

    first = left(campaign)
    assert 35 <= first <= 65  # 50 wanted of 80, by chance
    assert waiting_for(campaign, CANARY) == PEOPLE - first
    assert set(Outbox.objects.values_list("due_at", flat=True)) == {NOT_NOW}
    assert (
        len(set(Message.objects.filter(handed_over_at__isnull=False).values_list("carrier", flat=True))) == 2
    )
    assert agree()


def test_the_rest_goes_on_by_itself_once_enough_outcomes_are_in(campaign, now):
    work(now)
    first = left(campaign)

    outcomes(campaign, now, most=min(round(first * 0.8), slice_of(campaign).wanted) - 1)
    work(now)
    assert left(campaign) == first

    outcomes(campaign, now)
    work(now)
    assert left(campaign) == PEOPLE
    assert slice_of(campaign).ending == Canary.Ending.OUTCOMES
    outcomes(campaign, now)
    work(now)
    assert agree()
    assert not unbalanced()


def test_a_slice_of_fewer_people_than_were_reckoned_is_enough_by_itself(campaign, now):
    """Chance chose fewer, or some were skipped: the outcomes that were wanted of it never come."""
    Canary.objects.update(wanted=PEOPLE)
    work(now)

    outcomes(campaign, now, most=round(left(campaign) * 0.8))
    work(now)

    assert left(campaign) == PEOPLE
    assert slice_of(campaign).ending == Canary.Ending.OUTCOMES


def test_a_slice_whose_receipts_are_slow_holds_the_rest_for_an_hour_and_no_longer(campaign, now):
    work(now)

    work(now + canary.LONGEST - timedelta(minutes=1))
    assert slice_of(campaign).waits

    work(now + canary.LONGEST)
    assert left(campaign) == PEOPLE
    assert slice_of(campaign).ending == Canary.Ending.TIME


def test_bad_outcomes_stop_the_campaign_and_the_rest_never_leaves(campaign, now):
    work(now)
    first = left(campaign)

    outcomes(campaign, now, lambda message: SPAM)
    work(now)
    work(now + timedelta(days=1))

    campaign.refresh_from_db()
    assert campaign.state == State.PAUSED
    assert left(campaign) == first
    assert waiting_for(campaign, CANARY) == PEOPLE - first


def test_a_pause_of_a_colleague_does_not_end_the_wait_for_the_slice(campaign, now):
    work(now)
    first = left(campaign)

    pause(campaign)
    resume(campaign)
    work(now)

    assert left(campaign) == first
    assert waiting_for(campaign, CANARY) == PEOPLE - first


def test_a_colleague_sends_the_rest_and_what_is_expanded_later_does_not_wait(campaign, now):
    work(now)

    assert canary.end(campaign, Canary.Ending.PERSON, now)
    assert not canary.end(campaign, Canary.Ending.PERSON, now)
    work(now)

    assert left(campaign) == PEOPLE
    assert canary.hold(campaign, "o.due_at", str).held == "''"


def test_a_worker_that_dies_between_the_verdict_and_letting_go_changes_nothing(campaign, now):
    work(now)
    assert canary.end(campaign, Canary.Ending.OUTCOMES, now)  # and here its process ends

    while hold_or_let_go(now):
        pass
    hold_or_let_go(now)
    work(now)

    assert left(campaign) == PEOPLE == Message.objects.filter(campaign=campaign).count()
    assert agree()


def test_a_slice_in_which_nobody_can_be_written_to_does_not_hold_the_others_for_ever(campaign, now):
    Outbox.objects.exclude(held=CANARY).delete()

    work(now)

    assert left(campaign) == Outbox.objects.count() + left(campaign) > 0


@pytest.mark.parametrize(
    ("people", "percent", "share"),
    [(999, 5, 0), (1_000, 5, 1_000), (2_200, 5, 500), (1_000_000, 5, 500), (5_000, 0, 0), (1_000, 50, 5_000)],
)
def test_the_slice_is_a_share_of_a_large_audience_and_a_hundred_people_at_least(people, percent, share):
    assert canary.share_of(people, percent) == share


def test_the_slice_is_a_fair_sample_of_people_whose_numbers_rise_one_by_one():
    from django.db import connection

    first = canary.sql_is_first(7, 500, "n")
    numbers = "WITH RECURSIVE one(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < 20000)"
    with connection.cursor() as cursor:
        cursor.execute(f"{numbers} SELECT n FROM one WHERE {first} AND n <= %s", [20_000])
        found = [n for (n,) in cursor.fetchall()]

    assert 850 <= len(found) <= 1_150
    assert all(30 <= sum(low < n <= low + 1_000 for n in found) <= 75 for low in range(0, 20_000, 1_000))
    assert 0.4 <= sum(n % 2 for n in found) / len(found) <= 0.6


def test_a_launch_says_who_goes_first_and_that_nobody_does_of_few():
    assert canary.in_words(10_000, 5, 9_000).startswith("About 450 of them")
    assert canary.in_words(999, 5, 9) == "Nobody goes first: that takes an audience of 1,000 people."
    assert [canary.in_words(10_000, 0, 9_000), canary.in_words(10_000, 5, 0)] == ["", ""]
