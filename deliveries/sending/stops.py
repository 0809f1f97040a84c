"""Campaigns that stopped by themselves: what is counted for and against them, and that they went on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Sum

from accounts.models import User
from campaigns.models import Campaign
from contacts.gate_facts import Dimension
from deliveries.ledger.failure_rates import has_left, kinds_of
from deliveries.models import CampaignStop, Canary, CarrierTally
from deliveries.statuses import Disposition


class Where(NamedTuple):
    channel: str
    carrier: str

    def __str__(self) -> str:
        return f"{self.channel}|{self.carrier}"


@dataclass
class Counts:
    """Messages to one carrier on one channel: that left, of those still on their way, failed by kind; that wait."""

    sent: int = 0
    pending: int = 0
    waiting: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    def since(self, before: Mapping[str, Any] | None) -> Counts:
        """Only what left later than `before`. Whatever was on its way then may have failed since: it is taken off, so
        that what is left is never more than what failed of the later ones."""
        if not before:
            return self
        failed = Counter(
            {
                kind: max(0, n - before["failed"].get(kind, 0) - before["pending"])
                for kind, n in self.failed.items()
            }
        )
        return Counts(max(0, self.sent - before["sent"]), self.pending, self.waiting, failed)


def counts_of(campaign_ids: Collection[int]) -> dict[int, dict[Where, Counts]]:
    """By campaign, from tallies. One query."""
    tally = CarrierTally.objects.filter(campaign_id__in=campaign_ids).order_by()
    rows = tally.values_list("campaign_id", "channel", "carrier", "status", "disposition").annotate(
        total=Sum("n")
    )
    found: dict[int, dict[Where, Counts]] = defaultdict(lambda: defaultdict(Counts))
    for campaign_id, channel, carrier, status, disposition, n in rows:
        counts = found[campaign_id][Where(channel, carrier)]
        if not has_left(status, disposition):
            counts.waiting += n if disposition else 0
            continue
        counts.sent += n
        counts.pending += n if disposition == Disposition.PENDING else 0
        for kind in kinds_of(status, disposition):
            counts.failed[kind] += n
    return found


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
