"""How addresses fare: failures in a row, and what cannot work at all, recomputed from the messages themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from contacts.channels import KIND_OF, Channel
from contacts.models import Address, AddressHealth, Suppression
from contacts.suppressing import MAPPING_CORRECTED
from deliveries.meaning.mappings import describe
from deliveries.meaning.ruling_out import channels_of, disproved, ruled_out
from deliveries.models import Account, Message
from deliveries.statuses import Disposition, Evidence, Fault


class Health(NamedTuple):
    """`closed` is one of AddressHealth.Closed, `closed_why` what was reported; both '' while the channel is open."""

    hard_fails: int
    last_failed_at: datetime | None
    last_code: str
    closed: str = ""
    closed_why: str = ""
    forgiven_at: datetime | None = (
        None  # what failed up to then does not count: a block lifted, the address confirmed
    )


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

    @property
    def failed(self) -> bool:
        return self.disposition == Disposition.BOUNCED_HARD and self.fault == Fault.RECIPIENT


STORED = ("hard_fails", "last_failed_at", "last_code", "closed", "closed_why")
NO_FAILURES = Health(0, None, "")
FAILING = Q(hard_fails__gt=0) | ~Q(closed="")
PROOF = {Evidence.CARRIER, Evidence.HANDSET}  # of an arrival; else it was assumed
MESSAGE_FIELDS = (
    "id", "address_id", "channel", "disposition", "fault", "evidence", "settled_at", "reason_code", "account_id"
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
        rows.update(hard_fails=0, closed="", closed_why="")
    return {pair: every[pair] for _, *rest in pairs if (pair := (rest[0], rest[1])) in every}


def _siblings(channel: str) -> list[str]:
    kind = KIND_OF[Channel(channel)]
    return [each.value for each in Channel if KIND_OF[each] == kind]


def examine(
    pairs: Collection[tuple[int, int, str]], other: Mapping[int, tuple[str, str]] | None = None
) -> dict[tuple[int, str], Health]:
    """The health of (contact, address, channel) triples by (address, channel), from the messages themselves.

    Counts permanent failures at the recipient's end since the last arrival, newest first. Temporary and unknown
    outcomes neither count nor end the row, and what was forgiven by a release or a correction does not come back.
    `other` says which messages are to be taken for something else: message -> (disposition, fault).
    """
    if not pairs:
        return {}
    other = other or {}
    wanted = {(address, channel) for _, address, channel in pairs}
    rows = (
        Message.objects.filter(contact_id__in={contact for contact, _, _ in pairs})
        .filter(Q(disposition__in=[Disposition.DELIVERED, Disposition.BOUNCED_HARD]) | Q(pk__in=list(other)))
        .order_by("-id")
        .values_list(*MESSAGE_FIELDS)
    )
    messages = []
    for each in map(HealthMessage._make, rows):
        disposition, fault = other.get(each.id, (each.disposition, each.fault))
        messages.append(each._replace(disposition=disposition, fault=fault))
    forgiven = _forgiven(wanted)
    health = _counted(messages, wanted, forgiven)
    for pair, (closed, why) in _closed(messages, wanted, forgiven).items():
        health[pair] = health[pair]._replace(closed=closed, closed_why=why)
    return {pair: found._replace(forgiven_at=forgiven.get(pair)) for pair, found in health.items()}


def _counted(
    messages: Sequence[HealthMessage],
    wanted: set[tuple[int, str]],
    forgiven: Mapping[tuple[int, str], datetime],
) -> dict[tuple[int, str], Health]:
    """The failures in a row of each pair, from messages that begin with the newest."""
    health = dict.fromkeys(wanted, NO_FAILURES)
    ended: set[tuple[int, str]] = set()
    for message in messages:
        pair = (message.address, message.channel)
        if pair not in wanted or pair in ended:
            continue
        if message.disposition == Disposition.DELIVERED or _is_forgiven(message, pair, forgiven):
            ended.add(pair)
        elif message.failed:
            so_far = health[pair]
            health[pair] = Health(
                so_far.hard_fails + 1,
                so_far.last_failed_at or message.settled_at,
                so_far.last_code or message.code,
            )
    return health


def _closed(
    messages: Sequence[HealthMessage],
    wanted: set[tuple[int, str]],
    forgiven: Mapping[tuple[int, str], datetime],
) -> dict[tuple[int, str], tuple[str, str]]:
    """What closes each pair: the newest failure that reaches so far, unless something arrived since."""
    providers: dict[int, str] = {}
    if any(message.failed for message in messages):
        providers = Account.objects.providers()
    arrived: defaultdict[int, set[str]] = defaultdict(set)
    found: dict[tuple[int, str], tuple[str, str]] = {}
    for message in messages:
        if message.disposition == Disposition.DELIVERED and message.evidence in PROOF:
            arrived[message.address].add(message.channel)
        if not message.failed:
            continue
        provider = providers.get(message.account, "")
        closed = ruled_out(provider, message.channel, message.code)
        if closed is None or disproved(closed, message.channel, arrived[message.address]):
            continue
        for channel in channels_of(closed, message.channel):
            pair = (message.address, channel)
            if pair in wanted and pair not in found and not _is_forgiven(message, pair, forgiven):
                short = describe(provider, message.channel, message.code).short or "A permanent failure"
                why = f"{short}, reported by {Channel(message.channel).in_sentence}"
                found[pair] = (closed.value, why[:200])
    return found


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
        reason__in=[Suppression.Reason.HARD_FAILS, Suppression.Reason.HARD_BOUNCE],
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
