"""A campaign that starts at a time of each recipient's own clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from campaigns.models import Campaign
from deliveries.models import Message
from deliveries.running.drain import expand as expand_all
from deliveries.sending.dispatch import dispatch
from deliveries.sending.launching import launch
from tests import factories
from tests.engine import Fake, consent

pytestmark = pytest.mark.django_db

PLACES = {
    "America/New_York": datetime(2026, 3, 6, 14, tzinfo=UTC),
    "America/Los_Angeles": datetime(2026, 3, 6, 17, tzinfo=UTC),
    "Asia/Tokyo": datetime(2026, 3, 6, 0, tzinfo=UTC),
    # Wherever the number may be, it is nine.
    "America/Chicago America/Denver": datetime(2026, 3, 6, 16, tzinfo=UTC),
}


@pytest.fixture
def people(now):
    factories.account()
    made = factories.contact_list()
    for place in PLACES:
        contact = factories.contact(lists=[made], name=place)
        factories.phone(contact, time_zone=place, region="")
        factories.email(contact)
        consent(contact, "sms", "email", at=now - timedelta(days=5))
    return made


def launched(people, now, **fields):
    fields = {"local_date": date(2026, 3, 6), "local_time": time(9), "channel": "sms"} | fields
    made = factories.campaign(lists=[people], starts_at=now, **fields)
    factories.content(made)
    launch(made, None, now)
    made.refresh_from_db()
    expand_all(now)
    return made


def due():
    return dict(Message.objects.values_list("contact__name", "due_at"))


def test_each_gets_it_when_their_own_clock_shows_that(people, now):
    launched(people, now)

    assert due() == PLACES


def test_it_begins_with_the_first_of_them(people, now):
    campaign = launched(people, now)

    assert campaign.starts_at == PLACES["Asia/Tokyo"]
    assert campaign.state_words(now) == "Scheduled"


def test_where_that_moment_has_passed_it_goes_at_once_if_the_hours_are_open(people, now):
    launched(
        people, now, local_date=date(2026, 3, 4)
    )  # it is 2026-03-04, 12:00 in New York, 9:00 in Los Angeles

    found = due()
    assert found["America/New_York"] == found["America/Los_Angeles"] == now
    assert found["America/Chicago America/Denver"] == now
    assert found["Asia/Tokyo"] >= datetime(
        2026, 3, 5, 0, tzinfo=UTC
    )  # two at night there: when its hours open


def test_email_starts_at_that_time_too(people, now):
    Campaign.objects.all().delete()
    factories.contact(lists=[people])
    launched(people, now, channel="email")

    # Nobody's own zone is known for an email: the installation's counts.
    assert set(due().values()) == {datetime(2026, 3, 6, 9, tzinfo=UTC)}


def test_it_leaves_on_time_by_itself_and_not_before(people, now):
    launched(people, now)
    transport = Fake()
    before, at = PLACES["Asia/Tokyo"] - timedelta(seconds=1), PLACES["Asia/Tokyo"]

    left = [dispatch(moment, transport).handed_over for moment in (before, at, at + timedelta(hours=1))]

    assert left == [0, 1, 0]
