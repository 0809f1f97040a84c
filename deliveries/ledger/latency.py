"""How many messages are handed over, and how long they take to arrive, counted by the minute, so that nobody has to
look at messages."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from datetime import datetime, timedelta

from django.db import connection

from deliveries.ledger.tallies import bump
from deliveries.models import LatencyCount

# Seconds: the upper ends of the buckets; what takes longer than the last is in one more.
BOUNDS = (1, 2, 5, 10, 15, 20, 30, 45, 60, 120, 300, 600, 1_800)
# What took longer waited for a phone that was off, or for a receipt that was stored: it says nothing of a route now.
LONGEST = timedelta(hours=1)
KEPT = timedelta(days=1)
HANDED_OVER = 100  # in the place of a bucket: how many were handed over in that minute


class Latencies:
    """Arrivals or handovers of one batch; `save` adds them to the counts of the minute."""

    def __init__(self, now: datetime) -> None:
        self._minute = connection.ops.adapt_datetimefield_value(now.replace(second=0, microsecond=0))
        self._recent = now - LONGEST
        self._counts: Counter[tuple] = Counter()

    def add(
        self,
        account_id: int,
        channel: str,
        region: str,
        carrier: str,
        left: datetime | None,
        arrived: datetime,
    ) -> None:
        if left is not None and left >= self._recent:
            bucket = bisect_left(BOUNDS, (arrived - left).total_seconds())
            self._count(account_id, channel, region, carrier, bucket)

    def add_handover(self, account_id: int, channel: str, region: str, carrier: str) -> None:
        self._count(account_id, channel, region, carrier, HANDED_OVER)

    def _count(self, account_id: int, channel: str, region: str, carrier: str, bucket: int) -> None:
        country = region.partition("-")[0]
        self._counts[self._minute, account_id, channel, country, carrier, bucket] += 1

    def save(self) -> None:
        bump(LatencyCount, self._counts)


def prune(now: datetime) -> None:
    LatencyCount.objects.filter(minute__lt=now - KEPT).delete()
