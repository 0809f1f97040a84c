"""Permitted hours: when a moment lies inside somebody's window, and when the next window opens. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings

from contacts.jurisdictions import Law

logger = logging.getLogger(__name__)

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
SOON = 4  # days looked ahead for a moment that is open
DAYS = 12  # and where there is none: holidays and closed days of several places may follow each other
NAMED = 3  # places for one time of the clock
CLOCKS = 4


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


def zones_for(*texts: str) -> tuple[ZoneInfo, ...]:
    """The zones of the first text that names any that exist.

    A text holds one IANA name, or several separated by blanks. Never raises; UTC where no text names any.
    """
    return zones_and_source(*texts)[0]


def zones_and_source(*texts: str) -> tuple[tuple[ZoneInfo, ...], int]:
    """The zones as `zones_for` finds them, and which of the texts names them, from 0; their number for none."""
    for number, text in enumerate(texts):
        found = tuple(zone for name in text.split() if (zone := known_zone(name)))
        if found:
            return found, number
    return (ZoneInfo("UTC"),), len(texts)


def local_zones(contact: str, address: str) -> tuple[ZoneInfo, ...]:
    """Where a person's hours are kept, given the `time_zone` texts of the contact and the address, '' for unknown.

    The one entered for the contact; else every zone in which the number may lie, and the hours have to be permitted
    in all of them; else ours (`settings.TIME_ZONE`).
    """
    return local_zones_and_source(contact, address)[0]


def local_zones_and_source(contact: str, address: str) -> tuple[tuple[ZoneInfo, ...], int]:
    """The same, and whose they are: 0 the contact's, 1 the number's, 2 or more ours."""
    return zones_and_source(contact, address, settings.TIME_ZONE)


def is_open(
    moment: datetime, zones: tuple[ZoneInfo, ...], start: time, end: time, laws: tuple[Law, ...] = ()
) -> bool:
    """True when the clocks in every one of `zones` show `start` or later, and earlier than `end`, and every one of
    `laws` permits it there."""
    locals_ = (moment.astimezone(zone) for zone in zones)
    return all(start <= local.time() < end and all(law.permits(local) for law in laws) for local in locals_)


@lru_cache(maxsize=4096)  # a batch asks about one moment in a few zones, thousands of times
def next_open(
    moment: datetime, zones: tuple[ZoneInfo, ...], start: time, end: time, laws: tuple[Law, ...] = ()
) -> datetime | None:
    """The first moment not before `moment` at which the window is open in every zone, by every law, in UTC.

    None when there is no such moment in the next days: the zones lie too far apart for the window, or the window lies
    outside the hours of a law. Days on which the clocks change are honoured: a window that would open at a time which
    does not exist opens when the clocks have jumped past it. Raises ValueError unless `moment` is aware and `start`
    before `end`.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone.")
    if start >= end:
        raise ValueError(f"A window from {start} to {end} never opens.")
    moment = moment.astimezone(UTC)
    if is_open(moment, zones, start, end, laws):
        return moment
    # All are open together first at a moment at which one of them opens.
    for days in (SOON, DAYS):
        found = {each for zone in zones for each in _changes_after(moment, zone, _starts(start, laws), days)}
        opens = next((each for each in sorted(found) if is_open(each, zones, start, end, laws)), None)
        if (
            opens and opens <= moment + (days - 2) * DAY
        ):  # every zone has been looked at until then, though a day be missing
            return opens
    return None


@lru_cache(maxsize=4096)
def next_close(
    moment: datetime, zones: tuple[ZoneInfo, ...], start: time, end: time, laws: tuple[Law, ...] = ()
) -> datetime:
    """When the window that is open at `moment` closes in the first of the zones, or by the first law, in UTC."""
    found = {each for zone in zones for each in _changes_after(moment, zone, _ends(end, laws), SOON)}
    return next(each for each in sorted(found) if not is_open(each, zones, start, end, laws))


def held_by(
    moment: datetime, zones: tuple[ZoneInfo, ...], start: time, end: time, laws: tuple[Law, ...]
) -> str:
    """Which law makes a send wait beyond the window, or rules it out: "Sundays are closed in Alabama"; '' for none."""
    opens = next_open(moment, zones, start, end)
    if opens is None or is_open(opens, zones, start, end, laws):
        return ""
    there = (opens.astimezone(zone) for zone in zones)
    return next(law.closed_words(local) for local in there for law in laws if not law.permits(local))


def spread_over(opens: datetime, ends: datetime) -> int:
    """Over how many seconds what waits for `opens` is spread, so that all of it leaves before `ends`; 1 for none.

    By `OPENING_SPREAD_SECONDS`: thousands that are due in one minute would be looked at, and stand in each other's
    way, all at once.
    """
    return max(1, min(settings.OPENING_SPREAD_SECONDS, int((ends - opens).total_seconds())))


def spread(key: int, opens: datetime, ends: datetime) -> datetime:
    """When the one with this number leaves; always the same for the same number. The SQL in expansion.py says alike."""
    return opens + (key % spread_over(opens, ends)) * SECOND


TimesOfDay = Callable[[date], Iterable[time]]


def _starts(start: time, laws: tuple[Law, ...]) -> TimesOfDay:
    """At which times of a day something may open."""
    return lambda day: {start, *(opens for law in laws for opens, _ in law.on(day))}


def _ends(end: time, laws: tuple[Law, ...]) -> TimesOfDay:
    """At which times of a day something may close."""
    if not laws:
        return lambda day: (end,)
    return lambda day: {time(0), end, *(closes for law in laws for _, closes in law.on(day))}


def _changes_after(moment: datetime, zone: ZoneInfo, times: TimesOfDay, days: int) -> list[datetime]:
    """The moments after this one, of the next days, at which a window may open or close in `zone`."""
    today = moment.astimezone(zone).date()
    # A window that lies wholly inside the hour that is skipped never opens that day, and a day can be missing.
    found = (_changes(today + number * DAY, zone, times) for number in range(days))
    return [each for changes in found for each in changes if each > moment]


def _changes(day: date, zone: ZoneInfo, times: TimesOfDay) -> list[datetime]:
    """When each of these times is on that day: then, again if the clocks repeat it, and when the clocks change."""
    twice = [
        datetime.combine(day, clock, zone).replace(fold=fold).astimezone(UTC)
        for clock in times(day)
        for fold in (0, 1)
    ]
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


# ---- Words --------------------------------------------------------------------------------------------------


def clocks(moment: datetime, zones: tuple[ZoneInfo, ...], beside: date | None = None) -> str:
    """What the clocks show there, in words, the furthest ahead first: "09:10 in Madrid, 08:10 in Canary".

    `beside` is the day that the reader sees with it; where theirs is another, it is named: "20:10 on 29 Nov in Denver".
    """
    places: dict[datetime, list[str]] = {}
    for zone in zones:
        local = moment.astimezone(zone).replace(tzinfo=None)
        places.setdefault(local, []).append(place(zone))
    clock_texts = [
        f"{local:%H:%M}{other_day(local, beside)} in {_named(places[local])}"
        for local in sorted(places, reverse=True)
    ]
    if len(clock_texts) <= CLOCKS:
        return ", ".join(clock_texts)
    return f"between {clock_texts[-1]} and {clock_texts[0]} ({len(zones)} time zones)"


def other_day(local: datetime, beside: date | None) -> str:
    """What follows a time of the clock that is not on the day the reader takes it for: " on 29 Nov", else ''."""
    return f" on {local.day} {local:%b}" if beside and local.date() != beside else ""


def place(zone: ZoneInfo) -> str:
    """The city or island that a zone is named for."""
    return zone.key.rpartition("/")[2].replace("_", " ")


def _named(places: list[str]) -> str:
    """All of them when they are few."""
    if len(places) > NAMED + 1:
        return f"{', '.join(places[:NAMED])} and {len(places) - NAMED} more"
    return " and ".join(filter(None, [", ".join(places[:-1]), places[-1]]))
