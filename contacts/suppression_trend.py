"""How many suppressions were made, week by week, for which reason and from whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo

from django.db.models import Count
from django.db.models.functions import TruncWeek

from contacts.models import Suppression

WEEKS = 12
WEEK = timedelta(days=7)


@dataclass
class Week:
    """Suppressions made from this Monday on, whether they hold yet or not."""

    monday: date
    reasons: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.reasons.total()


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def week_bounds(monday: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Half-open: from its first moment in that time zone to that of the next."""
    return (
        datetime.combine(monday, time.min, tzinfo=zone),
        datetime.combine(monday + WEEK, time.min, tzinfo=zone),
    )


def trend(now: datetime, zone: tzinfo) -> list[Week]:
    """The last WEEKS weeks as that time zone has them, the newest first. One query."""
    this_week = monday_of(now.astimezone(zone).date())
    weeks = {monday: Week(monday) for monday in (this_week - n * WEEK for n in range(WEEKS))}
    begin, _ = week_bounds(min(weeks), zone)
    rows = (
        Suppression.objects.filter(created_at__gte=begin, created_at__lte=now)
        .order_by()
        .values_list(TruncWeek("created_at", tzinfo=zone), "reason", "origin")
        .annotate(n=Count("pk"))
    )
    for start, reason, origin, n in rows:
        week = weeks[start.astimezone(zone).date()]
        week.reasons[reason] += n
        week.origins[origin] += n
    return list(weeks.values())


def occurring(weeks: Sequence[Week], choices: Sequence[tuple[str, str]], kind: str) -> list[tuple[str, str]]:
    """Those of the (key, label) choices that occur in any week; `kind` is reasons or origins."""
    found = {key for week in weeks for key in getattr(week, kind)}
    return [(key, str(label)) for key, label in choices if key in found]
