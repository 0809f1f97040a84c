"""Approvals that run out: their senders stop, and what they were about to send waits instead of being lost."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.db.models import F

from campaigns import registering
from campaigns.models import Campaign
from deliveries.sending import launching

logger = logging.getLogger(__name__)
State = Campaign.State


def run(now: datetime) -> int:
    """How many senders may not send any more. The gate holds their messages. Campaigns that begin by them are paused as
    well, for all of theirs would be claimed for nothing again and again: once somebody has entered the renewal, they
    are resumed. Those that come to it later, for a retry or by another channel, go on with what they can send."""
    with transaction.atomic():
        stopped = registering.expire(now)
        for sender in stopped:
            logger.warning("A registration of the sender %s has run out: it sends nothing.", sender.value)
            theirs = Campaign.objects.filter(
                state__in=(State.SENDING, State.LAUNCHING),
                contents__sender=sender,
                contents__channel=F("channel"),
            )
            for campaign in theirs.order_by("pk"):
                launching.pause(campaign, State.SENDING, State.LAUNCHING)
    return len(stopped)
