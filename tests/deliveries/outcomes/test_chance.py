"""How likely the next message arrives: what counts, how much, and the same in SQL as in Python."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from deliveries.ledger.base_rates import BaseRate
from deliveries.models import Message
from deliveries.outcomes.chance import (
    FAILED,
    HALF_LIFE,
    HORIZON,
    Chance,
    Outcome,
    Record,
    Result,
    compared,
    outcome_of,
    quantile,
    weigh,
)
from deliveries.outcomes.chance_sql import records
from deliveries.statuses import Disposition, Evidence, Fault
from tests import factories

USUAL = BaseRate(0.8, 5.0)


@pytest.mark.parametrize(
    ("disposition", "fault", "evidence", "outcome"),
    [
        ("DELIVERED", "none", "handset", Outcome.ARRIVED),
        ("DELIVERED", "none", "handed_over", Outcome.ARRIVED),
        ("DELIVERED", "none", "assumed", Outcome.SILENT),
        ("DELIVERED", "none", "clock", Outcome.SILENT),
        ("UNKNOWN", "none", "clock", Outcome.SILENT),
        ("BOUNCED_HARD", "recipient", "carrier", Outcome.FAILED),
        ("PENDING_RETRY", "recipient", "carrier", Outcome.FAILED),
        ("PENDING_RETRY", "none", "carrier", Outcome.FAILED),
        ("PENDING_RETRY", "carrier", "carrier", None),
        ("BOUNCED_HARD", "carrier", "carrier", None),
        ("BLOCKED_COMPLIANCE", "sender", "carrier", None),
        ("BLOCKED_COMPLIANCE", "content", "carrier", None),
        ("BLOCKED_COMPLIANCE", "account", "carrier", None),
        ("UNKNOWN", "account", "carrier", None),
        ("PENDING", "none", "carrier", None),
        ("OPTOUT", "recipient", "carrier", None),
        ("", "none", "clock", None),
    ],
)
def test_only_what_is_the_persons_own_counts(disposition, fault, evidence, outcome):
    assert outcome_of(disposition, fault, evidence) == outcome


def test_a_result_counts_half_as_much_after_each_half_life(now):
    record = weigh([Result(Outcome.ARRIVED, now), Result(Outcome.FAILED, now - HALF_LIFE)], now)

    assert record == Record(1.0, 0.5, 0.0, 2, 0)


def test_what_is_older_than_the_horizon_is_forgotten(now):
    assert weigh([Result(Outcome.FAILED, now - HORIZON - timedelta(seconds=1))], now) == Record()


def test_a_person_of_whom_nothing_is_known_is_taken_for_the_usual():
    assert Chance(Record(), USUAL).value == pytest.approx(0.8)
    assert Chance(Record(), USUAL).evidence == "no results yet"


@pytest.mark.parametrize("silent", [0.3, 1.0, 4.0, 40.0])
@pytest.mark.parametrize("arrived", [0.0, 1.0, 7.5])
def test_silence_widens_the_range_and_never_raises_the_figure(arrived, silent):
    before = Chance(Record(arrived, 1.0, 0.0, 3, 0), USUAL)

    after = Chance(Record(arrived, 1.0, silent, 3, 2), USUAL)

    assert after.value == before.value
    assert after.at_least < before.at_least
    assert after.low < before.low
    assert after.high > before.high


def test_a_figure_stands_with_its_range_and_its_evidence():
    assert Chance(Record(2, 1, 0, 3, 0), BaseRate(0.5, 2.0)).words == "60%, 32-86, 3 results"
    assert Chance(Record(1, 0, 1, 1, 1), BaseRate(0.5, 2.0)).words.endswith("1 result, 1 without a receipt")


def test_channels_are_compared_as_if_silence_were_failure():
    chances = {
        "sms": Chance(Record(0, 0, 6, 0, 6), BaseRate(0.95, 4.0)),
        "email": Chance(Record(6, 2, 0, 8, 0), BaseRate(0.8, 4.0)),
    }

    assert compared(chances) == "email 77%, SMS 38%"


@pytest.mark.parametrize(
    ("a", "b", "share", "value"),
    [
        (1, 1, 0.1, 0.1),
        (1, 1, 0.9, 0.9),
        (1, 4, 0.9, 1 - 0.1**0.25),
        (6, 1, 0.1, 0.1 ** (1 / 6)),
        (50, 50, 0.5, 0.5),
    ],
)
def test_quantiles_are_those_known_in_closed_form(a, b, share, value):
    assert quantile(a, b, share) == pytest.approx(value, abs=2e-3)


def test_quantiles_are_those_of_random_draws():
    draw = random.Random(4)
    for _ in range(8):
        a, b = draw.uniform(0.2, 30), draw.uniform(0.2, 30)
        values = sorted(draw.betavariate(a, b) for _ in range(20_000))
        assert quantile(a, b, 0.1) == pytest.approx(values[2_000], abs=0.02)


@pytest.mark.django_db
def test_the_statement_says_the_same_as_the_function(now):
    draw = random.Random(12)
    recipients = [factories.recipient() for _ in range(12)]
    addresses = {one.pk: factories.phone(one.contact) for one in recipients}
    shared = {"sender": factories.sender(), "account": factories.account()}
    for _ in range(300):
        recipient = draw.choice(recipients)
        factories.message(
            recipient, address=addresses[recipient.pk], channel=draw.choice(["sms", "voice", "rvm"]),
            disposition=draw.choice([*FAILED, "DELIVERED", "DELIVERED", *Disposition.values]),
            fault=draw.choice(["none", "none", "recipient", *Fault.values]),
            evidence=draw.choice(["handset", "carrier", *Evidence.values]),
            created_at=now - timedelta(seconds=draw.randrange(900 * 86_400)), **shared,
        )  # fmt: skip

    found = records([one.contact_id for one in recipients], now)

    expected = {}
    for address in addresses.values():
        for channel in ("sms", "voice", "rvm"):
            rows = Message.objects.filter(address=address, channel=channel)
            results = [
                Result(outcome, one.created_at)
                for one in rows
                if (outcome := outcome_of(one.disposition, one.fault, one.evidence))
            ]
            if (record := weigh(results, now)) != Record():
                expected[address.pk, channel] = pytest.approx(tuple(record), abs=1e-6)
    assert found == expected
    assert len(found) > 20
