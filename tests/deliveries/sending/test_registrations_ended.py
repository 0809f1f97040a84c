"""An approval that runs out: what was about to leave waits, and says why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns import registering
from campaigns.models import Campaign, Registration, Sender
from deliveries.sending import registrations_ended, sender_allowed
from deliveries.sending.standing_still import why_it_waits
from tests import factories
from tests.engine import Fake, sending, waiting, work

pytestmark = pytest.mark.django_db


def test_campaigns_that_begin_by_it_are_paused_and_say_why(now):
    one, other = (factories.campaign(state=Campaign.State.SENDING) for _ in range(2))
    sender = factories.content(one).sender
    factories.content(other)
    sender.registrations.update(expires_on=now.date() - timedelta(days=1))

    done = registrations_ended.run(now), registrations_ended.run(now)

    one.refresh_from_db()
    other.refresh_from_db()
    sender.refresh_from_db()
    assert done == (1, 0)
    assert (one.state, other.state) == (Campaign.State.PAUSED, Campaign.State.SENDING)
    assert sender.state == Sender.State.EXPIRED
    assert sender.value in why_it_waits(one, now)[0]


@pytest.mark.parametrize("state", [Sender.State.EXPIRED, Sender.State.SUSPENDED, Sender.State.IN_REVIEW])
def test_what_it_would_send_waits_is_said_and_leaves_once_it_may_send_again(now, state):
    campaign = sending("sms", window_start="00:00", window_end="23:59")
    message = waiting(campaign, factories.account(), now)
    Sender.objects.filter(pk=message.sender_id).update(state=state)
    before, after = Fake(), Fake()

    work(now, before)
    said = why_it_waits(campaign, now)
    Sender.objects.filter(pk=message.sender_id).update(state=Sender.State.APPROVED)
    sender_allowed.let_go(now + timedelta(minutes=1))
    work(now + timedelta(minutes=1), after)

    assert (len(before.left), len(after.left)) == (0, 1)
    assert message.sender.value in said[0]


def test_another_channel_of_the_campaign_says_so_and_does_not_pause_it(now):
    campaign = sending("sms")
    waiting(campaign, factories.account(), now)
    sender = factories.content(campaign, "voice").sender
    sender.registrations.update(expires_on=now.date() - timedelta(days=1))
    Sender.objects.filter(pk=sender.pk).update(state=Sender.State.EXPIRED)
    registrations_ended.run(now)

    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.SENDING
    assert sender.value in why_it_waits(campaign, now)[0]


def test_a_renewal_lets_it_send_again(now):
    sender = factories.sender()
    sender.registrations.update(expires_on=now.date() - timedelta(days=1))
    registrations_ended.run(now)

    for row in sender.registrations.all():
        row.state, row.expires_on = Registration.State.APPROVED, now.date() + timedelta(days=365)
        registering.change(sender, row, None, now)

    sender.refresh_from_db()
    assert sender.may_send
