"""A sender that may not send any more: what waits for it is held without a time, and leaves once it may again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import Campaign, Sender
from deliveries.models import Outbox
from deliveries.models.work import WHEN_ALLOWED
from deliveries.sending import launching, sender_allowed
from deliveries.sending.dispatch import dispatch
from deliveries.sending.standing_still import why_it_waits
from tests.engine import Fake, agree

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def suspended(queued, campaign, now):
    """Two messages whose sender was suspended by hand, and claimed once since."""
    made = [queued(), queued()]
    Sender.objects.update(state=Sender.State.SUSPENDED)
    assert dispatch(now, Fake()).held == 2
    return made


def test_what_waits_is_claimed_no_more_and_the_campaign_says_why(suspended, campaign, now):
    assert set(Outbox.objects.values_list("held", "due_at")) == {("sender_not_approved", WHEN_ALLOWED)}
    assert sender_allowed.let_go(now + HOUR) == 0
    assert dispatch(now + HOUR, Fake()).looked_at == 0
    assert "may not send (suspended)" in " ".join(why_it_waits(campaign, now + HOUR))


def test_it_leaves_once_the_sender_is_allowed_again(suspended, now):
    Sender.objects.update(state=Sender.State.APPROVED)
    fake = Fake()

    assert sender_allowed.let_go(now + HOUR) == 2
    assert sender_allowed.let_go(now + HOUR) == 0
    dispatch(now + HOUR, fake)

    assert len(fake.left) == 2
    assert agree()


@pytest.mark.parametrize("resumed_first", [True, False])
def test_it_leaves_as_well_where_the_campaign_was_paused_meanwhile(suspended, campaign, now, resumed_first):
    fake = Fake()
    launching.pause(campaign)
    if resumed_first:
        launching.resume(campaign)
        assert dispatch(now + HOUR, Fake()).held == 2
    Sender.objects.update(state=Sender.State.APPROVED)
    sender_allowed.let_go(now + HOUR)
    launching.resume(campaign)

    dispatch(now + HOUR, fake)

    assert len(fake.left) == 2


def test_what_is_no_longer_relevant_meanwhile_is_withdrawn(suspended, now):
    Campaign.objects.update(relevant_until=now + HOUR)
    assert sender_allowed.let_go(now) == 0

    assert sender_allowed.let_go(now + 2 * HOUR) == 2
    assert dispatch(now + 2 * HOUR, Fake()).stopped == 2
    suspended[0].refresh_from_db()
    assert (suspended[0].status, suspended[0].reason_code) == ("canceled", "not_relevant")
