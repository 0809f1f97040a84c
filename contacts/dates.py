"""Dates as spreadsheets write them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import NamedTuple

EARLIEST = 1970  # the year before which nobody agreed to anything: such a year is a slip, or an empty cell
_TIME = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s*(?P<half>[AaPp])?\.?[Mm]?\.?)?"
)
_YEAR_LAST = re.compile(r"(?P<a>\d{1,2})(?P<mark>[/.-])(?P<b>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})" + _TIME)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})(?P<mark>[/.-])(?P<a>\d{1,2})(?P=mark)(?P<b>\d{1,2})" + _TIME)


class DateOrder(NamedTuple):
    """What a column's dates tell together: lines, with the date on them, that can only be read one way.

    `unclear` is the first line whose date can be read both ways.
    """

    day_first: tuple[int, str] | None = None
    month_first: tuple[int, str] | None = None
    unclear: tuple[int, str] | None = None


def date_order(cells: Iterable[tuple[int, str]]) -> DateOrder:
    """Look at every (line, text) of a column."""
    day_first = month_first = unclear = None
    for line, text in cells:
        found = _YEAR_LAST.fullmatch(text)
        if not found:
            continue
        a, b = int(found["a"]), int(found["b"])
        if found["mark"] == "." or a > 12:  # with dots the day always comes first
            day_first = day_first or (line, text)
        elif b > 12:
            month_first = month_first or (line, text)
        elif a != b:
            unclear = unclear or (line, text)
    return DateOrder(day_first, month_first, unclear)


def combined(earlier: DateOrder, later: DateOrder) -> DateOrder:
    """What two stretches of a column tell together."""
    return DateOrder(*(first or second for first, second in zip(earlier, later, strict=True)))


def parse_date(text: str, *, day_first: bool) -> datetime:
    """An ISO date or date and time, with its offset if it has one, or a spreadsheet's: 14.3.2026, 3/14/26 5:30 PM.

    `day_first` is for dates that end in the year. Raises ValueError or OverflowError.
    """
    found = _YEAR_LAST.fullmatch(text) or _YEAR_FIRST.fullmatch(text)
    if not found:
        return datetime.fromisoformat(text)
    year_last = found.re is _YEAR_LAST
    day_is_a = year_last and (day_first or found["mark"] == ".")
    day, month = (found["a"], found["b"]) if day_is_a else (found["b"], found["a"])
    year = int(found["year"]) + (2000 if len(found["year"]) == 2 else 0)
    clock = time(_hour(found), int(found["minute"] or 0), int(found["second"] or 0))
    return datetime.combine(date(year, int(month), int(day)), clock)


def _hour(found: re.Match[str]) -> int:
    hour, half = int(found["hour"] or 0), (found["half"] or "").lower()
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(f"{hour} is no hour of the morning or evening")
    return hour % 12 + (12 if half == "p" else 0)
