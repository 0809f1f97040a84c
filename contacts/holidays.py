"""Public holidays, as far as a rule of the calendar gives them: of the United States, France and Australia. Pure.

Those of single states stand in `regional_holidays.csv`, where the hours permitted there ask for them
(`permitted_hours.csv`); what is kept in a part of a state alone holds for the area codes named there. Those that a
government sets anew each year are not among them: they have no such rule. What is kept on another day because it falls
on a weekend is a holiday on both.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

MONDAY, THURSDAY, SATURDAY, SUNDAY = 0, 3, 5, 6
WEEKDAYS = {"mon": MONDAY, "fri": 4}
DAY = timedelta(days=1)


@lru_cache(maxsize=4096)
def holiday(place: str, day: date) -> str:
    """What is kept on that day in a country, such as US, a state of it, such as US-AL, or a `part` of that; '' for an
    ordinary day, and where nothing is known."""
    country, _, _ = place.partition("-")
    # New Year's Day may be kept in the old year.
    years = (day.year, day.year + 1) if (day.month, day.day) == (12, 31) else (day.year,)
    kept = next(filter(None, (_of_year(country, year).get(day) for year in years)), "")
    return kept or _of_region(place, day.year).get(day, "")


@lru_cache(maxsize=256)
def _of_region(place: str, year: int) -> dict[date, str]:
    """Those of a state alone; what falls on a Sunday on the Monday as well."""
    state, _, code = place.partition(" ")
    those = [one for one in regional().get(state, ()) if not one.area_codes or code in one.area_codes]
    kept = {day: one.name for one in those if (day := _day_of(one.rule, year))}
    return {day + DAY: name for day, name in kept.items() if day.weekday() == SUNDAY} | kept


def part(state: str, area_code: str) -> str:
    """A state such as US-AL, narrowed to the area of such a code where something is kept only there: "US-AL 251"."""
    local = any(area_code in one.area_codes for one in regional().get(state, ()))
    return f"{state} {area_code}" if local else state


class RegionalHoliday(NamedTuple):
    area_codes: tuple[str, ...]  # where it is kept, as far as numbers tell; () for the whole state
    rule: str  # as `_day_of` reads it
    name: str
    source: str


@cache
def regional() -> dict[str, list[RegionalHoliday]]:
    """The table, by place."""
    found: dict[str, list[RegionalHoliday]] = {}
    with Path(__file__).with_name("regional_holidays.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            found.setdefault(line["place"], []).append(
                RegionalHoliday(tuple(line["area_codes"].split()), line["rule"], line["name"], line["source"])
            )
    return found


def next_day(rule: str, today: date) -> date | None:
    """The next day of such a holiday, today among them, within three years."""
    days = (_day_of(rule, today.year + n) for n in range(3))
    return next((day for day in days if day and day >= today), None)


def _day_of(rule: str, year: int) -> date | None:
    """The day in that year, None where there is none: "05-04", "mon 4 in 04", "fri last in 04", "easter -47",
    "thanksgiving +1", "election", "election of even years"."""
    first, *rest = rule.split()
    if first == "easter":
        return _easter(year) + int(rest[0]) * DAY
    if first == "thanksgiving":
        return _nth(year, 11, THURSDAY, 4) + int(rest[0]) * DAY
    if first == "election":  # the Tuesday after the first Monday of November
        return None if rest and year % 2 else _nth(year, 11, MONDAY, 1) + DAY
    if first in WEEKDAYS:
        month = int(rest[2])
        if rest[0] != "last":
            return _nth(year, month, WEEKDAYS[first], int(rest[0]))
        fifth = _nth(year, month, WEEKDAYS[first], 5)
        return fifth if fifth.month == month else fifth - 7 * DAY
    return date.fromisoformat(f"{year}-{rule}")


@lru_cache(maxsize=64)
def _of_year(country: str, year: int) -> dict[date, str]:
    return KEPT[country](year) if country in KEPT else {}


def _united_states(year: int) -> dict[date, str]:
    """5 U.S.C. 6103: on a Saturday kept the day before, on a Sunday the day after."""
    fixed = {
        date(year, 1, 1): "New Year's Day",
        date(year, 6, 19): "Juneteenth",
        date(year, 7, 4): "Independence Day",
        date(year, 11, 11): "Veterans Day",
        date(year, 12, 25): "Christmas Day",
    }
    moved = {_observed(day): name for day, name in fixed.items()}
    return moved | fixed | {
        _nth(year, 1, MONDAY, 3): "Martin Luther King Day",
        _nth(year, 2, MONDAY, 3): "Washington's Birthday",
        _nth(year, 6, MONDAY, 1) - 7 * DAY: "Memorial Day",
        _nth(year, 9, MONDAY, 1): "Labor Day",
        _nth(year, 10, MONDAY, 2): "Columbus Day",
        _nth(year, 11, THURSDAY, 4): "Thanksgiving",
    }  # fmt: skip


def _france(year: int) -> dict[date, str]:
    """Code du travail, L3133-1; those of Alsace-Moselle and overseas are not among them."""
    sunday = _easter(year)
    return {
        date(year, 1, 1): "New Year's Day",
        sunday + DAY: "Easter Monday",
        date(year, 5, 1): "Labour Day",
        date(year, 5, 8): "Victory Day",
        sunday + 39 * DAY: "Ascension Day",
        sunday + 50 * DAY: "Whit Monday",
        date(year, 7, 14): "Bastille Day",
        date(year, 8, 15): "Assumption Day",
        date(year, 11, 1): "All Saints' Day",
        date(year, 11, 11): "Armistice Day",
        date(year, 12, 25): "Christmas Day",
    }


def _australia(year: int) -> dict[date, str]:
    """Those that all states and territories keep, and the Mondays and Tuesdays for those on a weekend."""
    sunday = _easter(year)
    fixed = {
        date(year, 1, 1): "New Year's Day",
        date(year, 1, 26): "Australia Day",
        sunday - 2 * DAY: "Good Friday",
        sunday + DAY: "Easter Monday",
        date(year, 4, 25): "Anzac Day",
        date(year, 12, 25): "Christmas Day",
        date(year, 12, 26): "Boxing Day",
    }
    moved = {}
    for day, name in fixed.items():
        if day.weekday() in (SATURDAY, SUNDAY):
            instead = day + (7 - day.weekday()) * DAY
            moved[instead + DAY if instead in fixed or instead in moved else instead] = name
    return moved | fixed


KEPT: dict[str, Callable[[int], dict[date, str]]] = {
    "US": _united_states,
    "FR": _france,
    "AU": _australia,
}


def _observed(day: date) -> date:
    return day + {SATURDAY: -1, SUNDAY: 1}.get(day.weekday(), 0) * DAY


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    """The first, second ... such weekday of a month."""
    first = date(year, month, 1)
    return first + ((weekday - first.weekday()) % 7 + 7 * (number - 1)) * DAY


def _easter(year: int) -> date:
    """Easter Sunday of the western churches (Butcher's rule, as Meeus gives it in Astronomical Algorithms)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    f = (b + 8) // 25
    h = (19 * a + b - d - (b - f + 1) // 3 + 15) % 30
    i, k = divmod(c, 4)
    rest = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * rest) // 451
    month, day = divmod(h + rest - 7 * m + 114, 31)
    return date(year, month, day + 1)
