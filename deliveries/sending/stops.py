"""Campaigns that stopped by themselves: what they go on without, and that they went on."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from campaigns.models import Campaign
from contacts.gate_facts import Dimension
from deliveries.ledger.failure_counts import Where, counts_of
from deliveries.models import CampaignStop, Canary


def note_resumed(campaign: Campaign, by: User | None, now: datetime, without: str = "") -> None:
    """A campaign that stopped by itself goes on: what has left by now counts no more against it, and nobody waits for
    its first slice. Call in the transaction that resumes it."""
    stop = CampaignStop.objects.filter(campaign=campaign, resumed_at=None).first()
    if stop is None:
        return
    stop.resumed_at, stop.resumed_by = now, by
    stop.without = without[:200] or stop.without
    stop.before = {
        str(where): {"sent": one.sent, "pending": one.pending, "failed": dict(one.failed)}
        for where, one in counts_of([campaign.pk]).get(campaign.pk, {}).items()
    }
    stop.save(update_fields=["resumed_at", "resumed_by", "without", "before"])
    Canary.objects.filter(campaign=campaign, over_at=None).update(over_at=now, ending=Canary.Ending.STOPPED)


def carriers_left_out(campaign: Campaign) -> set[Where]:
    return {
        Where(channel, value)
        for channel, dimension, value in campaign.slices_out
        if dimension == Dimension.CARRIER
    }
