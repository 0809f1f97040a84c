"""A campaign that is scheduled says so on the page of each of its people."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine

from deliveries.outcomes.upcoming import upcoming
from tests import factories
from tests.engine import sending, waiting

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Winter offer is scheduled for 1 Dec, 12:00 (UTC)."),
        (
            {"local_date": date(2026, 12, 1), "local_time": time(9)},
            "Winter offer is scheduled for 1 Dec, 09:00 where each person is.",
        ),
    ],
    ids=["at a time", "where each is"],
)
@time_machine.travel(NOW, tick=False)
def test_a_message_of_a_scheduled_campaign_says_when_that_begins(fields, words):
    starts = NOW + timedelta(days=1)
    campaign = sending(name="Winter offer", starts_at=starts, launched_at=NOW, **fields)
    message = waiting(campaign, factories.account(), NOW, due_at=starts)

    (step,) = upcoming(message.contact, (), NOW)

    assert (step.at, step.reason) == (starts, words)
