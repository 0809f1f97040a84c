"""Messages of the last days, as the totals of days count them: what the numbers of the overview open."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.db import connection
from django.db.models import Min, Q

from campaigns.models import Campaign
from deliveries.models import Message

DAYS = (7, 30, 90)


def first_day(days: int, now: datetime) -> date:
    """Of the last `days` UTC days, that of `now` included."""
    return now.astimezone(UTC).date() - timedelta(days=days - 1)


def of_days(days: int, now: datetime, prefix: str = "") -> Q:
    """The messages that count on these days, without those of campaigns that have not begun. Two queries at most.

    Days have no index, and need none: ids rise with time, so whatever is older ends where the days begin.
    """
    first = first_day(days, now)
    begins = datetime.combine(first, time(), UTC)
    # Those of a campaign count on the day it begins, however long before it was launched.
    launched = Campaign.objects.filter(starts_at__gte=begins, launched_at__lt=begins).order_by().values("pk")
    ahead = Message.objects.filter(campaign__in=launched).aggregate(first=Min("pk"))["first"]
    lowest = _first_made_since(begins)
    lowest = lowest if ahead is None else min(lowest, ahead)
    within = {"pk__gte": lowest, "created_on__gte": first, "created_on__lte": now.astimezone(UTC).date()}
    not_begun = Campaign.objects.not_begun(now).order_by().values("pk")
    return Q(**{prefix + name: value for name, value in within.items()}) & ~Q(
        **{f"{prefix}campaign__in": not_begun}
    )


def _first_made_since(begins: datetime) -> int:
    """The id from which on all messages were made at `begins` or later. One query, by halving."""
    with connection.cursor() as cursor:
        cursor.execute(_HALVING, {"begins": begins})
        return int(cursor.fetchone()[0])


# `low` is above the last that is older, `high` not below the first that is not.
_IS_OLDER = """coalesce((SELECT m.created_at < %(begins)s FROM deliveries_message m
  WHERE m.id >= (halved.low + halved.high) / 2 ORDER BY m.id LIMIT 1), FALSE)"""
_HALVING = f"""
WITH RECURSIVE halved (low, high) AS (
  SELECT coalesce(min(id), 1), coalesce(max(id), 0) + 1 FROM deliveries_message
  UNION ALL
  SELECT CASE WHEN {_IS_OLDER} THEN (low + high) / 2 + 1 ELSE low END,
    CASE WHEN {_IS_OLDER} THEN high ELSE (low + high) / 2 END
  FROM halved WHERE low < high
)
SELECT min(low) FROM halved WHERE low >= high"""  # noqa: S608 - our own statement
