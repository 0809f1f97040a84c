"""Accounts and senders that rest: nothing is handed over there for a while, and what waits is passed on.

An account rests as a whole after an outage, or when it is paused (`Account.paused_until`). One that refuses messages
for a fault of its own, or of a sender there, rests for that channel or sender alone: its alarm says until when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol, TypeVar

from django.db.models import Q

from campaigns.models import Sender
from contacts.channels import Channel
from deliveries.deciding.routes import concerns_route
from deliveries.models import Account, Message, RouteAlarm
from deliveries.statuses import Disposition, FailureClass, Fault

REFUSALS = 3  # in a row, with nothing taken between them: one alone may be about its message
REFUSED_PAUSE = timedelta(
    minutes=15
)  # a suspension is not lifted sooner; then one message at a time asks again
RECENT = timedelta(hours=1)  # what a receipt says of an older failure is no news
Kind = RouteAlarm.Kind


class RouteKey(NamedTuple):
    """`sender_id` 0: every sender of the channel."""

    account_id: int
    channel: str
    sender_id: int


class RouteRefusal(NamedTuple):
    """One message that was refused; `fault` says whether for its sender, `why` is the provider's code and text."""

    key: RouteKey
    fault: str
    account: str
    sender: str
    why: str


class LaneLike(Protocol):
    @property
    def account_id(self) -> int: ...
    @property
    def sender_id(self) -> int: ...


AnyLane = TypeVar("AnyLane", bound=LaneLike)


@dataclass(frozen=True)
class Rests:
    """What rests at one moment. `trying`: what refused, and whose rest is over: one message at a time asks again."""

    accounts: frozenset[int]
    resting: frozenset[RouteKey]
    trying: frozenset[RouteKey]

    def part(self, lanes: Iterable[AnyLane]) -> tuple[list[AnyLane], dict[RouteKey, list[AnyLane]]]:
        """The lanes from which messages leave; and those that are tried, by what the refusal was about."""
        lanes = [lane for lane in lanes if lane.account_id not in self.accounts]
        if not (self.resting or self.trying):
            return lanes, {}
        senders = Sender.objects.filter(pk__in={lane.sender_id for lane in lanes})
        channels = dict(senders.values_list("pk", "channel"))
        usual: list[AnyLane] = []
        tried: dict[RouteKey, list[AnyLane]] = defaultdict(list)
        for lane in lanes:
            channel = channels.get(lane.sender_id, "")
            keys = {RouteKey(lane.account_id, channel, sender) for sender in (0, lane.sender_id)}
            if not self.resting.isdisjoint(keys):
                continue
            key = min(self.trying & keys, default=None)
            (usual if key is None else tried[key]).append(lane)
        return usual, dict(tried)


def rests(now: datetime) -> Rests:
    """Two small queries."""
    accounts = Account.objects.filter(Q(paused_until__gt=now) | Q(active=False))
    resting: set[RouteKey] = set()
    trying: set[RouteKey] = set()
    for alarm in RouteAlarm.objects.filter(closed_at=None, kind=Kind.REFUSES, until__isnull=False):
        key = RouteKey(alarm.account_id, alarm.channel, alarm.sender_id)
        assert alarm.until is not None
        (resting if alarm.until > now else trying).add(key)
    return Rests(frozenset(accounts.values_list("pk", flat=True)), frozenset(resting), frozenset(trying))


def note_answers(taken: Collection[RouteKey], refusals: Sequence[RouteRefusal], now: datetime) -> None:
    """What was taken ends what was wrong there; so many refusals in a row begin a rest. Call in a transaction."""
    _close(taken, now)
    count_refusals(refusals, taken, now)


def note_reported(message_ids: Sequence[int], now: datetime) -> None:
    """Receipts that say that an account, or a sender there, is suspended or not registered: it rests, as if it had been
    refused at handover. What was refused there is counted there.
    """
    if not message_ids:
        return
    ours = Q(failure_class=FailureClass.ACCOUNT) | Q(fault__in=[Fault.ACCOUNT, Fault.SENDER])
    failed = (
        Message.objects.filter(
            ours, pk__in=message_ids, settled_at__isnull=False, settled_at__gt=now - RECENT
        )
        .exclude(provider_message_id="")
        .exclude(failure_class=FailureClass.TEMPORARY)
        .select_related("account", "sender")
        .defer("account__credentials")
    )
    refusals = [
        RouteRefusal(
            RouteKey(m.account_id, m.channel, m.sender_id),
            m.fault,
            m.account.name,
            m.sender.value,
            m.reason_code,
        )
        for m in failed
        if concerns_route(m.failure_class, m.fault)
    ]
    if refusals:
        arrived = Message.objects.filter(pk__in=message_ids, disposition=Disposition.DELIVERED)
        taken = {RouteKey(*key) for key in arrived.values_list("account_id", "channel", "sender_id")}
        count_refusals(refusals, taken, now)


def count_refusals(refusals: Sequence[RouteRefusal], taken: Collection[RouteKey], now: datetime) -> None:
    """So many in a row begin a rest. An account that took others of the same batch is not suspended."""
    counts: dict[RouteKey, list[RouteRefusal]] = defaultdict(list)
    for refusal in refusals:
        key = refusal.key if refusal.fault == Fault.SENDER else refusal.key._replace(sender_id=0)
        if not any(_covers(key, one) for one in taken):
            counts[key].append(refusal)
    for key, those in sorted(counts.items()):
        _count(key, those, now)


def _covers(key: RouteKey, one: RouteKey) -> bool:
    return key[:2] == one[:2] and key.sender_id in (0, one.sender_id)


def _close(taken: Collection[RouteKey], now: datetime) -> None:
    """What was under way when a rest began, and is taken meanwhile, does not end it."""
    opened = RouteAlarm.objects.filter(
        closed_at=None, kind__in=[Kind.RESTS, Kind.REFUSES], account__in={key.account_id for key in taken}
    )
    over = [
        alarm.pk
        for alarm in (opened if taken else ())
        if (alarm.until is None or alarm.until <= now)
        and any(alarm.concerns(key.account_id, key.channel, key.sender_id) for key in taken)
    ]
    if over:
        counted = RouteAlarm.objects.filter(pk__in=over, raised_at=None)
        counted.delete()
        RouteAlarm.objects.filter(pk__in=over).update(closed_at=now)


def _count(key: RouteKey, refusals: Sequence[RouteRefusal], now: datetime) -> None:
    alarm, _ = RouteAlarm.objects.select_for_update().get_or_create(
        kind=Kind.REFUSES, country="", closed_at=None, **key._asdict()
    )
    last = refusals[-1]
    alarm.refusals += len(refusals)
    if alarm.refusals >= REFUSALS:
        alarm.raised_at = alarm.raised_at or now
        alarm.until = now + REFUSED_PAUSE
    of = f" from {last.sender}" if key.sender_id else ""
    alarm.sentence = f"{last.account} refuses {Channel(key.channel).label}{of}: {last.why}"[:300]
    alarm.save()
