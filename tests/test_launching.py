"""Launch, pause, resume, cancel."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import Campaign
from deliveries.models import Outbox
from deliveries.sending import launching
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import Fake, sending, waiting

pytestmark = pytest.mark.django_db


def test_a_paused_campaign_hands_nothing_over_until_it_is_resumed(now):
    campaign = sending()
    message = waiting(campaign, factories.account(), now)
    transport = Fake()

    assert launching.pause(campaign, None)
    dispatch(now + timedelta(hours=1), transport)
    assert Outbox.objects.get(pk=message.pk).held == "campaign_paused"
    assert not transport.left

    assert launching.resume(campaign, None)
    dispatch(now + timedelta(hours=1), transport)
    assert Campaign.objects.get(pk=campaign.pk).state == Campaign.State.SENDING
    assert len(transport.left) == 1


def test_pausing_twice_does_it_once(now):
    campaign = sending()

    assert launching.pause(campaign, None)
    assert not launching.pause(campaign, None)
    assert launching.resume(campaign, None)
    assert not launching.resume(campaign, None)
