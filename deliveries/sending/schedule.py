"""When the first messages of a draft would leave: by when each person may first get it, and by how fast they go.

A forecast from the people as they are now, of a large audience from its first ones. It reckons with the hours in which
people may be written to, with the campaign's own pace, and with what its sender may a second and a day; not with
retries, other campaigns of the same sender, or a domain that warms up. Writes nothing.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection

from campaigns.models import Campaign
from campaigns.rates import Limit
from contacts.channels import Channel
from contacts.hours import clocks, local_zones, next_close
from contacts.jurisdictions import laws
from deliveries.sending.audience import (
    OF_NUMBER,
    NoOpening,
    Opening,
    bounds,
    opening_of,
    sql_audience,
    sql_options,
)
from deliveries.sending.pacing import gap
from deliveries.wording import zoned

if TYPE_CHECKING:
    from deliveries.sending.draft import Draft

ROWS = 12  # openings that are listed; of more, the others together
LONGEST = timedelta(days=60)  # looked ahead: "about" says nothing beyond

# By the first channel of those that each may be written to on: which of them is likeliest is found at the launch.
BY_ZONE = """
SELECT place, zone, count(*) FROM (
  SELECT o.place, o.zone, row_number() OVER (PARTITION BY o.contact_id ORDER BY o.place) AS nth
  FROM ({options}) o WHERE o.reason = ''
) one WHERE nth = 1 GROUP BY place, zone
"""
ONE_CHANNEL = "SELECT 0 AS place, o.zone, count(*) FROM ({people}) o WHERE o.reason = '' GROUP BY o.zone"


class ScheduleRow(NamedTuple):
    """People whose hours begin together: at `at`, when the clocks where they are show `there`; the last of them gets
    it at about `last`, None where that is too far ahead to say."""

    at: datetime
    people: int
    last: datetime | None
    there: str = ""


@dataclass(frozen=True)
class Schedule:
    """`begins`: when the first may leave. `passed`: of a start at local times, for how many that moment is over."""

    campaign: Campaign
    begins: datetime
    now: datetime
    rows: Sequence[ScheduleRow]
    others: int = 0  # people in rows beyond those listed
    never: int = 0  # people for whom no hour is ever permitted
    passed: int = 0
    is_sampled: bool = False
    last: datetime | None = None
    by_rate: str = ""  # what decides how long it takes, in words

    @property
    def people(self) -> int:
        return sum(row.people for row in self.rows) + self.others

    @property
    def at_once(self) -> int:
        """Those who may get it as it begins."""
        return sum(row.people for row in self.rows if row.at <= self.begins)

    @property
    def waits_for_hours(self) -> bool:
        """Whether it may begin now, and yet nobody is in hours in which it may be sent."""
        return bool(self.people) and self.begins <= self.now and not self.at_once

    @property
    def sentence(self) -> str:
        """As in: 37 now, 13 from 9:00 their time, the last at about 1 Dec 2026, 14:20 UTC at this sender's rate."""
        if not self.people:
            return "Nobody would get it."
        parts = []
        later = self.people - self.at_once
        if local := self.campaign.local_start:
            clock = f"{local:%H:%M} their time on {local.day} {local:%b}"
            if self.people > self.passed:
                parts.append(f"{self.people - self.passed:,} at {clock}")
            if self.passed:
                parts.append(f"{self.passed:,} for whom that has passed, at once or when their hours open")
        else:
            if self.at_once:
                scheduled = self.begins > self.now
                parts.append(f"{self.at_once:,} {f'at {zoned(self.begins)}' if scheduled else 'now'}")
            if later:
                opens = self.campaign.window_start
                law = ", or when the law permits it" if self.campaign.keeps_law else ""
                parts.append(f"{later:,} from {opens:%H:%M} their time{law}")
        about = f"the last at about {zoned(self.last)}" if self.last else "the last in more than two months"
        about += self.by_rate
        words = ", ".join([*parts, about])
        return f"{words[:1].upper()}{words[1:]}."


class _Group(NamedTuple):
    channel: str
    zone: str
    people: int


def schedule(draft: Draft) -> Schedule | None:
    """None while nobody would get it, or its first channel cannot leave. At most four queries more."""
    option = draft.first_option
    if option is None or not draft.written_to:
        return None
    campaign, now = draft.campaign, draft.now
    begins = max(now, campaign.starts_at) if campaign.starts_at else now
    share = draft.reckoned / draft.written_to
    due: list[tuple[Opening, _Group]] = []
    never = passed = 0
    for (channel, zone), found in _by_zone(draft).items():
        people = ceil(found * share)
        opening = opening_of(campaign, channel, zone, begins)
        if isinstance(opening, NoOpening):
            never += people
            continue
        if campaign.local_start and campaign.start_in(_zones(zone), begins) <= now:
            passed += people
        due.append((opening, _Group(channel, zone, people)))
    lasts = _run(draft, due)
    rows = _rows(due, lasts)
    ends = list(lasts.values())
    return Schedule(
        campaign=campaign,
        begins=begins,
        now=now,
        rows=rows[:ROWS],
        others=sum(row.people for row in rows[ROWS:]),
        never=never,
        passed=passed,
        is_sampled=draft.is_sampled,
        last=None if None in ends else max((one for one in ends if one), default=None),
        by_rate=" at this sender's rate" if draft.limits else "",
    )


def _by_zone(draft: Draft) -> Counter[tuple[str, str]]:
    """(channel, zone as the audience holds it) -> how many of the first people get their first message there."""
    campaign, senders, (who, high, _) = draft.campaign, draft.senders, draft.first
    channels = list(senders)
    if len(channels) > 1:
        options, values = sql_options(campaign, who, senders, 0, high, draft.now)
        sql = BY_ZONE.format(options=options)
    else:
        sql = ONE_CHANNEL.format(people=sql_audience(campaign, who, channels[0], draft.now))
        values = bounds(campaign, who, channels[0], 0, high, senders[channels[0]], draft.now)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return Counter({(channels[place], zone): n for place, zone, n in cursor.fetchall()})


def _rows(
    due: Sequence[tuple[Opening, _Group]], lasts: Mapping[tuple[str, str], datetime | None]
) -> list[ScheduleRow]:
    together: dict[datetime, list[_Group]] = defaultdict(list)
    for opening, group in due:
        together[opening.at.replace(second=0, microsecond=0)].append(group)
    rows = []
    for at, groups in sorted(together.items()):
        ends = [lasts[group.channel, group.zone] for group in groups]
        zones = dict.fromkeys(zone for group in groups for zone in _zones(group.zone))
        last = None if None in ends else max(one for one in ends if one)
        rows.append(ScheduleRow(at, sum(group.people for group in groups), last, clocks(at, tuple(zones))))
    return rows


def _zones(zone: str) -> tuple[Any, ...]:
    return local_zones(*zone.rsplit(OF_NUMBER, 3)[:2])


class _Line:
    """The messages in the order in which they may leave, one after the other at the sender's rate."""

    def __init__(self, limits: Sequence[Limit], weight: int, campaign: Campaign, start: datetime) -> None:
        gaps = [weight * gap(limit) for limit in limits if limit.rate.per_second]
        gaps += [60 / campaign.per_minute] if campaign.per_minute else []
        self.seconds = max(gaps, default=0.0)  # between two messages
        daily = [limit for limit in limits if limit.rate.per_day]
        self._day = min(daily, key=lambda limit: limit.rate.per_day, default=None)
        self._a_day = max(self._day.rate.per_day // weight, 1) if self._day else 0
        self._date: date | None = None
        self._used = 0
        self.at = start  # when the last one left
        self.free = start  # when the next one may

    def take(self, people: int, until: datetime | None) -> int:
        """Send as many of them as leave before `until`; how many. None of them where the day is used up until then."""
        if self._day and self._day.day(self.at) != self._date:
            self._date, self._used = self._day.day(self.at), 0
        room = people
        if self._day:
            room = min(room, self._a_day - self._used)
        if until and self.seconds:
            room = min(room, int((until - self.at).total_seconds() / self.seconds) + 1)
        if room <= 0 and self._day:
            self.at = self.free = max(self.at, self._day.next_day(self.at))
            return 0
        self._used += room
        self.at += timedelta(seconds=(room - 1) * self.seconds)
        self.free = self.at + timedelta(seconds=self.seconds)
        return room


def _run(draft: Draft, due: Sequence[tuple[Opening, _Group]]) -> dict[tuple[str, str], datetime | None]:
    """When the last of each group leaves."""
    campaign = draft.campaign
    line = _Line(draft.limits, draft.parts, campaign, draft.now)
    waiting = [(first.at, number, group.people) for number, (first, group) in enumerate(due)]
    heapq.heapify(waiting)
    lasts: dict[tuple[str, str], datetime | None] = {}
    ends = draft.now + LONGEST
    while waiting:
        at, number, people = heapq.heappop(waiting)
        first, group = due[number]
        key = group.channel, group.zone
        line.at = max(line.free, at)
        if line.at > ends:
            lasts[key] = None
            continue
        opening = opening_of(campaign, group.channel, group.zone, line.at)
        if isinstance(opening, NoOpening):
            lasts[key] = None
        elif opening.at > line.at:  # closed meanwhile
            heapq.heappush(waiting, (opening.at, number, people))
        else:
            done = line.take(people, _closes(campaign, group, line.at))
            if left := people - done:
                heapq.heappush(waiting, (line.free, number, left))
            else:
                lasts[key] = max(line.at, _end_of(campaign, group, first))
    return lasts


def _end_of(campaign: Campaign, group: _Group, first: Opening) -> datetime:
    """When the last of what is spread leaves: when the hours open again, if they close before."""
    if first.spread_over == 1:
        return first.at
    spread = first.at + timedelta(seconds=first.spread_over - 1)
    found = opening_of(campaign, group.channel, group.zone, spread)
    return found.at if isinstance(found, Opening) else spread


def _closes(campaign: Campaign, group: _Group, at: datetime) -> datetime | None:
    if not Channel(group.channel).keeps_hours:
        return None
    *_, region, code = group.zone.rsplit(OF_NUMBER, 3)
    lawful = laws(region, code, group.channel, campaign.purpose)
    return next_close(at, _zones(group.zone), campaign.window_start, campaign.window_end, lawful)
