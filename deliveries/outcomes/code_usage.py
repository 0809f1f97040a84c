"""What the providers of our accounts have reported, laid beside the rows of the code tables.

A row of a table is looked up by several providers, and one word by several spellings; which row answers is the
mapping's to say (`Mapping.find`), so every code that came is put to it one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Q, Sum
from django.urls import reverse
from django.utils import timezone

from deliveries.meaning.translation import FALLBACK_CHANNEL, Code, Key, tables_of
from deliveries.meaning.translation import Mapping as Tables
from deliveries.models import Account, Backscatter, CodeAlarm, CodeDay, CodeMapping, SeenCode
from deliveries.outcomes.shares import Share
from deliveries.providers import PROVIDERS
from deliveries.statuses import FailureClass, Fault, Status

STATUS, ERROR = CodeMapping.Kind.STATUS.value, CodeMapping.Kind.ERROR.value
MOST = 20_000  # pairs of words put beside the tables: the most frequent, should a provider invent them
SINCE = timedelta(days=90)  # how far back next attempts are looked at
RECENT = timedelta(days=7)
ALARM_WORDS = {
    CodeAlarm.Kind.UNKNOWN: ("Unknown code", "unknown"),
    CodeAlarm.Kind.NEW: ("New code", "pending"),
    CodeAlarm.Kind.SHARE: ("Share changed", "retryable"),
    CodeAlarm.Kind.CONSEQUENCE: ("Leads elsewhere", "retryable"),
    CodeAlarm.Kind.CONTRADICTION: ("Contradiction", "permanent"),
}
# Tables that several providers ask, or none by its own name.
SHARED = {
    "smtp": "Mail servers (SMTP)",
    "smpp": "SMPP",
    "sip": "Telephony (SIP, Q.850)",
    "gmail": "Gmail",
    "microsoft": "Microsoft mail",
    "yahoo": "Yahoo Mail",
}


def unknown_words() -> int:
    """How many pairs of words no table lists."""
    return SeenCode.objects.filter(known=False).count()


def table_name(table: str) -> str:
    """A code table in people's words."""
    if table in PROVIDERS and table not in SHARED:
        return PROVIDERS[table].name.partition(" (")[0]
    return SHARED.get(table, table.replace("_", " ").capitalize())


def edit_url(key: Key, **more: Any) -> str:
    """The form of one row; `more` are values it shall be filled with."""
    where = {"table": key.table, "channel": key.channel, "kind": key.kind, "code": key.code}
    return f"{reverse('mappings:edit')}?{urlencode(where | more)}"


# ---- Beside the rows -------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """How often a row's word came in, and when last."""

    n: int
    last: datetime


@dataclass(frozen=True)
class CodeUsage:
    """The codes that came, by the row that answers for them: how often, and what became of the next attempt."""

    seen: Mapping[Key, Seen]
    then: Mapping[Key, Share]
    providers: frozenset[str]  # of our accounts

    @classmethod
    def beside(cls, tables: Tables) -> CodeUsage:
        """Three queries, however many codes came."""
        finder = RowFinder(tables)
        return cls(_seen(finder), _then(finder), frozenset(finder.providers.values()))


class RowFinder:
    """Which row of the tables answers for a provider's word."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.providers = Account.objects.providers()
        # The mapping gives out its rows themselves, so a row is known by its identity.
        self._places = {id(code): key for key, code in tables.codes.items()}

    def key(self, account: int, channel: str, kind: str, word: str) -> Key | None:
        """None when no table lists it; rows of mailbox providers are not told apart from those of all mail servers."""
        code = self.tables.find(self.providers.get(account, ""), channel, kind, word) if word else None
        return self._places.get(id(code)) if code else None


def _seen(finder: RowFinder) -> dict[Key, Seen]:
    found: dict[Key, Seen] = {}
    words = SeenCode.objects.order_by("-n").values_list(
        "account_id", "channel", "native_status", "native_code", "n", "last_seen_at"
    )
    for account, channel, status, code, n, last in words[:MOST]:
        for kind, word in ((STATUS, status), (ERROR, code)):
            if key := finder.key(account, channel, kind, word):
                so_far = found.get(key, Seen(0, last))
                found[key] = Seen(so_far.n + n, max(so_far.last, last))
    return found


def _then(finder: RowFinder) -> dict[Key, Share]:
    sums: dict[Key, list[int]] = defaultdict(lambda: [0, 0])
    days = CodeDay.objects.filter(day__gte=(timezone.now() - SINCE).date(), followed__gt=0)
    words = days.order_by().values_list("account_id", "channel", "code")
    for account, channel, word, hits, n in words.annotate(Sum("then_delivered"), Sum("followed")):
        key = finder.key(account, channel, ERROR, word) or finder.key(account, channel, STATUS, word)
        if key:
            sums[key][0] += hits
            sums[key][1] += n
    return {key: Share(hits, n) for key, (hits, n) in sums.items()}


# ---- Unknown words ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unknown:
    """A pair of words that no table lists whole. `key` is the row that is missing, None without an account."""

    seen: SeenCode
    account: str
    key: Key | None
    drafted: bool

    @property
    def edit_url(self) -> str:
        if self.key is None:
            return ""
        # As the provider writes it; keys are in lower case.
        word = self.seen.native_status if self.key.kind == STATUS else self.seen.native_code
        return edit_url(self.key, code=word, seen=self.seen.pk)


def unknown(rows: Iterable[SeenCode], tables: Tables, drafted: Iterable[Key]) -> list[Unknown]:
    """These rows of SeenCode, each with the row to write for it; `drafted` stand in the draft already. One query."""
    accounts = {pk: (name, slug) for pk, name, slug in Account.objects.values_list("pk", "name", "provider")}
    drafted = set(drafted)
    found = []
    for seen in rows:
        name, provider = accounts.get(seen.account_id, ("An account that is gone", ""))
        key = missing(tables, provider, seen) if provider else None
        found.append(Unknown(seen, name, key, key in drafted))
    return found


def missing(tables: Tables, provider: str, seen: SeenCode) -> Key:
    """The row that would make this pair known: that of the status first, since without it nothing moves.

    What is written for SMS serves MMS as well.
    """
    status, code = seen.native_status, seen.native_code
    unlisted = bool(status) and tables.find(provider, seen.channel, STATUS, status) is None
    kind, word = (STATUS, status) if unlisted or not code else (ERROR, code)
    channel = FALLBACK_CHANNEL.get(seen.channel, seen.channel)
    return Key(tables_of(provider)[0], channel, kind, word.lower())


def suggestion(tables: Tables, provider: str, seen: SeenCode) -> dict[str, str]:
    """What the other word of the pair says about the one that is missing."""
    key = missing(tables, provider, seen)
    other = (ERROR, seen.native_code) if key.kind == STATUS else (STATUS, seen.native_status)
    meaning: Code | None = tables.find(provider, seen.channel, *other) if other[1] else None
    word = seen.native_status if key.kind == STATUS else seen.native_code
    if meaning is None:
        return {
            "code": word,
            "status": Status.UNKNOWN,
            "failure_class": FailureClass.UNKNOWN,
            "fault": Fault.NONE,
        }
    return {
        "code": word, "status": meaning.status, "failure_class": meaning.failure_class, "fault": meaning.fault,
    }  # fmt: skip


# ---- Alarms ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Noticed:
    """An open alarm. `url` is the form that answers it, where there is one: an unknown code is to be mapped."""

    alarm: CodeAlarm
    word: str
    bucket: str
    account: str
    url: str


def noticed(alarms: Collection[CodeAlarm], tables: Tables) -> list[Noticed]:
    """Three queries, however many."""
    names = Account.objects.names()
    codes = {alarm.code for alarm in alarms if alarm.kind == CodeAlarm.Kind.UNKNOWN}
    words = SeenCode.objects.filter(Q(native_code__in=codes) | Q(native_status__in=codes), known=False)
    forms = {
        (one.seen.account_id, one.seen.channel, one.seen.native_code or one.seen.native_status): one.edit_url
        for one in unknown(words, tables, ())
    }
    found = []
    for alarm in alarms:
        unmapped = alarm.kind == CodeAlarm.Kind.UNKNOWN
        url = forms.get((alarm.account_id, alarm.channel, alarm.code), "") if unmapped else ""
        account = names.get(alarm.account_id, "An account that is gone")
        found.append(Noticed(alarm, *ALARM_WORDS[CodeAlarm.Kind(alarm.kind)], account, url))
    return found


# ---- Mail that we never sent -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class BackscatterCount:
    """Reports of the last days about mail that we never sent."""

    n: int
    last: datetime | None

    @classmethod
    def recent(cls, now: datetime) -> BackscatterCount:
        reports = Backscatter.objects.filter(at__gt=now - RECENT).order_by("-at")
        n = reports.count()
        return cls(n, reports[0].at if n else None)
