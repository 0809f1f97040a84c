"""How addresses fare: permanent failures in a row, recomputed from the messages themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from contacts.models import Address, AddressHealth, Suppression
from contacts.suppressing import MAPPING_CORRECTED
from deliveries.models import Message
from deliveries.statuses import Disposition, Fault


class Health(NamedTuple):
    hard_fails: int
    last_failed_at: datetime | None
    last_code: str


def refresh(pairs: Collection[tuple[int, int, str]]) -> dict[tuple[int, str], Health]:
    """Recompute the health of (contact, address, channel) triples, store it, and return it by (address, channel).

    Only addresses that failed get a row.
    """
    health = examine(pairs)
    AddressHealth.objects.bulk_create(
        [
            AddressHealth(
                address_id=address,
                channel=channel,
                hard_fails=found.hard_fails,
                last_failed_at=found.last_failed_at,
                last_code=found.last_code,
            )
            for (address, channel), found in sorted(health.items())
        ],
        update_conflicts=True,
        unique_fields=["address", "channel"],
        update_fields=["hard_fails", "last_failed_at", "last_code", "updated_at"],
    )
    return health


def examine(
    pairs: Collection[tuple[int, int, str]], other: Mapping[int, tuple[str, str]] | None = None
) -> dict[tuple[int, str], Health]:
    """The health of (contact, address, channel) triples by (address, channel), from the messages themselves.

    Counts permanent failures at the recipient's end since the last arrival, newest first. Temporary and unknown
    outcomes neither count nor end the row, and what was forgiven by a release does not come back. `other` says
    which messages are to be taken for something else: message -> (disposition, fault).
    """
    if not pairs:
        return {}
    other = other or {}
    wanted = {(address, channel) for _, address, channel in pairs}
    telling = (
        Message.objects.filter(contact_id__in={contact for contact, _, _ in pairs})
        .filter(Q(disposition__in=[Disposition.DELIVERED, Disposition.BOUNCED_HARD]) | Q(pk__in=list(other)))
        .order_by("-id")
        .values_list("id", "address_id", "channel", "disposition", "fault", "settled_at", "reason_code")
    )
    forgiven = _forgiven(wanted)
    health = {pair: Health(0, None, "") for pair in wanted}
    ended: set[tuple[int, str]] = set()
    for message, address, channel, told, blamed, at, code in telling:
        disposition, fault = other.get(message, (told, blamed))
        pair = (address, channel)
        if pair not in wanted or pair in ended:
            continue
        released_at = forgiven.get(pair)
        if disposition == Disposition.DELIVERED or (released_at and at and at <= released_at):
            ended.add(pair)
        elif disposition == Disposition.BOUNCED_HARD and fault == Fault.RECIPIENT:
            so_far = health[pair]
            health[pair] = Health(
                so_far.hard_fails + 1, so_far.last_failed_at or at, so_far.last_code or code
            )
    return health


def _forgiven(pairs: Collection[tuple[int, str]]) -> dict[tuple[int, str], datetime]:
    """When a block that stood for failures was last lifted, by (address, channel); only those where one was.

    Lifted for a corrected code mapping is not forgiven: those failures are none any more, or count again.
    """
    values = dict(Address.objects.filter(pk__in={pk for pk, _ in pairs}).values_list("pk", "value"))
    lifted = Suppression.objects.filter(
        value__in=set(values.values()),
        reason__in=[Suppression.Reason.HARD_FAILS, Suppression.Reason.HARD_BOUNCE],
        released_at__isnull=False,
    ).exclude(release_note__startswith=MAPPING_CORRECTED)
    latest: dict[tuple[str, str], datetime] = {}
    for value, channel, at in lifted.order_by("released_at").values_list("value", "channel", "released_at"):
        if at is not None:  # the filter says so too
            latest[value, channel] = at
    found = {}
    for pk, channel in pairs:
        times = [at for key in ("", channel) if (at := latest.get((values[pk], key)))]
        if times:
            found[pk, channel] = max(times)
    return found


def troubled(pairs: Collection[tuple[int, str]]) -> set[tuple[int, str]]:
    """Those (address, channel) pairs whose health row counts failures."""
    rows = AddressHealth.objects.filter(address_id__in={address for address, _ in pairs}, hard_fails__gt=0)
    return set(rows.values_list("address_id", "channel")) & set(pairs)
