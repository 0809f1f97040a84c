"""How the routes do: what is wrong with them, how long messages take, and which urgent messages have been moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

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


@dataclass(frozen=True)
class AlarmLine:
    alarm: RouteAlarm
    word: str
    bucket: str
    resting: bool  # nothing is handed over there now


@dataclass(frozen=True)
class LatencyLine:
    """What messages of one account to one country and carrier took."""

    account: str
    channel: Channel
    country: str
    carrier: str
    latency: Latency

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


def latency_lines(now: datetime) -> list[LatencyLine]:
    """Of the last 15 minutes: the slow ones first, then those with the most messages."""
    names = Account.objects.names()
    lines = [_line(key, latency, names) for key, latency in latencies(now).items()]
    return sorted(lines, key=lambda line: (not line.latency.is_slow, -line.latency.n, line.name))


def _line(key: RouteId, latency: Latency, names: Mapping[int, str]) -> LatencyLine:
    account = names.get(key.account_id, "An account that is gone")
    return LatencyLine(account, Channel(key.channel), key.country, key.carrier, latency)


def shares() -> list[RouteShare]:
    rows = RouteShare.objects.select_related("account").defer("account__credentials")
    return list(rows.order_by("channel", "country", "carrier"))


def last_moves() -> list[RouteMove]:
    rows = RouteMove.objects.select_related("account", "away_from")
    return list(rows.defer("account__credentials", "away_from__credentials")[:MOVES_SHOWN])


def lists(alarms: Sequence[AlarmLine]) -> list[RouteList]:
    """Every list, sorted by channel, country and priority."""
    rows = Route.objects.select_related("account", "sender").defer("account__credentials")
    return [
        RouteList(*key, [ListedRoute(row, _state(row, alarms)) for row in those])
        for key, those in groupby(rows, lambda row: (row.channel, row.country, row.priority))
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
