"""How addresses fare: failures in a row, and what cannot work at all, recomputed from the messages themselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from django.db.models import Q

from contacts.channels import KIND_OF, Channel, reported_by, strike_limit
from contacts.models import Address, AddressHealth, Suppression
from contacts.suppressing import MAPPING_CORRECTED
from deliveries.meaning.failure_limits import (
    FEWEST_UNREACHABLE,
    UNREACHABLE_FOR,
    BlockLimits,
    certainty_of,
    enough_of,
    load_limits,
)
from deliveries.meaning.mappings import describe
from deliveries.meaning.ruling_out import channels_of, disproved, ruled_out
from deliveries.models import Account, Certainty, Message
from deliveries.statuses import PROOF, RINGS, Disposition, Fault, is_miss


class Health(NamedTuple):
    """`closed` is one of AddressHealth.Closed, `closed_why` what was reported; both '' while the channel is open.

    `enough` is that of `AddressHealth`. `failures` are the permanent ones that count, `misses` those messages that the
    person could not be reached with, one for each recipient; the newest first, each with its `Certainty`.
    """

    hard_fails: int
    last_failed_at: datetime | None
    last_code: str
    closed: str = ""
    closed_why: str = ""
    forgiven_at: datetime | None = (
        None  # what failed up to then does not count: a block lifted, the address confirmed
    )
    enough: int = 0
    failures: tuple[CountedFailure, ...] = ()
    misses: tuple[CountedFailure, ...] = ()
    miss_limit: int = 0  # so many misses in a row are too many

    def too_many(self, channel: str, strikes: int) -> bool:
        """Whether it failed for good often enough to be blocked; `strikes` is the playbook's number."""
        return 0 < strike_limit(channel, strikes, self.enough) <= self.hard_fails

    @property
    def unreachable(self) -> bool:
        """Whether nobody was reached there for too often or too long."""
        misses = self.misses
        if not self.miss_limit or len(misses) < min(self.miss_limit, FEWEST_UNREACHABLE):
            return False
        last, first = misses[0].message.settled_at, misses[-1].message.settled_at
        return len(misses) >= self.miss_limit or bool(last and first and last - first >= UNREACHABLE_FOR)


class HealthMessage(NamedTuple):
    """A message as far as it tells how its address fares."""

    id: int
    address: int
    channel: str
    disposition: str
    fault: str
    evidence: str
    settled_at: datetime | None
    code: str
    account: int
    recipient: int
    status: str
    failure_class: str
    delivered_at: datetime | None

    @property
    def failed(self) -> bool:
        return self.disposition == Disposition.BOUNCED_HARD and self.fault == Fault.RECIPIENT

    @property
    def missed(self) -> bool:
        return is_miss(self.disposition, self.fault, self.failure_class, self.status) and not self.reached

    @property
    def reached(self) -> bool:
        """Whether somebody is there, though it did not do what it was to do: it rang, or an automatic reply to what had
        arrived came as a bounce."""
        return self.status in RINGS or self.delivered_at is not None


class CountedFailure(NamedTuple):
    """A message that counts against its address, and how sure that is."""

    message: HealthMessage
    certainty: str


STORED = ("hard_fails", "enough", "last_failed_at", "last_code", "closed", "closed_why")
NO_FAILURES = Health(0, None, "")
UNASKED = BlockLimits({}, {})  # where nothing failed
FAILING = Q(hard_fails__gt=0) | ~Q(closed="")
TELLING = (Disposition.DELIVERED, Disposition.BOUNCED_HARD, Disposition.PENDING_RETRY)
MESSAGE_FIELDS = (
    "id", "address_id", "channel", "disposition", "fault", "evidence", "settled_at", "reason_code", "account_id",
    "recipient_id", "status", "failure_class", "delivered_at",
)  # fmt: skip


def refresh(pairs: Collection[tuple[int, int, str]]) -> dict[tuple[int, str], Health]:
    """Recompute the health of (contact, address, channel) triples, store it, and return it by (address, channel).

    Of every channel of these addresses: a number that is dead is so on all of them. Only what failed gets a row.
    """
    if not pairs:
        return {}
    every = examine({(contact, address, each) for contact, address, own in pairs for each in _siblings(own)})
    failing = {pair: found for pair, found in every.items() if found.hard_fails or found.closed}
    AddressHealth.objects.bulk_create(
        [
            AddressHealth(
                address_id=address, channel=channel, **{name: getattr(found, name) for name in STORED}
            )
            for (address, channel), found in sorted(failing.items())
        ],
        update_conflicts=True,
        unique_fields=["address", "channel"],
        update_fields=[*STORED, "updated_at"],
    )
    well = [
        pair for pair in troubled({address for address, _ in every}) if pair in every and pair not in failing
    ]
    for channel in {channel for _, channel in well}:
        rows = AddressHealth.objects.filter(
            address_id__in=[address for address, each in well if each == channel], channel=channel
        )
        rows.update(hard_fails=0, enough=0, closed="", closed_why="")
    return {pair: every[pair] for _, *rest in pairs if (pair := (rest[0], rest[1])) in every}


def _siblings(channel: str) -> list[str]:
    kind = KIND_OF[Channel(channel)]
    return [each.value for each in Channel if KIND_OF[each] == kind]


def examine(
    pairs: Collection[tuple[int, int, str]], other: Mapping[int, tuple[str, str]] | None = None
) -> dict[tuple[int, str], Health]:
    """The health of (contact, address, channel) triples by (address, channel), from the messages themselves.

    Counts permanent failures at the recipient's end since the last arrival, newest first. Temporary and unknown
    outcomes neither count nor end the row, and what was forgiven by a release or a correction does not come back. Nor
    does it count what could not be reached (`misses`), which whatever shows that somebody is there ends.
    `other` says which messages are to be taken for something else: message -> (disposition, fault).
    """
    if not pairs:
        return {}
    other = other or {}
    wanted = {(address, channel) for _, address, channel in pairs}
    rows = (
        Message.objects.filter(contact_id__in={contact for contact, _, _ in pairs})
        .filter(Q(disposition__in=TELLING) | Q(pk__in=list(other)))
        .order_by("-id")
        .values_list(*MESSAGE_FIELDS)
    )
    messages = []
    for each in map(HealthMessage._make, rows):
        disposition, fault = other.get(each.id, (each.disposition, each.fault))
        messages.append(each._replace(disposition=disposition, fault=fault))
    forgiven = _forgiven(wanted)
    providers, limits = _judged_by(messages)
    closed, disproved_ones = _closed(messages, wanted, forgiven, providers, limits)
    health = _counted(messages, wanted, forgiven, partial(_certainty, providers, disproved_ones))
    return {
        pair: _limited(found, pair[1], limits, providers)._replace(
            closed=closed.get(pair, ("", ""))[0],
            closed_why=closed.get(pair, ("", ""))[1],
            forgiven_at=forgiven.get(pair),
        )
        for pair, found in health.items()
    }


def _judged_by(messages: Sequence[HealthMessage]) -> tuple[dict[int, str], BlockLimits]:
    """Whose codes these are, and the limits; nothing is read where nothing failed."""
    if not any(message.failed or message.missed for message in messages):
        return {}, UNASKED
    return Account.objects.providers(), load_limits()


def _certainty(providers: Mapping[int, str], disproved_ones: Collection[int], message: HealthMessage) -> str:
    """How sure a failure is. One whose word something that arrived has disproved is as sure as any other."""
    code = "" if message.id in disproved_ones else message.code
    return certainty_of(providers.get(message.account, ""), message.channel, code).value


def _limited(found: Health, channel: str, limits: BlockLimits, providers: Mapping[int, str]) -> Health:
    """With how many of its failures are enough."""
    if not (found.failures or found.misses):
        return found
    asked = [
        limits.of(providers.get(one.message.account, ""), channel, one.message.code, one.certainty)
        for one in found.failures
    ]
    slow = limits.kinds[Certainty.UNREACHABLE].failures
    return found._replace(enough=enough_of(asked, channel), miss_limit=slow)


def _counted(
    messages: Sequence[HealthMessage],
    wanted: set[tuple[int, str]],
    forgiven: Mapping[tuple[int, str], datetime],
    certainty: Callable[[HealthMessage], str],
) -> dict[tuple[int, str], Health]:
    """The failures in a row of each pair, from messages that begin with the newest."""
    failures: defaultdict[tuple[int, str], list[CountedFailure]] = defaultdict(list)
    misses: defaultdict[tuple[int, str], dict[int, CountedFailure]] = defaultdict(dict)
    ended: set[tuple[int, str]] = set()
    reached: set[tuple[int, str]] = set()
    for message in messages:
        pair = (message.address, message.channel)
        if pair not in wanted or pair in ended:
            continue
        if message.disposition == Disposition.DELIVERED or _is_forgiven(message, pair, forgiven):
            ended.add(pair)
        elif message.failed:
            failures[pair].append(CountedFailure(message, certainty(message)))
        elif message.reached:
            reached.add(pair)
        elif message.missed and pair not in reached:
            # Retries of one message are one: a phone that is off for a day is not off seven times.
            misses[pair].setdefault(message.recipient, CountedFailure(message, Certainty.UNREACHABLE.value))
    return {pair: _health(failures[pair], tuple(misses[pair].values())) for pair in wanted}


def _health(failures: Sequence[CountedFailure], misses: tuple[CountedFailure, ...]) -> Health:
    """As counted, the newest first."""
    times = (one.message.settled_at for one in failures if one.message.settled_at)
    codes = (one.message.code for one in failures if one.message.code)
    return Health(len(failures), next(times, None), next(codes, ""), failures=tuple(failures), misses=misses)


def _closed(
    messages: Sequence[HealthMessage],
    wanted: set[tuple[int, str]],
    forgiven: Mapping[tuple[int, str], datetime],
    providers: Mapping[int, str],
    limits: BlockLimits,
) -> tuple[dict[tuple[int, str], tuple[str, str]], set[int]]:
    """What closes each pair: the newest failure that reaches so far, unless something arrived since or it takes more
    of them. And the messages whose word is disproved so."""
    arrived: defaultdict[int, set[str]] = defaultdict(set)
    found: dict[tuple[int, str], tuple[str, str]] = {}
    newest: dict[tuple[int, str], tuple[str, str]] = {}
    times: Counter[tuple[int, str]] = Counter()
    disproved_ones: set[int] = set()
    for message in messages:
        if message.disposition == Disposition.DELIVERED and message.evidence in PROOF:
            arrived[message.address].add(message.channel)
        if not message.failed:
            continue
        provider = providers.get(message.account, "")
        closed = ruled_out(provider, message.channel, message.code)
        if closed is None:
            continue
        if disproved(closed, message.channel, arrived[message.address]):
            disproved_ones.add(message.id)
            continue
        asked = limits.of(provider, message.channel, message.code, closed.value).failures
        for channel in channels_of(closed, message.channel):
            pair = (message.address, channel)
            if pair in wanted and pair not in found and not _is_forgiven(message, pair, forgiven):
                short = describe(provider, message.channel, message.code).short or "A permanent failure"
                newest.setdefault(pair, (closed.value, f"{short[:150]}{reported_by(message.channel)}"))
                times[pair] += 1
                if times[pair] >= asked:
                    found[pair] = newest[pair]
    return found, disproved_ones


def is_forgiven(message: Message, health: Health) -> bool:
    """Whether the address was confirmed, or its block lifted, after this message failed there."""
    return bool(health.forgiven_at and message.settled_at and message.settled_at <= health.forgiven_at)


def _is_forgiven(
    message: HealthMessage, pair: tuple[int, str], forgiven: Mapping[tuple[int, str], datetime]
) -> bool:
    until = forgiven.get(pair)
    return bool(until and message.settled_at and message.settled_at <= until)


def _forgiven(pairs: Collection[tuple[int, str]]) -> dict[tuple[int, str], datetime]:
    """When a block that stood for failures was last lifted, or the address confirmed, by (address, channel).

    Lifted for a corrected code mapping is not forgiven: those failures are none any more, or count again.
    """
    keys = dict(Address.objects.filter(pk__in={pk for pk, _ in pairs}).values_list("pk", "match_key"))
    lifted = Suppression.objects.filter(
        match_key__in=set(keys.values()) - {""},
        reason__in=Suppression.OF_FAILURES,
        released_at__isnull=False,
    ).exclude(release_note__startswith=MAPPING_CORRECTED)
    latest: dict[tuple[str, str], datetime] = {}
    for key, channel, at in lifted.order_by("released_at").values_list("match_key", "channel", "released_at"):
        if at is not None:  # the filter says so too
            latest[key, channel] = at
    cleared = AddressHealth.objects.filter(address_id__in={pk for pk, _ in pairs}, cleared_at__isnull=False)
    found = {
        (pk, channel): at
        for pk, channel, at in cleared.values_list("address_id", "channel", "cleared_at")
        if at
    }
    for pk, channel in pairs:
        times = [at for where in ("", channel) if (at := latest.get((keys[pk], where)))]
        if times:
            found[pk, channel] = max([*times, found.get((pk, channel), times[0])])
    return found


def troubled(addresses: Iterable[int]) -> set[tuple[int, str]]:
    """The (address, channel) pairs of these addresses whose health row counts failures, or is closed."""
    rows = AddressHealth.objects.filter(FAILING, address_id__in=list(addresses))
    return set(rows.values_list("address_id", "channel"))
