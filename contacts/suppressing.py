"""Suppress and release. A suppression only ever gets stricter by being said again; releasing is its own act."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from contacts.models import AddressHealth, Contact, Suppression

LONGEST_NOTE = 300
# How the note of a block begins that was lifted because a provider's word turned out to mean something else.
MAPPING_CORRECTED = "Mapping corrected"


class CannotRelease(Exception):
    """The person asked for it themselves: only their own new consent lifts it."""

    def __init__(self, suppression: Suppression) -> None:
        super().__init__(f"{suppression}: asked for by the person. Only new consent from them can lift it.")
        self.suppression = suppression


@transaction.atomic
def suppress(
    *,
    contact: Contact | None = None,
    value: str = "",
    channel: str = "",
    reason: str,
    origin: str,
    evidence: str = "",
    by: User | None = None,
    now: datetime,
    expires_at: datetime | None = None,
) -> Suppression:
    """Block an address wherever it stands, or with an empty `value` the whole contact; everything we send.

    The one already in force for the same reason is returned instead of a second one. It is made stricter where
    this one is: a later or no end, and the person's own wish above anybody else's. Raises ValueError when neither
    contact nor value is given.
    """
    if not value and contact is None:
        raise ValueError("A suppression needs a contact or an address.")
    if not value and contact is not None:
        Contact.objects.select_for_update().get(pk=contact.pk)  # no unique key guards a contact's own
    same = _same(contact, value, channel, reason)
    same.filter(expires_at__lte=now).update(released_at=now, release_note="Ended by itself.")
    Suppression.objects.bulk_create(
        [
            Suppression(
                contact=contact,
                value=value,
                channel=channel,
                reason=reason,
                origin=origin,
                evidence=evidence,
                created_by=by,
                created_at=now,
                expires_at=expires_at,
            )
        ]
        if value or not same.exists()
        else [],
        ignore_conflicts=True,
    )
    _tighten(same, origin, evidence, expires_at)
    return same.latest("id")


def _same(contact: Contact | None, value: str, channel: str, reason: str):
    whom = Q(value=value) if value else Q(value="", contact=contact)
    return Suppression.objects.filter(
        whom,
        channel=channel,
        reason=reason,
        scope=Suppression.Scope.EVERYTHING,
        scope_value="",
        released_at=None,
    )


def _tighten(same, origin: str, evidence: str, expires_at: datetime | None) -> None:
    if expires_at is None:
        same.exclude(expires_at=None).update(expires_at=None)
    else:
        same.filter(expires_at__lt=expires_at).update(expires_at=expires_at)
    if origin == Suppression.Origin.RECIPIENT:
        same.exclude(origin=origin).update(origin=origin, evidence=evidence)


@transaction.atomic
def release(suppression: Suppression, *, by: User | None, note: str, now: datetime) -> None:
    """Lift a suppression; one that is lifted already stays as it is.

    One that stood for failures also takes back the failures counted, else the gate would go on refusing the
    address for them. Raises CannotRelease for what the person asked for.
    """
    mine = Suppression.objects.filter(pk=suppression.pk, released_at=None)
    lifted = mine.exclude(origin=Suppression.Origin.RECIPIENT).update(
        released_at=now, released_by=by, release_note=note[:LONGEST_NOTE]
    )
    suppression.refresh_from_db()
    if suppression.by_recipient and suppression.released_at is None:
        raise CannotRelease(suppression)
    if lifted and suppression.reason in (Suppression.Reason.HARD_FAILS, Suppression.Reason.HARD_BOUNCE):
        _forgive(suppression, now)


def lift_mistaken(suppressions: QuerySet[Suppression], *, note: str, now: datetime) -> int:
    """Lift blocks that stood for a misread word of a provider; return how many there were.

    Also those that passed for the person's own wish, since they never said so.
    """
    standing = suppressions.filter(released_at=None)
    return standing.update(released_at=now, release_note=f"{MAPPING_CORRECTED}: {note}"[:LONGEST_NOTE])


def _forgive(suppression: Suppression, now: datetime) -> None:
    if suppression.value:
        health = AddressHealth.objects.filter(address__value=suppression.value)
    else:
        health = AddressHealth.objects.filter(address__contact=suppression.contact)
    if suppression.channel:
        health = health.filter(channel=suppression.channel)
    health.update(hard_fails=0, closed="", closed_why="", cleared_at=now, updated_at=now)
