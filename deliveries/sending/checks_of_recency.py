"""What the checks before a launch say of people whom marketing was sent to only just."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet

from campaigns.models import Campaign
from contacts.jurisdictions import Purpose
from contacts.models import Contact
from deliveries.models import Message

RECENT = timedelta(hours=24)  # two marketing messages within a day are what people opt out for
TWICE_A_DAY = "People who hear from us twice a day opt out: start later, or leave them out."


class Recently(NamedTuple):
    """`n` people; `campaign` is the one that wrote to most of them."""

    n: int
    campaign: Campaign
    only: bool


def recency_words(campaign: Campaign, people: QuerySet[Contact], of: str, now: datetime) -> str:
    """How many of `people`, who are `of` what the sentence says, got marketing within a day before the campaign begins;
    '' for nobody, and for a service message."""
    begins = max(now, campaign.starts_at or now)
    if campaign.purpose != Purpose.MARKETING or begins - RECENT > now:
        return ""
    recent = recently_written_to(people, begins - RECENT, campaign.pk)
    if recent is None:
        return ""
    when = "in the last 24 hours" if begins == now else "in the 24 hours before it starts"
    by = f"{'' if recent.only else 'most by '}campaign {recent.campaign.name}"
    return f"{recent.n:,} {of} got a marketing message {when} ({by})."


def recently_written_to(people: QuerySet[Contact], since: datetime, own: int) -> Recently | None:
    """Those of `people` whom another marketing campaign than `own` wrote to at `since` or later. One query where no
    campaign can have, four at most: only messages of these campaigns to these people are looked at."""
    able = Campaign.objects.filter(
        Q(completed_at__isnull=True) | Q(completed_at__gte=since), purpose=Purpose.MARKETING
    ).exclude(Q(state=Campaign.State.DRAFT) | Q(pk=own))
    ids = list(able.values_list("pk", flat=True))
    if not ids:
        return None
    sent = Message.objects.filter(
        campaign_id__in=ids, contact__in=people, handed_over_at__gte=since
    ).order_by()
    by_campaign = list(
        sent.values_list("campaign").annotate(n=Count("contact", distinct=True)).order_by("-n", "campaign")
    )
    if not by_campaign:
        return None
    pk, n = by_campaign[0]
    if len(by_campaign) > 1:
        n = sent.aggregate(n=Count("contact", distinct=True))["n"]
    return Recently(n, Campaign.objects.get(pk=pk), len(by_campaign) == 1)
