"""The hours that the law permits for a channel where a person is, and on which days: `permitted_hours.csv`.

The table is data with its sources, and no legal advice. A row of a region replaces those of its country, for its
channels and traffic; several rows of one place are alternatives; a day without a row is closed. Rows with
`use_by_default` no, conventions and what is disputed, are shown and not applied. A country that no row names for the
channel is treated as one that is not known.

Where a person is: the region of the address; else the state that a North American area code belongs to
(`area_codes.csv`, from the geographic data of libphonenumber), for numbers move less often than they stay.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

from django.conf import settings
from django.db.models import TextChoices

from contacts.channels import Channel
from contacts.holidays import holiday, part

ANYWHERE = "*"
# Marketing by any of its names is one kind of traffic; what a machine says is another, whatever it is about.
MARKETING, AUTOMATED = "marketing", "automated"
KIND_OF_TRAFFIC = {
    "any": MARKETING,
    "solicitation": MARKETING,
    "automated solicitation": MARKETING,
    "marketing": MARKETING,
    "promotional": MARKETING,
    "telemarketing": MARKETING,
    "advertising": MARKETING,
    "commercial electronic message": MARKETING,
    "automated": AUTOMATED,
    "prerecorded": AUTOMATED,
    "automated or prerecorded": AUTOMATED,
    "automated (ADAD) non-solicitation": AUTOMATED,
}
# Territories whose numbers have a country of their own, and where the law of this one holds.
PART_OF = {
    "PR": "US", "VI": "US", "GU": "US", "AS": "US", "MP": "US",
    "GP": "FR", "MQ": "FR", "GF": "FR", "RE": "FR", "YT": "FR", "BL": "FR", "MF": "FR", "PM": "FR",
    "CX": "AU", "CC": "AU",
}  # fmt: skip
NORTH_AMERICA = "+1"
CODE_DIGITS = len("+1205")  # of a number, as far as they tell a state
MIDNIGHT, END_OF_DAY = time(0), time.max
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_WORDS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
SUNDAY = 6


class Purpose(TextChoices):
    """What a campaign is for, as far as the law asks."""

    MARKETING = "marketing", "Marketing"
    SERVICE = "service", "Service: what the person asked for, such as an appointment or a receipt"


@dataclass(frozen=True, slots=True, eq=False)
class HoursRow:
    """One line of the table. `end` is exclusive, `END_OF_DAY` for 24:00."""

    country: str
    region: str  # of the country, or ANYWHERE
    place: str  # as a sentence says it: "in Alabama"
    channels: tuple[str, ...]
    traffic: str
    days: frozenset[int]  # 0 is Monday
    start: time
    end: time
    holidays: str
    use_by_default: bool
    confidence: str
    source: str
    note: str

    def on(self, weekday: int, feast: str) -> bool:
        """Whether it permits anything on such a day; `feast` names the holiday that it is."""
        if feast and self.holidays == "blocked":
            return False
        return (SUNDAY if feast and self.holidays == "as sunday" else weekday) in self.days


@dataclass(frozen=True, slots=True, eq=False)  # by identity: they are keys of caches that every send asks
class Law:
    """The hours of one place for one kind of traffic, in local time. `margin` is left before each end."""

    place: str
    calendar: str  # the country, state or part of one whose holidays count, as `holiday` takes it
    rows: tuple[HoursRow, ...]
    margin: timedelta = timedelta(0)

    def on(self, day: date) -> tuple[tuple[time, time], ...]:
        """From when until when it permits a send on that day, less the margin; () where it is closed."""
        return _spans(self, day)

    def permits(self, local: datetime) -> bool:
        clock = local.time()
        return any(start <= clock < end for start, end in self.on(local.date()))

    def closed_words(self, local: datetime) -> str:
        """Why it permits nothing at a moment at which it does not: "Sundays are closed in Alabama"."""
        day = local.date()
        if spans := _spans(self, day, whole=True):
            open_words = " and ".join(f"{start:%H:%M} to {end_words(end)}" for start, end in spans)
            days = f" on {DAY_WORDS[day.weekday()]}" if len({row.days for row in self.rows}) > 1 else ""
            late = any(start <= local.time() < end for start, end in spans)
            margin = f", less {self.margin // timedelta(minutes=1)} minutes for delays," if late else ""
            return f"{open_words}{margin} is permitted {self.place}{days}"
        feast = holiday(self.calendar, day)
        if feast and any(row.on(day.weekday(), "") for row in self.rows):
            return f"holidays are closed {self.place} ({feast})"
        return f"{DAY_WORDS[day.weekday()]} are closed {self.place}"


@lru_cache(maxsize=8192)
def _spans(law: Law, day: date, whole: bool = False) -> tuple[tuple[time, time], ...]:
    feast = holiday(law.calendar, day)
    margin = timedelta(0) if whole else law.margin
    spans = [(row.start, _earlier(row.end, margin)) for row in law.rows if row.on(day.weekday(), feast)]
    return tuple(sorted((start, end) for start, end in spans if start < end))


def _earlier(end: time, margin: timedelta) -> time:
    """24:00 is no end: the next day may go on."""
    if end == END_OF_DAY:
        return end
    return (datetime.combine(date.min + timedelta(days=1), end) - margin).time()


def end_words(end: time) -> str:
    return "24:00" if end == END_OF_DAY else f"{end:%H:%M}"


# ---- Which rows hold -----------------------------------------------------------------------------------------


def where(region: str, number: str) -> str:
    """The country, or country and state, whose hours hold; '' for unknown.

    `region` is that of an address, `number` its E.164 or the beginning of it, `CODE_DIGITS` long.
    """
    country, _, part = region.upper().partition("-")
    if not part and country in ("", "US") and (state := states().get(number[:CODE_DIGITS])):
        return f"US-{state}"
    country = PART_OF.get(country, country)
    return f"{country}-{part}" if part else country


def laws(region: str, number: str, channel: str, purpose: str) -> tuple[Law, ...]:
    """What has to permit a send on the channel, each of it, to a number in that region; () for nothing."""
    place = part(where(region, number), number[len(NORTH_AMERICA) : CODE_DIGITS])
    return _laws(place, channel, purpose, settings.PERMITTED_HOURS_MARGIN_MINUTES)


@lru_cache(maxsize=4096)
def _laws(place: str, channel: str, purpose: str, margin: int) -> tuple[Law, ...]:
    found = (_law(place, channel, kind, margin) for kind in _kinds(channel, purpose))
    return tuple(law for law in found if law)


def _kinds(channel: str, purpose: str) -> list[str]:
    """Which rows a message falls under. Our calls are recordings, and a voicemail is never exempt."""
    kinds = [MARKETING] if purpose == Purpose.MARKETING or channel == Channel.RVM else []
    return [*kinds, AUTOMATED] if channel in (Channel.VOICE, Channel.RVM) else kinds


def _law(place: str, channel: str, kind: str, margin: int) -> Law | None:
    country, _, region = place.partition(" ")[0].partition("-")
    rows = [row for row in table() if channel in row.channels and KIND_OF_TRAFFIC[row.traffic] == kind]
    chosen = [row for row in rows if row.use_by_default and (row.country, row.region) == (country, region)]
    if not chosen:
        theirs = [row for row in rows if (row.country, row.region) == (country, ANYWHERE)]
        chosen = [row for row in theirs if row.use_by_default]
        if not chosen and not theirs:
            chosen = [row for row in rows if not row.country]
    if not chosen:
        return None
    calendar = place if chosen[0].region == region else country
    return Law(chosen[0].place, calendar, tuple(chosen), timedelta(minutes=margin))


# ---- The tables ----------------------------------------------------------------------------------------------


@cache
def table() -> tuple[HoursRow, ...]:
    """All of it, in the order of the file: the rows that are not applied as well."""
    path = Path(__file__).with_name("permitted_hours.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(map(_row, csv.DictReader(file)))


def places() -> list[tuple[str, list[HoursRow]]]:
    """The table by place, for a page."""
    return [(place, list(rows)) for place, rows in groupby(table(), key=lambda row: row.place)]


@cache
def states() -> dict[str, str]:
    """The beginning of a number, such as +1205, to its state."""
    path = Path(__file__).with_name("area_codes.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return {
            f"{NORTH_AMERICA}{code}": line["region"]
            for line in csv.DictReader(file)
            for code in line["area_codes"].split()
        }


def _row(line: dict[str, str]) -> HoursRow:
    channels = line["channels"].split(";")
    if "sms" in channels and "mms" not in channels:
        channels.append("mms")  # a text with a picture is a text
    return HoursRow(
        country=line["country"].replace(ANYWHERE, ""),
        region=line["region"],
        place=line["place"],
        channels=tuple(channels),
        traffic=line["traffic"],
        days=frozenset(_days(line["days"])),
        start=time.fromisoformat(line["start"]),
        end=END_OF_DAY if line["end"] == "24:00" else time.fromisoformat(line["end"]),
        holidays=line["holidays"],
        use_by_default=line["use_by_default"] == "yes",
        confidence=line["confidence"],
        source=line["source"],
        note=line["note"],
    )


def _days(text: str) -> Iterable[int]:
    first, _, last = text.partition("-")
    return range(WEEKDAYS.index(first), WEEKDAYS.index(last or first) + 1)
