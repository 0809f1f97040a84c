"""Permitted hours: when a moment lies inside somebody's window, and when the next window opens. Pure."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

logger = logging.getLogger(__name__)

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@lru_cache(maxsize=1024)
def known_zone(name: str) -> ZoneInfo | None:
    """The IANA zone of that name; None for an empty or unknown one, which is said in the log once."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder, such as America
        logger.warning("Unknown time zone %r: another one is used instead.", name)
        return None


def zone_for(contact_zone: str, address_zone: str, fallback: str) -> ZoneInfo:
    """The first name that is a zone: what the person told, what the number tells, `fallback`; else UTC.

    Never raises. Its `key` says which one it became.
    """
    zones = (known_zone(name) for name in (contact_zone, address_zone, fallback))
    return next((zone for zone in zones if zone), ZoneInfo("UTC"))


def is_open(moment: datetime, zone: ZoneInfo, start: time, end: time) -> bool:
    """True when the clocks in `zone` show `start` or later, and earlier than `end`."""
    return start <= moment.astimezone(zone).time() < end


@lru_cache(maxsize=4096)  # a batch asks about one moment in a few zones, thousands of times
def next_open(moment: datetime, zone: ZoneInfo, start: time, end: time) -> datetime:
    """The first moment not before `moment` at which the window is open, in UTC.

    Days on which the clocks change are honoured: a window that would open at a time which does not exist opens
    when the clocks have jumped past it. Raises ValueError unless `moment` is aware and `start` before `end`.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone.")
    if start >= end:
        raise ValueError(f"A window from {start} to {end} never opens.")
    moment = moment.astimezone(UTC)
    if is_open(moment, zone, start, end):
        return moment
    today = moment.astimezone(zone).date()
    # A window that lies wholly inside the hour that is skipped never opens that day, and a day can be missing.
    for days in range(5):
        openings = _openings(today + days * DAY, zone, start)
        later = [each for each in openings if each > moment and is_open(each, zone, start, end)]
        if later:
            return min(later)
    raise ValueError(f"No window from {start} to {end} within five days in {zone.key}.")


def _openings(day: date, zone: ZoneInfo, start: time) -> list[datetime]:
    """When a window that starts at `start` may open on that day: then, again if the clocks repeat it, and when
    the clocks change."""
    twice = [datetime.combine(day, start, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    midnights = [datetime.combine(day + each * DAY, time(0), zone).astimezone(UTC) for each in (0, 1)]
    return twice + [
        _change(a, b, zone) for a, b in pairwise(midnights) if _offset(a, zone) != _offset(b, zone)
    ]


def _change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the clocks change between two moments that have different offsets."""
    before = _offset(low, zone)
    while high - low > SECOND:
        middle = low + (high - low) // 2
        middle = middle.replace(microsecond=0)
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()
