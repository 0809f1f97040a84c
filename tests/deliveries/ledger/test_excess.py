"""The test that stops a campaign: its bound on false stops, its speed, and that slow receipts never stop one."""

from __future__ import annotations

import random

import pytest

from deliveries.ledger.excess import FALSE, Group, Margin, chance, is_surely_above, sure_below, surprise

TOLERATED = Margin(0.05, 0.5).tolerated(0.05)


def stopped_after(dice, share, messages=2_000, tolerated=TOLERATED):
    """After how many messages a campaign of which that share fails is stopped, looked at after each; None if never."""
    failed = 0
    for sent in range(1, messages + 1):
        failed += dice.random() < share
        if is_surely_above([Group(sent, failed, tolerated)]):
            return sent
    return None


@pytest.mark.parametrize("seed", range(3))
def test_a_third_that_fails_is_seen_within_a_hundred_messages(seed):
    assert stopped_after(random.Random(seed), 0.36) < 100


def test_looking_after_every_message_stops_next_to_none_at_the_very_edge_of_what_is_tolerated():
    dice = random.Random(1)

    stops = sum(stopped_after(dice, TOLERATED, 500) is not None for _ in range(150))

    assert stops <= 2  # expected: less than one, at FALSE
    assert FALSE <= 0.02 / 3  # three kinds of failures are looked at


def test_failures_that_are_known_before_any_arrival_do_not_stop_a_healthy_campaign():
    known_at_once = 50  # all the failures of a thousand, while nothing else is reported yet

    assert not is_surely_above([Group(1_000, known_at_once, TOLERATED)])


def test_what_is_usual_of_a_carrier_is_no_evidence_against_a_campaign_that_writes_to_it():
    bad_as_ever = Group(300, 60, Margin(0.05, 0.5).tolerated(0.15))
    fine = Group(700, 30, TOLERATED)

    assert not is_surely_above([bad_as_ever, fine])
    assert is_surely_above([Group(300, 60, TOLERATED)])


def test_a_few_failures_stop_nothing_whatever_their_share():
    assert not is_surely_above([Group(9, 9, TOLERATED)])
    assert is_surely_above([Group(10, 10, TOLERATED)])


def test_of_many_healthy_parts_next_to_none_is_called_a_cause():
    dice = random.Random(2)
    parts = [sum(dice.random() < 0.06 for _ in range(200)) for _ in range(2_000)]
    chances = [chance(surprise(200, failed, 12)) for failed in parts]

    assert sure_below(chances, 0.01) < 0

    bad = [*chances, chance(surprise(200, 40, 12))]
    assert sure_below(bad, 0.01) == bad[-1]


def test_failures_as_many_as_usual_or_fewer_surprise_nobody():
    assert surprise(100, 6, 6) == surprise(100, 0, 6) == surprise(0, 0, 0) == 0
    assert chance(0) == 0.5
    assert surprise(10, 10, 0) > surprise(10, 10, 5) > surprise(10, 9, 5) > 0
