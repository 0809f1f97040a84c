"""How long messages took of late from handover to arrival, and whether any arrive at all, by account and carrier."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Sum

from deliveries.ledger.latency import BOUNDS, HANDED_OVER, KEPT
from deliveries.models import LatencyCount

SLOW = 30  # seconds: a route whose median takes longer is slow
WINDOW = timedelta(minutes=15)
# So many arrivals say something. If 3 in 10 messages of a route in good order take longer than 30 s (a phone that was
# off, a carrier that reports late), 30 of them show a median above it once in 200 times, 10 of them once in 20.
ENOUGH = 30


# A route is silent where of those handed over so long ago hardly any arrived, and others of the same kind did.
HANDED_OVER_WITHIN = (timedelta(minutes=45), timedelta(minutes=15))
ENOUGH_HANDED_OVER = 50
USUAL_AT_LEAST = 0.3  # of a hundred handed over 30 arrive; where fewer do, silence says nothing
HARDLY_ANY = 0.2  # of the usual share


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


def window_begin(now: datetime) -> datetime:
    """When the first of the minutes begins that count."""
    return now.replace(second=0, microsecond=0) - WINDOW + timedelta(minutes=1)


def latencies(now: datetime) -> dict[RouteId, Latency]:
    """Of the last 15 minutes, the present one included. One query, of a table that holds counts alone."""
    rows = LatencyCount.objects.filter(
        minute__gte=window_begin(now), minute__lte=now, bucket__lt=HANDED_OVER
    ).order_by()
    counts: dict[RouteId, Counter[int]] = defaultdict(Counter)
    for *key, bucket, n in rows.values_list(*RouteId._fields, "bucket").annotate(Sum("n")):
        counts[RouteId(*key)][bucket] += n
    return {key: summed(buckets) for key, buckets in counts.items()}


def summed(buckets: Mapping[int, int]) -> Latency:
    """How many arrived, and their median."""
    median = quantile(buckets, 0.5)
    return NOTHING if median is None else Latency(sum(buckets.values()), median)


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """Within how many seconds this share of them had arrived, as if the messages of a bucket were spread evenly over
    it; None without any."""
    wanted, below = share * sum(buckets.values()), 0
    for bucket in sorted(buckets):
        here = buckets[bucket]
        if here and below + here >= wanted:
            low = BOUNDS[bucket - 1] if bucket else 0
            high = BOUNDS[bucket] if bucket < len(BOUNDS) else 2 * low
            return low + (high - low) * (wanted - below) / here
        below += here
    return None


class Arrivals(NamedTuple):
    """Of `handed_over` messages that left 15 to 45 minutes ago, how many `arrived` by now, and the share of those to
    the same place that usually does, by whatever account; None where too little is known of that."""

    handed_over: int
    arrived: int
    usual: float | None

    @property
    def is_known(self) -> bool:
        return self.handed_over >= ENOUGH_HANDED_OVER

    @property
    def is_silent(self) -> bool:
        if not self.is_known or self.usual is None or self.usual < USUAL_AT_LEAST:
            return False
        return self.arrived < HARDLY_ANY * self.usual * self.handed_over


NONE_LEFT = Arrivals(0, 0, None)


def arrivals(now: datetime) -> dict[RouteId, Arrivals]:
    """What became of what was handed over a while ago. The usual share is that of the day before to the same country
    and carrier, by the account by which most arrived: a silent one makes no silence usual. Three queries, of counts.

    Arrivals of what was handed over earlier count as well: rather a silent route that is seen later than a false alarm.
    """
    minute = now.replace(second=0, microsecond=0)
    begin, end = minute - HANDED_OVER_WITHIN[0], minute - HANDED_OVER_WITHIN[1]
    left, came = _counted(begin, end), _counted(begin, minute)
    usual: dict[tuple[str, ...], float] = {}
    for key, counts in _counted(minute - KEPT, begin).items():
        if counts[True] >= ENOUGH_HANDED_OVER:
            share = min(counts[False] / counts[True], 1.0)
            usual[key[1:]] = max(usual.get(key[1:], 0.0), share)
    return {key: Arrivals(counts[True], came[key][False], usual.get(key[1:])) for key, counts in left.items()}


def _counted(after: datetime, until: datetime) -> dict[RouteId, Counter[bool]]:
    """Of the minutes after one and up to another: True, how many were handed over; False, how many arrived."""
    rows = LatencyCount.objects.filter(minute__gt=after, minute__lte=until).order_by()
    counts: dict[RouteId, Counter[bool]] = defaultdict(Counter)
    for *key, bucket, n in rows.values_list(*RouteId._fields, "bucket").annotate(Sum("n")):
        counts[RouteId(*key)][bucket == HANDED_OVER] += n
    return counts
