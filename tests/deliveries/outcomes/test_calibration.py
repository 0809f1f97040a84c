"""Predictions beside what became of them."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from deliveries.demo.differing import simulated
from deliveries.outcomes.calibration import calibrate, stored
from tests import factories

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def history(now):
    """Forty people get twenty texts each; half of them receive nine of ten, the others two."""
    draw = random.Random(3)
    shared = {"sender": factories.sender(), "account": factories.account()}
    people = [(factories.recipient(), 0.9 if n % 2 else 0.2) for n in range(40)]
    addresses = {recipient.pk: factories.phone(recipient.contact) for recipient, _ in people}
    for day in range(20):
        for recipient, likely in people:
            arrives = draw.random() < likely
            came = {"status": "delivered"} if arrives else {"status": "expired", "failure_class": "temporary"}
            at = now - (20 - day) * DAY
            factories.message(
                recipient, address=addresses[recipient.pk], created_at=at, settled_at=at, updated_at=at, **shared,
                **came,
            )  # fmt: skip


def test_what_is_predicted_comes_true(history):
    found = calibrate(list(stored()))

    assert (found.n, found.counted_from) == (400, 400)
    for band in found.bands:
        if band.n > 50:
            assert band.predicted / band.n == pytest.approx(band.arrived / band.n, abs=0.12)
    assert found.own < 0.7 * found.channel


def test_an_outcome_that_was_not_known_yet_is_not_used(now):
    phone = factories.phone()
    for n in range(4):  # all four are made before the first of them fails
        factories.message(
            factories.recipient(contact=phone.contact), address=phone, status="expired", failure_class="temporary",
            created_at=now + n * timedelta(minutes=1), settled_at=now + DAY, updated_at=now + DAY,
        )  # fmt: skip

    found = calibrate(list(stored()))

    assert found.own == found.usual


def test_the_command_shows_the_table_and_the_errors(history, capsys):
    call_command("calibrate")

    shown = capsys.readouterr().out
    assert "400 results predicted, what is usual counted from 400." in shown
    assert "| 80% to 90% |" in shown
    assert "the channel's share, said of everybody" in shown


def test_a_simulated_history_of_people_who_differ_is_predicted_well():
    found = calibrate(list(simulated(seed=5, people=300)))

    assert found.own < 0.9 * found.usual < found.channel
    for band in found.bands:
        if band.n > 200:
            assert band.predicted / band.n == pytest.approx(band.arrived / band.n, abs=0.06)


@pytest.mark.parametrize("options", [{"counted": 1.0}, {"half_life": 0.0}, {}])
def test_what_cannot_be_done_is_refused_in_words(options):
    with pytest.raises(CommandError, match=r"this must be|There are no results"):
        call_command("calibrate", **options)
