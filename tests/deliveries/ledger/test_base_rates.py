"""The usual share that arrives, by channel, carrier and list."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deliveries.ledger import base_rates
from deliveries.ledger.base_rates import NOTHING_KNOWN, STRENGTH, STRENGTHS
from deliveries.models import Bookmark, DayTally, SourceTally
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def counted(now):
    """Of SMS 900 of 1,000 arrived; of carrier B half, of list 7 nearly all."""
    for carrier, disposition, n in [
        ("A", "DELIVERED", 850), ("A", "BOUNCED_HARD", 30), ("A", "PENDING_RETRY", 20),
        ("B", "DELIVERED", 50), ("B", "PENDING_RETRY", 50), ("B", "BLOCKED_COMPLIANCE", 9_000), ("B", "UNKNOWN", 900),
    ]:  # fmt: skip
        DayTally.objects.create(
            day=now.date(), channel="sms", account_id=1, carrier=carrier, disposition=disposition, n=n
        )
    for disposition, n in [("DELIVERED", 399), ("BOUNCED_HARD", 1)]:
        SourceTally.objects.create(
            campaign_id=1, list_source_id=7, region="US", channel="sms", disposition=disposition, n=n
        )
    return base_rates.refresh(now)


def test_before_anything_was_counted_nothing_is_known():
    assert base_rates.load().of("sms", "A", 7) == NOTHING_KNOWN


def test_an_unknown_carrier_is_taken_for_its_channel(counted):
    assert counted.of("sms", "C", None).rate == pytest.approx(0.9, abs=0.001)


def test_faults_of_ours_and_silence_are_in_no_share(counted):
    assert counted.of("sms", "B", None).rate == pytest.approx(68 / 120, abs=0.001)


def test_a_carrier_and_a_list_both_count(counted):
    both = counted.of("sms", "B", 7).rate

    assert counted.of("sms", "B", None).rate < both < counted.of("sms", "A", 7).rate


def test_a_carrier_with_two_messages_is_drawn_towards_its_channel(now, counted):
    DayTally.objects.create(
        day=now.date(), channel="sms", account_id=1, carrier="D", disposition="PENDING_RETRY", n=2
    )

    assert base_rates.refresh(now).of("sms", "D", None).rate > 0.75


def test_what_carriers_did_long_ago_is_forgotten(now):
    DayTally.objects.create(
        day=now.date() - timedelta(days=300),
        channel="sms",
        account_id=1,
        carrier="A",
        disposition="DELIVERED",
        n=9,
    )

    assert base_rates.refresh(now).of("sms", "A", None) == NOTHING_KNOWN


def test_it_is_stored_and_counted_anew_once_an_hour(now, counted, django_assert_num_queries):
    assert base_rates.load() == counted

    with django_assert_num_queries(1):
        assert base_rates.run(now + timedelta(minutes=59)) == 0
    base_rates.run(now + timedelta(minutes=60))

    assert Bookmark.objects.get(name="base_rates").at == now + timedelta(minutes=60)


@pytest.mark.parametrize(
    ("rows", "strength"),
    [
        ([("sms", 100, 50, 50)], None),  # too few pairs to judge by
        ([("sms", 1000, 500, 500)], STRENGTHS[0]),  # one person's results are all alike
        ([("sms", 1000, 500, 250)], STRENGTHS[1]),  # as of different people
        ([("sms", 1000, 500, 300)], 4.0),
    ],
)
def test_the_more_alike_a_persons_results_the_less_the_usual_counts(rows, strength):
    found = dict(base_rates.strengths_of(rows))

    assert found.get("sms") == (strength if strength is None else pytest.approx(strength))


def test_the_likeness_is_read_from_messages(now, monkeypatch):
    monkeypatch.setattr(base_rates, "FEWEST_PAIRS", 1)
    for statuses in (["delivered"] * 2, ["delivered"] * 2, ["undelivered"] * 2):
        address = factories.phone()
        for status in statuses:
            failed = {"failure_class": "temporary", "fault": "recipient"} if status == "undelivered" else {}
            factories.message(
                factories.recipient(contact=address.contact), address=address, status=status, **failed
            )
    DayTally.objects.create(
        day=now.date(), channel="sms", account_id=1, carrier="A", disposition="DELIVERED", n=9
    )

    assert base_rates.refresh(now).of("sms", "A", None).strength == STRENGTHS[0] != STRENGTH
