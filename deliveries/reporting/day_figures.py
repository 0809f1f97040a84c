"""The numbers of all campaigns together, by day: from the totals of days alone."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Sum

from deliveries.models import DayTally
from deliveries.reporting.figures import FEWEST_TO_JUDGE, Outcomes


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


@dataclass(frozen=True)
class Overview:
    outcomes: Outcomes
    before: Outcomes  # the same number of days, just before
    by_channel: dict[str, Outcomes]
    carriers: CarrierDays


SPAN_OF = {7: 1, 30: 3, 90: 7}  # days to a column, so that the table stays narrow enough to read
SHOWN_CARRIERS = 12


def overview(days: int, today: date) -> Overview:
    """The last `days` UTC days, today included. One query, over day totals only."""
    start = today - timedelta(days=days - 1)
    rows = (
        DayTally.objects.filter(day__gt=start - timedelta(days=days + 1), day__lte=today)
        .order_by()
        .values_list("day", "channel", "carrier", "disposition")
        .annotate(total=Sum("n"))
    )
    now, before = Counter[str](), Counter[str]()
    channels: dict[str, Counter[str]] = defaultdict(Counter)
    cells: dict[str, dict[int, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    step = SPAN_OF.get(days, 1)
    for day, channel, carrier, disposition, n in rows:
        if day < start:
            before[disposition] += n
            continue
        now[disposition] += n
        channels[channel][disposition] += n
        if carrier:
            cells[carrier][(today - day).days // step][disposition] += n
    return Overview(
        Outcomes(dict(now)),
        Outcomes(dict(before)),
        {
            key: Outcomes(dict(count))
            for key, count in sorted(channels.items(), key=lambda pair: -pair[1].total())
        },
        _carrier_days(cells, days, step, today),
    )


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
        rows.append((carrier, Outcomes(dict(whole)), row))
    rows.sort(key=lambda row: (-row[1].sent, row[0]))
    return CarrierDays(spans, rows[:SHOWN_CARRIERS])
