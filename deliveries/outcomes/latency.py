"""How long messages took of late from handover to arrival, by account and carrier."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Sum

from deliveries.ledger.latency import BOUNDS
from deliveries.models import LatencyCount

SLOW = 30  # seconds: a route whose median takes longer is slow
WINDOW = timedelta(minutes=15)
# So many arrivals say something. If 3 in 10 messages of a route in good order take longer than 30 s (a phone that was
# off, a carrier that reports late), 30 of them show a median above it once in 200 times, 10 of them once in 20.
ENOUGH = 30


class RouteId(NamedTuple):
    """What latency is measured of. `country` and `carrier` as messages have them, '' where they are not known."""

    account_id: int
    channel: str
    country: str
    carrier: str


class Latency(NamedTuple):
    """`n` arrivals, and their median in seconds; None without any."""

    n: int
    median: float | None

    @property
    def is_known(self) -> bool:
        return self.n >= ENOUGH

    @property
    def is_slow(self) -> bool:
        return self.is_known and self.median is not None and self.median > SLOW


NOTHING = Latency(0, None)


def latencies(now: datetime) -> dict[RouteId, Latency]:
    """Of the last 15 minutes, the present one included. One query, of a table that holds counts alone."""
    since = now.replace(second=0, microsecond=0) - WINDOW
    rows = LatencyCount.objects.filter(minute__gt=since, minute__lte=now).order_by()
    counts: dict[RouteId, Counter[int]] = defaultdict(Counter)
    for *key, bucket, n in rows.values_list(*RouteId._fields, "bucket").annotate(Sum("n")):
        counts[RouteId(*key)][bucket] += n
    return {key: summed(buckets) for key, buckets in counts.items()}


def summed(buckets: Mapping[int, int]) -> Latency:
    """The median within its bucket, as if its messages were spread evenly over it."""
    n = sum(buckets.values())
    below = 0
    for bucket in sorted(buckets):
        here = buckets[bucket]
        if here and below + here >= n / 2:
            low = BOUNDS[bucket - 1] if bucket else 0
            high = BOUNDS[bucket] if bucket < len(BOUNDS) else 2 * low
            return Latency(n, low + (high - low) * (n / 2 - below) / here)
        below += here
    return NOTHING
