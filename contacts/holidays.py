"""Public holidays, as far as a rule of the calendar gives them: of the United States, France and Australia. Pure.

Those of a single state are not among them, nor those that a government sets anew each year: they have no such rule.
What is kept on another day because it falls on a weekend is a holiday on both.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache

MONDAY, THURSDAY, SATURDAY, SUNDAY = 0, 3, 5, 6
DAY = timedelta(days=1)


@lru_cache(maxsize=4096)
def holiday(country: str, day: date) -> str:
    """What is kept on that day in a country, such as US; '' for an ordinary day, and where nothing is known."""
    # New Year's Day may be kept in the old year.
    years = (day.year, day.year + 1) if (day.month, day.day) == (12, 31) else (day.year,)
    return next(filter(None, (_of_year(country, year).get(day) for year in years)), "")


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
