"""How the routes do: what is wrong with them, how long messages take, and which urgent messages have been moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import NamedTuple
from urllib.parse import urlencode

from django.db.models import Q

from contacts.channels import Channel
from deliveries.models import Account, Route, RouteAlarm, RouteMove, RouteShare
from deliveries.outcomes.latency import Latency, RouteId, latencies

MOVES_SHOWN = 30
Kind = RouteAlarm.Kind
# The word of an alarm, and the bucket of its pill.
ALARM_WORDS = {
    Kind.RESTS: ("Rests", "retryable"),
    Kind.OFF: ("Switched off", "permanent"),
    Kind.REFUSES: ("Refuses", "permanent"),
    Kind.SLOW: ("Slow", "retryable"),
    Kind.SILENT: ("Delivers nothing", "unknown"),
}


class RouteScope(NamedTuple):
    """What is looked at: one account or, with None, all; one channel or, with '', all."""

    account_id: int | None = None
    channel: str = ""

    def has(self, channel: str, *accounts: int) -> bool:
        """Whether it is about this channel ('' for every one) and any of these accounts."""
        here = self.account_id is None or self.account_id in accounts
        return here and (not self.channel or channel in ("", self.channel))


ALL_ROUTES = RouteScope()


@dataclass(frozen=True)
class AlarmLine:
    alarm: RouteAlarm
    word: str
    bucket: str
    resting: bool  # nothing is handed over there now


@dataclass(frozen=True)
class LatencyLine:
    """What messages of one account to one country and carrier took."""

    key: RouteId
    account: str
    channel: Channel
    country: str
    carrier: str
    latency: Latency

    @property
    def query(self) -> str:
        """What names it in the address of its messages."""
        return urlencode(self.key._asdict())

    @property
    def name(self) -> str:
        where = ", ".join(filter(None, (self.country, self.carrier)))
        return f"{self.account}, {self.channel.label}{f' to {where}' if where else ''}"

    @property
    def short_name(self) -> str:
        return ", ".join(filter(None, (self.account, self.carrier or self.country)))

    @property
    def seconds(self) -> int:
        return round(self.latency.median or 0)

    @property
    def state(self) -> tuple[str, str]:
        """Bucket and word of its pill."""
        if self.latency.is_slow:
            return "retryable", "Slow"
        return ("success", "In time") if self.latency.is_known else ("unknown", "Too few to judge")


@dataclass(frozen=True)
class ListedRoute:
    """One entry of a list, and how it does: bucket and word of its pill."""

    route: Route
    state: tuple[str, str]


@dataclass(frozen=True)
class RouteList:
    """The routes of one kind of messages, in order."""

    channel: str
    country: str
    priority: str
    routes: Sequence[ListedRoute]


def open_alarms(now: datetime) -> list[AlarmLine]:
    """The newest first. One query."""
    rows = RouteAlarm.objects.filter(closed_at=None, raised_at__isnull=False).order_by("-raised_at", "-pk")
    return [AlarmLine(alarm, *ALARM_WORDS[Kind(alarm.kind)], alarm.in_effect(now)) for alarm in rows]


def latency_lines(now: datetime, scope: RouteScope = ALL_ROUTES) -> list[LatencyLine]:
    """Of the last 15 minutes: the slow ones first, then those with the most messages."""
    names = Account.objects.names()
    lines = [
        _line(key, latency, names)
        for key, latency in latencies(now).items()
        if scope.has(key.channel, key.account_id)
    ]
    return sorted(lines, key=lambda line: (not line.latency.is_slow, -line.latency.n, line.name))


def _line(key: RouteId, latency: Latency, names: Mapping[int, str]) -> LatencyLine:
    account = names.get(key.account_id, "An account that is gone")
    return LatencyLine(key, account, Channel(key.channel), key.country, key.carrier, latency)


def shares(scope: RouteScope = ALL_ROUTES) -> list[RouteShare]:
    rows = RouteShare.objects.select_related("account").defer("account__credentials")
    found = rows.order_by("channel", "country", "carrier")
    return [one for one in found if scope.has(one.channel, one.account_id)]


def last_moves(scope: RouteScope = ALL_ROUTES) -> list[RouteMove]:
    """The newest, of shares and of what was passed on, away from the account or to it."""
    rows = RouteMove.objects.select_related("account", "away_from")
    if scope.channel:
        rows = rows.filter(channel=scope.channel)
    if scope.account_id is not None:
        rows = rows.filter(Q(account=scope.account_id) | Q(away_from=scope.account_id))
    return list(rows.defer("account__credentials", "away_from__credentials")[:MOVES_SHOWN])


def lists(alarms: Sequence[AlarmLine], scope: RouteScope = ALL_ROUTES) -> list[RouteList]:
    """Every list that has the account, whole; sorted by channel, country and priority."""
    rows = Route.objects.select_related("account", "sender").defer("account__credentials")
    found = [
        (key, list(those))
        for key, those in groupby(rows, lambda row: (row.channel, row.country, row.priority))
    ]
    return [
        RouteList(*key, [ListedRoute(row, _state(row, alarms)) for row in those])
        for key, those in found
        if scope.has(key[0], *(row.account_id for row in those))
    ]


def _state(row: Route, alarms: Sequence[AlarmLine]) -> tuple[str, str]:
    if not row.account.active:
        return "permanent", "Switched off"
    if row.sender is not None and not row.sender.may_send:
        return "compliance", "Sender not approved"
    for line in alarms:
        # A sender of the content's own may be any: what is about one sender alone is said of that one.
        if line.alarm.concerns(row.account_id, row.channel, row.sender_id or 0):
            return line.bucket, line.word
    return "success", "Works"
