"""A campaign that says how fast it sends: so many a minute, or spread over hours."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from campaigns.models import Campaign
from deliveries.models import Message, Outbox
from deliveries.sending.dispatch import dispatch
from deliveries.sending.expansion import expand
from deliveries.sending.launching import pause, resume
from deliveries.sending.meant import audience_size
from deliveries.sending.standing_still import why_it_waits
from tests import factories
from tests.engine import Fake, agree, consent, sending, waiting

pytestmark = pytest.mark.django_db

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
AT_ANY_HOUR = {"window_start": "00:00", "window_end": "23:59:59"}


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def paced():
    return sending(per_minute=6, **AT_ANY_HOUR)


def left_by(moments, transport=None):
    """How many had left by each of these moments, sent at each of them."""
    transport = transport or Fake()
    found = []
    for now in moments:
        while dispatch(now, transport).handed_over:
            pass
        found.append(len(transport.left))
    return found


def test_no_minute_holds_more_than_the_campaign_says(paced, account, now):
    for _ in range(20):
        waiting(paced, account, now)

    left = left_by(now + second * SECOND for second in range(240))

    assert max(b - a for a, b in zip(left, left[60:], strict=False)) == 6
    assert left[-1] == 20
    assert agree()


def test_other_campaigns_of_the_same_sender_are_not_held_up(paced, account, now):
    for _ in range(5):
        waiting(paced, account, now)
    other = sending(**AT_ANY_HOUR)
    other.contents.update(sender=paced.contents.get().sender)
    for _ in range(3):
        waiting(other, account, now)

    left_by([now])

    sent = Message.objects.exclude(handed_over_at=None).values_list("campaign", flat=True)
    assert Counter(sent) == {paced.pk: 1, other.pk: 3}


def test_what_waits_for_its_turn_says_when_it_comes(paced, account, now):
    messages = [waiting(paced, account, now) for _ in range(3)]

    left_by([now])

    rows = Outbox.objects.filter(pk__in=[one.pk for one in messages]).order_by("pk")
    assert {row.held for row in rows} == {"own_pace"}
    due = list(rows.values_list("due_at", flat=True))
    assert due == list(Message.objects.filter(pk__in=rows).order_by("pk").values_list("due_at", flat=True))
    assert all(
        timedelta(seconds=9) < b - a < timedelta(seconds=12) for a, b in zip([now, *due], due, strict=False)
    )


def test_the_report_says_until_when_messages_wait_for_their_turn(paced, account, now):
    for _ in range(20):
        waiting(paced, account, now)
    assert why_it_waits(paced, now) == []

    left_by([now])

    (said,) = why_it_waits(paced, now)
    assert said.startswith("It sends 6 a minute at most. What waits has its turn by 4 Mar")
    assert "17:03" in said


def test_what_piled_up_while_nothing_could_leave_does_not_leave_at_once(paced, account, now):
    for _ in range(6):
        waiting(paced, account, now)
    transport = Fake()
    left_by([now], transport)
    later = now + 30 * MINUTE  # every turn that was given is long past

    assert left_by([later], transport) == [2]


def test_a_campaign_that_was_paused_goes_on_at_its_pace(paced, account, now):
    for _ in range(6):
        waiting(paced, account, now)
    transport = Fake()
    left_by([now], transport)
    pause(paced)
    resume(paced)

    left = left_by([now + second * SECOND for second in range(1, 70)], transport)

    assert (left[0], left[-1]) == (1, 6)


def launched(people, now, **fields):
    made = factories.campaign(
        lists=[people], state=Campaign.State.LAUNCHING, launched_at=now, **AT_ANY_HOUR, **fields
    )
    factories.content(made)
    made.audience_size = audience_size(made, now).n
    made.save()
    while expand(made, now):
        pass
    return made


def crowd(n, now, **fields):
    people = factories.contact_list()
    for _ in range(n):
        contact = factories.contact(lists=[people], **fields)
        factories.phone(contact)
        consent(contact, "sms", at=now - timedelta(days=5))
    return people


def test_few_people_are_spread_over_all_of_the_hours(account, now):
    launched(crowd(12, now), now, spread_hours=6)

    due = sorted(Message.objects.values_list("due_at", flat=True))

    gaps = [b - a for a, b in zip([now, *due], [*due, now + timedelta(hours=6)], strict=True)]
    assert max(gaps) < timedelta(minutes=75)  # evenly: every half an hour
    assert now <= due[0]
    assert due[-1] < now + timedelta(hours=6)


def test_nobody_is_spread_beyond_the_campaigns_end(account, now):
    launched(crowd(12, now), now, spread_hours=6, relevant_until=now + timedelta(hours=1))

    assert max(Message.objects.values_list("due_at", flat=True)) < now + timedelta(hours=1)
