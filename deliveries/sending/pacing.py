"""Keeping to what a sender, its account and its mail domain may send, all processes together.

Each has a row (`Pace`) that says when its next message may begin. Claiming locks the rows of what it claims for and
passes over those that another process has locked. It takes as many messages as may begin within a moment, gives each
its own time, and moves the row on: time that nobody used is gone, so no second ever holds more than the limit.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.models import Q

from campaigns.models import Content, Pace, Sender
from campaigns.rates import Limit, Paced, account_key, domain, limits, sender_key
from campaigns.segments import segments
from campaigns.texts import worded
from contacts.channels import Channel
from deliveries.ledger.statements import backend, rewrite
from deliveries.models import Account, Message, Outbox
from deliveries.models.work import DAILY_LIMIT
from deliveries.sending.lanes import Lane
from deliveries.sending.transport import LATE

# Seconds. A message is claimed so long before its call at most; the next ones when a third of that is free again.
HORIZON = 0.5
# Storing the claim and putting messages together takes as long: what begins sooner would begin late.
LEAD = 0.1
# By so much the time between a call's moment and its arrival may differ from one call to the next: a third of it by
# calls that leave late (`LATE` in transport.py), the rest on a busy machine and the wire. Messages stand further apart
# than the rate asks for, so that no second holds more than the limit all the same; an eighth of it stays unused.
# Measured on two cores with a load of 6: with 0.1 one second of some 1,300 held 11 messages instead of 10.
JITTER = 0.15
# Of the time between two messages, by which one may be late where that is more than `LATE`: who sends one message in
# many seconds has a connection to open for each, and the next one is far enough behind (see `JITTER`).
LATE_SHARE = 0.09
MUCH = 10_000  # messages: as good as no limit, for one turn
SPARE = 20  # messages more than may begin: of those taken the gate may hold some or stop them
HELD_AT_ONCE = 500  # messages of a sender whose day is used up


class Clock:
    """A moment as its caller sees it, which goes on from there as the monotonic clock does."""

    def __init__(self, now: datetime) -> None:
        self._start, self._monotonic = now, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._monotonic)

    def monotonic(self, moment: datetime) -> float:
        return self._monotonic + (moment - self._start).total_seconds()


class Turn(NamedTuple):
    """When one message begins, on the monotonic clock, 0: at once, and how many seconds `late` it may; or it `waits`,
    `until` then, None: for a moment."""

    begins: float = 0.0
    waits: bool = False
    until: datetime | None = None
    late: float = LATE


AT_ONCE = Turn()
LATER = Turn(waits=True)


class Pacing:
    """What may begin now in these lanes, `ahead` seconds at most. Used within the transaction that claims."""

    def __init__(self, lanes: Sequence[Lane], clock: Clock, ahead: float = HORIZON) -> None:
        self._clock, self._ahead = clock, ahead
        self._now = clock.now()
        self._limits = {} if not lanes else limits_of(lanes, self._now)
        self._paces = self._look(lanes)
        self._changed: set[str] = set()
        self.used_up: dict[Lane, datetime] = {}  # lanes whose day is used up, and when the next one begins
        self.most: dict[Lane, int] = {}  # how many to take at most; lanes without a limit are not in it
        self.lanes = [lane for lane in lanes if self._is_open(lane)]
        self._lock()

    @property
    def _ends(self) -> datetime:
        return self._clock.now() + timedelta(seconds=self._ahead)

    def _look(self, lanes: Sequence[Lane]) -> dict[str, Pace]:
        """The rows of all limits, locked or not, and of whatever rests."""
        keys = {limit.key for those in self._limits.values() for limit in those}
        if not lanes:
            return {}
        return {pace.key: pace for pace in Pace.objects.filter(Q(key__in=keys) | Q(next_at__gt=self._now))}

    def _is_open(self, lane: Lane) -> bool:
        """Whether something of this lane may begin soon; how many goes into `most`."""
        resting = [self._paces.get(key) for key in (sender_key(lane.sender_id), *self._accounts(lane))]
        if any(pace and pace.next_at > self._ends for pace in resting):
            return False
        those = self._limits.get(lane)
        if not those:
            return True
        nexts = [limit.next_day(self._now) for limit in those if self._left_today(limit) <= 0]
        if nexts:
            self.used_up[lane] = max(nexts)
            return False
        room = min(self._room(limit) for limit in those)
        if room < min(self._enough(limit) for limit in those):
            return False
        self.most[lane] = room + SPARE
        return True

    def _accounts(self, lane: Lane) -> Iterable[str]:
        """Keys under which the lane's account may rest."""
        return [account_key(lane.account_id, ""), *(limit.key for limit in self._limits.get(lane, ()))]

    def _left_today(self, limit: Limit) -> int:
        """How many more today."""
        if not limit.rate.per_day:
            return MUCH
        pace = self._paces.get(limit.key)
        return limit.rate.per_day - (pace.used_on(limit.day(self._now)) if pace else 0)

    def _room(self, limit: Limit) -> int:
        """How many may begin before the horizon."""
        if not limit.rate.per_second:
            return self._left_today(limit)
        seconds = (self._ends - self._first(limit)).total_seconds()
        return min(int(seconds / gap(limit)) + 1 if seconds >= 0 else 0, self._left_today(limit))

    def _enough(self, limit: Limit) -> float:
        """Fewer are not worth a claim: the rest of the horizon is claimed together."""
        together = max(HORIZON / gap(limit) / 3, 1) if limit.rate.per_second else 1
        return min(together, self._left_today(limit))  # the last ones of a day are worth one

    def _first(self, limit: Limit) -> datetime:
        soonest = self._clock.now() + timedelta(seconds=LEAD)
        pace = self._paces.get(limit.key)
        return max(pace.next_at, soonest) if pace else soonest

    def _lock(self) -> None:
        """Lock the rows of the open lanes, made where there is none; lanes that another process claims for are shut."""
        wanted = {limit.key for lane in self.lanes for limit in self._limits.get(lane, ())}
        if not wanted:
            return
        if missing := sorted(wanted - self._paces.keys()):
            new = [Pace(key=key, next_at=self._now) for key in missing]
            Pace.objects.bulk_create(new, ignore_conflicts=True)
        skip = connection.features.has_select_for_update_skip_locked
        rows = Pace.objects.select_for_update(skip_locked=skip).filter(pk__in=wanted).order_by("pk")
        locked = {pace.key: pace for pace in rows}
        self._paces |= locked  # as they are now, not as they were when first looked at
        self.most.clear()
        self.lanes = [
            lane
            for lane in self.lanes
            if all(limit.key in locked for limit in self._limits.get(lane, ())) and self._is_open(lane)
        ]

    def turns(
        self,
        rows: Iterable[Outbox],
        contents: Mapping[tuple[int, str], Content],
        messages: Mapping[int, Message],
    ) -> dict[int, Turn]:
        """By message, for those of `rows` whose sender keeps to a limit, urgent ones and the longest waiting first.

        What they take is taken. `messages`: theirs by id, each with its contact.
        """
        paced = [row for row in rows if Lane(row.account_id, row.sender_id) in self._limits]
        weights = weights_of(paced, contents, messages) if paced else {}
        paced.sort(key=lambda row: (not row.urgent, row.due_at, row.message_id))
        return {
            row.message_id: self.turn(Lane(row.account_id, row.sender_id), weights[row.message_id])
            for row in paced
        }

    def turn(self, lane: Lane, weight: int) -> Turn:
        """Of the next one of a lane, which counts as so many; what it takes is taken."""
        if lane not in self.lanes:
            return Turn(waits=True, until=self.used_up.get(lane))
        those = self._limits.get(lane)
        if not those:
            return AT_ONCE
        full = [
            limit for limit in those if self._left_today(limit) < min(weight, limit.rate.per_day or weight)
        ]
        if full:
            return Turn(waits=True, until=max(limit.next_day(self._now) for limit in full))
        at = max(self._first(limit) for limit in those)
        if at > self._ends:
            return LATER
        for limit in those:
            pace = self._paces[limit.key]
            day = limit.day(self._now)
            pace.day, pace.used = day, pace.used_on(day) + weight
            if limit.rate.per_second:
                pace.next_at = at + timedelta(seconds=weight * gap(limit))
            self._changed.add(limit.key)
        gaps = [gap(limit) for limit in those if limit.rate.per_second]
        if not gaps:
            return AT_ONCE
        return Turn(self._clock.monotonic(at), late=max(LATE, LATE_SHARE * max(gaps)))

    def save(self) -> None:
        rewrite([self._paces[key] for key in sorted(self._changed)], ["next_at", "day", "used"])

    def hold_used_up(self, now: datetime, without: Sequence[int]) -> int:
        """What is due of senders whose day is used up waits for the next one; how many. `without`: see `lanes.take`."""
        rows: list[Outbox] = []
        for urgent in (True, False):
            shares = dict.fromkeys(self.used_up, HELD_AT_ONCE)
            rows += backend().lock_due(shares, now, without, [], urgent=urgent) if shares else []
        for row in rows:
            row.held, row.due_at = DAILY_LIMIT, self.used_up[Lane(row.account_id, row.sender_id)]
        rewrite(rows, ["held", "due_at"])
        show_due([row for row in rows if row.held == DAILY_LIMIT])
        return len(rows)


def show_due(rows: Iterable[Outbox]) -> None:
    """The messages show until when they wait."""
    waiting = sorted(rows, key=lambda row: row.message_id)
    rewrite([Message(pk=row.message_id, due_at=row.due_at) for row in waiting], ["due_at"])


def gap(limit: Limit) -> float:
    """Seconds between two messages of one segment."""
    return (1 + JITTER) / limit.rate.per_second


def sending_hours(limit: Limit, count: int) -> float:
    """How long so many messages of one segment take at least."""
    seconds = count * gap(limit) if limit.rate.per_second else 0.0
    return max(seconds / 3_600, limit.days_for(count) * 24.0)


def limits_of(lanes: Iterable[Lane], now: datetime) -> dict[Lane, list[Limit]]:
    """What the messages of these lanes keep to; lanes without a limit are left out. Two queries."""
    lanes = list(lanes)
    warming_up = Q(channel=Channel.EMAIL, warm_up_from__isnull=False)
    rows = Sender.objects.filter(Q(pk__in={lane.sender_id for lane in lanes}) | warming_up)
    senders = {row[0]: Paced(*row) for row in rows.values_list(*Paced.fields())}
    begun: dict[str, list] = defaultdict(list)
    for sender in senders.values():
        if sender.warm_up_from:
            begun[domain(sender.value)].append(sender.warm_up_from)
    accounts = {
        pk: (slug, own) for pk, slug, own in Account.objects.values_list("pk", "provider", "per_second")
    }
    found = {}
    for lane in lanes:
        if lane.sender_id not in senders or lane.account_id not in accounts:
            continue
        sender, (provider, own) = senders[lane.sender_id], accounts[lane.account_id]
        dates = begun.get(domain(sender.value)) if sender.channel == Channel.EMAIL else None
        paced = sender._replace(warm_up_from=min(dates) if dates else None)
        found[lane] = limits(paced, lane.account_id, provider, own, now)
    return {lane: those for lane, those in found.items() if those}


def weights_of(
    rows: Sequence[Outbox], contents: Mapping[tuple[int, str], Content], messages: Mapping[int, Message]
) -> dict[int, int]:
    """How many segments each message counts as: a text with the person's details in it; everything else as one.

    Without content, which is seen to elsewhere: one.
    """
    plain: dict[int, int] = {}
    weights = dict.fromkeys((row.message_id for row in rows), 1)
    for row in rows:
        content = contents.get((row.campaign_id, Channel.SMS))
        message = messages[row.message_id]
        if message.channel != Channel.SMS or content is None:
            continue
        if "{" in content.body:
            count = segments(worded(content, message.contact, content.counted_links).body)
        else:
            count = plain[content.pk] = plain.get(content.pk) or segments(content.counted_body)
        weights[row.message_id] = max(count, 1)
    return weights


def rest(until: Mapping[str, datetime]) -> None:
    """Nothing more begins of these keys before. Call it outside of the transaction that stores answers."""
    Pace.objects.bulk_create(
        [Pace(key=key, next_at=moment) for key, moment in sorted(until.items())], ignore_conflicts=True
    )
    for key, moment in sorted(until.items()):
        Pace.objects.filter(pk=key, next_at__lt=moment).update(next_at=moment)


def waiting_their_turn(lanes: Iterable[Lane], since: datetime) -> set[Lane]:
    """Lanes in which something began after `since`, or will: what waits there waits for its turn, not for a process."""
    lanes = list(lanes)
    limits = limits_of(lanes, since) if lanes else {}
    moving = set(Pace.objects.filter(next_at__gte=since).values_list("pk", flat=True))
    return {
        lane
        for lane in lanes
        if moving
        & {
            sender_key(lane.sender_id),
            account_key(lane.account_id, ""),
            *(limit.key for limit in limits.get(lane, ())),
        }
    }
