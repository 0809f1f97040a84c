"""The numbers of all campaigns together, by day: from the totals of days alone."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import QuerySet, Sum

from campaigns.models import Campaign
from deliveries.models import CarrierTally, DayTally
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.thresholds import FEWEST_TO_JUDGE


@dataclass(frozen=True)
class Cell:
    """One carrier over some days."""

    outcomes: Outcomes

    @property
    def rate(self) -> float | None:
        return self.outcomes.settled_rate

    @property
    def tint(self) -> str:
        """The bucket whose colour tints the cell; '' where too little was sent to say."""
        return "" if self.outcomes.sent < FEWEST_TO_JUDGE else self.outcomes.verdict.bucket


@dataclass(frozen=True)
class CarrierDays:
    """Carriers (rows) by spans of days (columns)."""

    spans: list[tuple[date, date]]
    rows: list[tuple[str, Outcomes, list[Cell]]]

    @property
    def filled(self) -> CarrierDays:
        """The same without the spans in which nothing was sent by any of these carriers."""
        kept = [
            at for at in range(len(self.spans)) if any(cells[at].outcomes.sent for *_, cells in self.rows)
        ]
        rows = [(carrier, whole, [cells[at] for at in kept]) for carrier, whole, cells in self.rows]
        return CarrierDays([self.spans[at] for at in kept], rows)


@dataclass(frozen=True)
class Overview:
    outcomes: Outcomes
    before: Outcomes  # the same number of days, just before
    by_channel: dict[str, Outcomes]  # the busiest first
    before_by_channel: dict[str, Outcomes]
    carriers: CarrierDays


SPAN_OF = {7: 1, 30: 3, 90: 7}  # days to a column, so that the table stays narrow enough to read
SHOWN_CARRIERS = 12  # the busiest: a table as high as the chart beside it


def overview(days: int, now: datetime) -> Overview:
    """The last `days` UTC days, that of `now` included. What begins later than `now` is not counted yet.

    Two queries, over totals only.
    """
    today = now.astimezone(UTC).date()
    start = today - timedelta(days=days - 1)
    counted, before = Counter[str](), Counter[str]()
    channels: dict[str, Counter[str]] = defaultdict(Counter)
    channels_before: dict[str, Counter[str]] = defaultdict(Counter)
    cells: dict[str, dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    step = SPAN_OF.get(days, 1)
    for day, channel, carrier, disposition, n in _by_day(start - timedelta(days=days), now):
        if day < start:
            before[disposition] += n
            channels_before[channel][disposition] += n
            continue
        counted[disposition] += n
        channels[channel][disposition] += n
        if carrier:
            cells[carrier][(today - day).days // step][disposition] += n
    return Overview(
        Outcomes(dict(counted)),
        Outcomes(dict(before)),
        {
            key: Outcomes(dict(count))
            for key, count in sorted(channels.items(), key=lambda pair: -pair[1].total())
            if count.total()
        },
        {key: Outcomes(dict(count)) for key, count in channels_before.items()},
        _carrier_days(cells, days, step, today),
    )


def _by_day(since: date, now: datetime) -> Iterator[tuple[date, str, str, str, int]]:
    """Day, channel, carrier, disposition and how many messages, from the day `since` on, to be added up.

    A campaign that is scheduled counts on the day it begins. Those that begin later today are taken off today's.
    """
    today = now.astimezone(UTC).date()
    days = DayTally.objects.filter(day__gte=since, day__lte=today).order_by()
    yield from days.values_list("day", "channel", "carrier", "disposition").annotate(total=Sum("n"))
    for *cell, n in _later_today(today, now):
        yield today, *cell, -n


def _later_today(today: date, now: datetime) -> QuerySet:
    """Channel, carrier, disposition and how many messages campaigns have that begin after `now`, and today."""
    tomorrow = datetime.combine(today + timedelta(days=1), time.min, UTC)
    later = Campaign.objects.not_begun(now).filter(starts_at__lt=tomorrow)
    cells = CarrierTally.objects.filter(campaign_id__in=later.order_by().values("pk")).order_by()
    return cells.values_list("channel", "carrier", "disposition").annotate(total=Sum("n"))


def _carrier_days(
    cells: Mapping[str, Mapping[int, Counter[str]]], days: int, step: int, today: date
) -> CarrierDays:
    columns = list(reversed(range(math.ceil(days / step))))
    first = today - timedelta(days=days - 1)
    spans = [
        (max(first, today - timedelta(days=at * step + step - 1)), today - timedelta(days=at * step))
        for at in columns
    ]
    rows = []
    for carrier, by_column in cells.items():
        whole: Counter[str] = sum(by_column.values(), Counter())
        row = [Cell(Outcomes(dict(by_column[at]) if at in by_column else {})) for at in columns]
        if (outcomes := Outcomes(dict(whole))).sent:  # what was withdrawn before it left is no row
            rows.append((carrier, outcomes, row))
    rows.sort(key=lambda row: (-row[1].sent, row[0]))
    return CarrierDays(spans, rows[:SHOWN_CARRIERS])
