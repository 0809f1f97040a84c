"""What has left of campaigns and what of it failed, by channel and carrier: what is counted for and against them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import Sum

from deliveries.ledger.failure_rates import has_left, kinds_of
from deliveries.models import CarrierTally
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
