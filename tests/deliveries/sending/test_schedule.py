"""When the first messages of a draft would leave, said before it is launched, and whether they do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
import time_machine
from django.utils import timezone

from campaigns.models import Sender
from deliveries.models import Message
from deliveries.running.drain import expand as expand_all
from deliveries.sending import checks
from deliveries.sending.dispatch import dispatch
from deliveries.sending.launching import launch
from deliveries.sending.meant import AudienceSize
from deliveries.sending.schedule import schedule
from tests import factories
from tests.engine import Fake, consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(now):
    """Three in New York, where it is noon; two in Tokyo, where it is two at night."""
    factories.account()
    made = factories.contact_list()
    for place, n in (("America/New_York", 3), ("Asia/Tokyo", 2)):
        for _ in range(n):
            contact = factories.contact(lists=[made])
            factories.phone(contact, time_zone=place, region="")
            consent(contact, "sms", at=now - timedelta(days=5))
    return made


def draft(people, **fields):
    made = factories.campaign(lists=[people], channel="sms", **fields)
    factories.content(made, body="Hello")
    return made


def planned(campaign, now):
    return schedule(checks.load(campaign, now))


NINE_IN_TOKYO = datetime(2026, 3, 5, 0, tzinfo=UTC)


def test_it_says_how_many_get_it_now_and_how_many_when_their_hours_open(people, now):
    found = planned(draft(people), now)

    assert [(row.at, row.people, row.there) for row in found.rows] == [
        (now, 3, "12:00 in New York"),
        (NINE_IN_TOKYO, 2, "09:00 in Tokyo"),
    ]
    assert found.sentence.startswith("3 now, 2 from 09:00 their time, the last at about 5 Mar")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"spread_hours": 2},
        {"starts_at": datetime(2026, 3, 4, 23, 30, tzinfo=UTC)},
        {
            "local_date": date(2026, 3, 5),
            "local_time": time(10),
            "starts_at": datetime(2026, 3, 4, tzinfo=UTC),
        },
        {
            "local_date": date(2026, 3, 4),
            "local_time": time(10),
            "starts_at": datetime(2026, 3, 4, tzinfo=UTC),
        },
    ],
    ids=["now", "spread", "at a time", "where each is", "where it has passed for all"],
)
def test_what_it_says_is_what_a_launch_makes(people, now, fields):
    campaign = draft(people, **fields)
    found = planned(campaign, now)

    launch(campaign, None, now)
    expand_all(now)

    due = list(Message.objects.order_by("due_at").values_list("due_at", flat=True))
    assert found.people == len(due) == 5
    assert found.rows[0].at <= due[0] <= found.rows[0].last
    assert found.last + timedelta(seconds=1) >= due[-1]


def test_the_senders_rate_says_when_the_last_one_leaves(people, now):
    campaign = draft(people)
    Sender.objects.update(per_second=0.01)

    found = planned(campaign, now)

    assert timedelta(minutes=3) < found.rows[0].last - now < timedelta(minutes=5)
    assert found.sentence.endswith("at this sender's rate.")


def test_what_a_sender_may_not_send_today_leaves_on_the_days_after(people, now):
    campaign = draft(people)
    Sender.objects.update(per_day=1)

    found = planned(campaign, now)

    assert found.last.date() == date(2026, 3, 8)


def test_the_campaigns_own_pace_counts(people, now):
    campaign = draft(people, per_minute=1)

    found = planned(campaign, now)

    assert found.rows[0].last == now + timedelta(minutes=2)


def test_at_local_times_it_says_for_how_many_that_has_passed(people, now):
    campaign = draft(
        people,
        local_date=date(2026, 3, 4),
        local_time=time(13),
        starts_at=datetime(2026, 3, 4, 4, tzinfo=UTC),
    )

    found = planned(campaign, now)

    assert found.passed == 2
    assert "3 at 13:00 their time on 4 Mar, 2 for whom that has passed" in found.sentence


@pytest.mark.parametrize(
    ("hours", "said"), [(1, ["after"]), (72, [])], ids=["before its hours open in Tokyo", "long after"]
)
def test_a_draft_that_does_not_leave_before_its_end_is_warned_about(people, now, hours, said):
    campaign = draft(people, relevant_until=now + timedelta(hours=hours))

    found = list(checks.leaves_in_time(checks.load(campaign, now)))

    assert ["after" for one in found if "the last of its first messages" in one.says.lower()] == said
    assert not any(one.blocks for one in found)


def test_a_large_audience_is_reckoned_from_its_first_people_and_says_so(people, now, monkeypatch):
    campaign = draft(people)
    loaded = checks.load(campaign, now)
    loaded = replace(loaded, first=loaded.first._replace(partly=True))
    monkeypatch.setattr("deliveries.sending.meant.size_of", lambda who, now: AudienceSize(50))

    found = schedule(loaded)

    assert (found.is_sampled, found.people, found.rows[0].people) == (True, 50, 30)


def test_it_takes_a_fixed_number_of_queries(people, now, django_assert_max_num_queries):
    loaded = checks.load(draft(people), now)

    with django_assert_max_num_queries(7):
        schedule(loaded)


def test_what_is_scheduled_leaves_on_time_without_anybody_looking(people, now):
    campaign, transport = draft(people, starts_at=now + timedelta(hours=1), priority="urgent"), Fake()
    launch(campaign, None, now)

    left = []
    for minutes in (0, 59, 60, 61):
        with time_machine.travel(now + timedelta(minutes=minutes), tick=False):
            expand_all(timezone.now())
            left.append(dispatch(timezone.now(), transport).handed_over)

    assert left == [0, 0, 3, 0]
