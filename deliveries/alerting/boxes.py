"""The alerts as lists: open, snoozed, closed. Each is read by few queries, however many there were."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from deliveries.models import Alert
from deliveries.outcomes.keyset import Page, page

SIZE = 50
MOST_OPEN = 200  # of one list; the most urgent first
SHOWN_ELSEWHERE = 5  # lines on the overview and on a report
URGENCY = Case(
    *(When(severity=one, then=Value(place)) for place, one in enumerate(Alert.Severity)),
    output_field=IntegerField(),
)
SHOWN_CLOSED = timedelta(days=90)


def raised() -> QuerySet[Alert]:
    return Alert.objects.filter(closed_at=None, raised_at__isnull=False)


def awake(now: datetime) -> QuerySet[Alert]:
    return raised().filter(Q(snoozed_until=None) | Q(snoozed_until__lte=now))


def asleep(now: datetime) -> QuerySet[Alert]:
    return raised().filter(snoozed_until__gt=now)


def count_open() -> int:
    """For the rail: what is open, not snoozed, and more than news."""
    return awake(timezone.now()).exclude(severity=Alert.Severity.NOTICE).count()


def opened(now: datetime) -> list[Alert]:
    return _most_urgent(awake(now))[:MOST_OPEN]


def snoozed(now: datetime) -> list[Alert]:
    return _most_urgent(asleep(now))[:MOST_OPEN]


def closed(mark: str) -> Page:
    """The last closed first."""
    rows = Alert.objects.filter(closed_at__isnull=False).select_related("campaign", "owner", "noted_by")
    return page(rows, SIZE, mark, at="closed_at")


def urgent_first(now: datetime, campaign_ids: Collection[int] | None = None) -> list[Alert]:
    """The few to be shown on other pages, without news; of these campaigns, or of all. One query."""
    rows = awake(now).exclude(severity=Alert.Severity.NOTICE)
    if campaign_ids is not None:
        rows = rows.filter(campaign__in=campaign_ids)
    return _most_urgent(rows)[:SHOWN_ELSEWHERE]


def _most_urgent(rows: QuerySet[Alert]) -> list[Alert]:
    known = rows.select_related("campaign", "owner", "noted_by")
    return list(known.order_by(URGENCY, "-raised_at", "-pk")[:MOST_OPEN])
