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
    """How many senders may not send any more. The gate would stop their messages for good, so campaigns that begin by
    them are paused: once somebody has entered the renewal, they go on."""
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
