"""The messages behind a count of arrivals: which of one route arrived in the last 15 minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from campaigns.models import Campaign
from deliveries.ledger.latency import LONGEST
from deliveries.models import Message
from deliveries.outcomes.latency import RouteId, window_begin
from deliveries.statuses import REACHING

STILL_ARRIVING = timedelta(days=30)  # since its launch: what a campaign sends later than that keeps it going


def arrived_lately(route: RouteId, now: datetime) -> QuerySet[Message]:
    """Those that its latency counts, unordered: handed over at most an hour before they arrived, reported since.

    Looked for in the campaigns that send or began of late, by their index.
    """
    states = Campaign.State
    going = Q(state__in=[states.LAUNCHING, states.SENDING, states.PAUSED])
    campaigns = Campaign.objects.filter(going | Q(launched_at__gte=now - STILL_ARRIVING))
    since = window_begin(now)
    return Message.objects.filter(
        Q(region=route.country) | Q(region__startswith=f"{route.country}-")
        if route.country
        else Q(region=""),
        campaign__in=campaigns.order_by().values("pk"),
        account=route.account_id,
        channel=route.channel,
        carrier=route.carrier,
        status__in=REACHING,
        updated_at__gte=since,
        delivered_at__gte=since - LONGEST,
        handed_over_at__gte=since - LONGEST,
    )
