"""How fast a sender may send and how much a day: what carriers and providers allow, unless a sender says it itself.

`rates.csv` has a line for each limit that a carrier or a provider states, with its source; what nobody states is not
limited. A limit that one carrier sets (AT&T's classes, T-Mobile's day) holds for a sender's whole traffic, since the
carrier of a number is not always known. A text counts as its segments, everything else as one.

`warm_up.csv` says how many emails a day a new domain may send, by the day of its warm-up (SiteVibes, Understanding Our
IP Warming Process, which follows SendGrid's practice); after its last line there is no limit.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings

from campaigns.sender_values import SHORT_CODE
from contacts.channels import Channel
from contacts.hours import DAY

TOLL_FREE = {"800", "833", "844", "855", "866", "877", "888"}  # area codes of North America
NORTH_AMERICA = "+1"


@dataclass(frozen=True, slots=True)
class Rate:
    """0: no limit. A day begins at midnight in `day_in`; `words` names the kind of sender."""

    per_second: float = 0.0
    per_day: int = 0
    day_in: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one row of `Pace`, named `key`, keeps to: that of a sender, an account on one channel, or a mail domain."""

    key: str
    rate: Rate
    warm_up_day: int = 0  # of a mail domain, today

    def day(self, now: datetime) -> date:
        return now.astimezone(self._zone).date()

    def next_day(self, now: datetime) -> datetime:
        """When the next day begins, where the limit's days do."""
        return datetime.combine(self.day(now) + DAY, datetime.min.time(), self._zone)

    def days_for(self, count: int) -> int:
        """How many days after today the last of so many leaves; a domain that warms up may send more each day."""
        if not self.rate.per_day:
            return 0
        if not self.warm_up_day:
            return max(count - 1, 0) // self.rate.per_day
        days = 0
        while 0 < (today := _warm_up().get(self.warm_up_day + days, 0)) < count:
            days, count = days + 1, count - today
        return days

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.rate.day_in or settings.TIME_ZONE)


class Paced(NamedTuple):
    """What a sender's limits follow from; `warm_up_from` is the earliest of any sender of its mail domain."""

    sender_id: int
    channel: str
    value: str
    registered_as: str = ""
    per_second: float | None = None
    per_day: int | None = None
    warm_up_from: date | None = None

    @classmethod
    def fields(cls) -> list[str]:
        """The same of the model."""
        return ["pk", *cls._fields[1:]]


def limits(
    sender: Paced, account_id: int, provider: str, account_rate: float | None, now: datetime
) -> list[Limit]:
    """Every limit that a message from this sender through this account keeps to; none where it may go at once.

    `account_rate`: what the account says of itself, a second.
    """
    own = rate_of(sender, provider)
    whole = account_rate or _rates().get(("account", "", provider, sender.channel), NO_RATE).per_second
    found = [
        Limit(sender_key(sender.sender_id), own),
        Limit(account_key(account_id, sender.channel), Rate(per_second=whole)),
    ]
    day, begun = today(now), sender.warm_up_from
    if begun and begun <= day and sender.channel == Channel.EMAIL:
        rate = Rate(per_day=warm_up(begun, day))
        found.append(Limit(domain_key(sender.value), rate, warm_up_day(begun, day)))
    return [limit for limit in found if limit.rate.per_second or limit.rate.per_day]


def sender_key(sender_id: int) -> str:
    return f"sender:{sender_id}"


def account_key(account_id: int, channel: str) -> str:
    return f"account:{account_id}:{channel}"


def campaign_key(campaign_id: int) -> str:
    return f"campaign:{campaign_id}"


def domain_key(address: str) -> str:
    return f"domain:{domain(address)}"


def domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


NO_RATE = Rate()


def rate_of(sender: Paced, provider: str) -> Rate:
    """What carriers and the provider allow a sender, unless it says its own numbers."""
    key = ("sender", sender.registered_as, "", "")
    if not sender.registered_as:
        key = ("sender", kind_of(sender.channel, sender.value), provider, sender.channel)
    known = _rates().get(key, NO_RATE)
    return replace(
        known,
        per_second=sender.per_second or known.per_second,
        per_day=sender.per_day or known.per_day,
    )


def today(now: datetime) -> date:
    """The day on which mail domains count, that of the installation."""
    return now.astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def next_days(now: datetime) -> set[datetime]:
    """When the next day begins, for whatever is limited by the day."""
    zones = {"", *(rate.day_in for rate in _rates().values())}
    return {Limit("", Rate(day_in=zone)).next_day(now) for zone in zones}


def kind_of(channel: str, value: str) -> str:
    """The kind of a sender, as the table calls it, by how it is written."""
    if channel == Channel.EMAIL:
        return "email"
    if not value.startswith("+"):
        return "short_code" if SHORT_CODE.fullmatch(value) else "alphanumeric"
    if not value.startswith(NORTH_AMERICA):
        return "long_code"
    return "toll_free" if value[2:5] in TOLL_FREE else "long_code_us"


# Which of the kinds that a value does not say hold of which that it does, by how their keys begin.
_REGISTERED_OF = {"long_code_us": "10dlc", "toll_free": "toll_free"}
_OF_ANY = "no_limit"


def registered_kinds(of: str = "") -> list[tuple[str, str]]:
    """What a sender may be registered as, which its value does not say: (key, words); of one `kind_of`, or all."""
    return [
        (kind, rate.words)
        for (who, kind, provider, _), rate in _rates().items()
        if who == "sender" and not provider and (not of or _holds(kind, of))
    ]


def _holds(registered: str, kind: str) -> bool:
    beginning = _REGISTERED_OF.get(kind)
    return registered == _OF_ANY or (beginning is not None and registered.startswith(beginning))


def warm_up_day(begins: date, today: date) -> int:
    """1 on the day it begins, and before."""
    return max((today - begins).days + 1, 1)


def warm_up(begins: date, today: date) -> int:
    """How many emails a domain whose warm-up began then may send today; 0 once it is over: no limit."""
    return _warm_up().get(warm_up_day(begins, today), 0)


@cache
def _rates() -> dict[tuple[str, str, str, str], Rate]:
    """By who is limited, kind, provider and channel."""
    return {
        (line["who"], line["kind"], line["provider"], line["channel"]): Rate(
            per_second=float(line["per_second"] or 0),
            per_day=int(line["per_day"] or 0),
            day_in=line["day_in"],
            words=line["words"],
        )
        for line in _lines("rates.csv")
    }


@cache
def _warm_up() -> dict[int, int]:
    return {int(line["day"]): int(line["per_day"]) for line in _lines("warm_up.csv")}


def _lines(name: str) -> Iterable[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
