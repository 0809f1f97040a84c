"""The hours that the law permits, as the gate applies them: the table with its sources, to be read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.text import capfirst
from django.views.decorators.http import require_safe

from accounts.roles import requires
from contacts.channels import Channel
from contacts.holidays import RegionalHoliday, next_day, regional
from contacts.jurisdictions import DAY_WORDS, HoursRow, end_words, places, table

HOLIDAYS = {"allowed": "as any day", "blocked": "closed", "as sunday": "as Sundays"}


class HoursLine(NamedTuple):
    place: str
    row: HoursRow
    channels: str
    days: str
    hours: str
    holidays: str


@requires("contacts.view_contact")
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    context = {
        "lines": list(_lines()),
        "margin": settings.PERMITTED_HOURS_MARGIN_MINUTES,
        "holidays": list(_holidays(timezone.localdate())),
    }
    return render(request, "contacts/permitted_hours.html", context)


def _lines() -> Iterator[HoursLine]:
    for place, rows in places():
        for row in rows:
            yield HoursLine(
                place=capfirst(place.removeprefix("in ")),
                row=row,
                channels=", ".join(str(Channel(channel).label) for channel in row.channels),
                days=_days(sorted(row.days)),
                hours=f"{row.start:%H:%M}-{end_words(row.end)}",
                holidays=HOLIDAYS[row.holidays],
            )


def _holidays(today: date) -> Iterator[tuple[str, RegionalHoliday, date | None]]:
    """Those of single states: where, which, and when it is next."""
    named = {f"{row.country}-{row.region}": row.place for row in table()}
    for place, those in regional().items():
        for one in those:
            where = capfirst(named[place].removeprefix("in "))
            codes = f", numbers of area code {' or '.join(one.area_codes)}" if one.area_codes else ""
            yield f"{where}{codes}", one, next_day(one.rule, today)


def _days(days: list[int]) -> str:
    """Those of a row follow each other."""
    if len(days) == len(DAY_WORDS):
        return "Every day"
    first, last = (DAY_WORDS[day].removesuffix("s") for day in (days[0], days[-1]))
    return first if first == last else f"{first} to {last}"
