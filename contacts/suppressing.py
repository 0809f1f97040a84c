"""Suppress and release. Each act has its own row, which stands and is lifted on its own."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from contacts.addresses import match_key
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
    fact: str = "",
) -> Suppression:
    """Block an address wherever it stands, or with an empty `value` the whole contact; everything we send.

    Every act stands on its own, whatever else blocks the address: who, why, until when. `fact` names what it is
    recorded for, such as a message or a batch: told again, the row that there is comes back, lifted or not. The same
    without a fact is what the same colleague said in the same words, and still holds. Raises ValueError when neither
    contact nor value is given.
    """
    if not value and contact is None:
        raise ValueError("A suppression needs a contact or an address.")
    made = Suppression(
        contact=contact,
        value=value,
        channel=channel,
        reason=reason,
        origin=origin,
        evidence=evidence,
        fact=fact,
        created_by=by,
        created_at=now,
        expires_at=expires_at,
    )
    if fact and value:
        Suppression.objects.bulk_create([made], ignore_conflicts=True)
        same = _same_fact(made).get()
        return _put_back(same) if same.release_note.startswith(MAPPING_CORRECTED) else same
    said = _same_words(made, now).first()
    if said is None:
        made.save()
    return said or made


def _same_fact(made: Suppression) -> QuerySet[Suppression]:
    return Suppression.objects.filter(
        match_key=match_key(made.value),
        channel=made.channel,
        scope=made.scope,
        scope_value=made.scope_value,
        reason=made.reason,
        fact=made.fact,
    ).exclude(value="")


def _same_words(made: Suppression, now: datetime) -> QuerySet[Suppression]:
    whom = Q(match_key=match_key(made.value)) if made.value else Q(contact=made.contact)
    return Suppression.objects.in_force(now).filter(
        whom & (~Q(value="") if made.value else Q(value="")),
        channel=made.channel,
        scope=made.scope,
        reason=made.reason,
        origin=made.origin,
        evidence=made.evidence,
        fact=made.fact,
        created_by=made.created_by,
        expires_at=made.expires_at,
    )


def _put_back(lifted: Suppression) -> Suppression:
    """It was lifted because a provider's word seemed to mean something else, and means it after all."""
    lifted.released_at, lifted.released_by, lifted.release_note = None, None, ""
    lifted.save(update_fields=["released_at", "released_by", "release_note"])
    return lifted


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
        health = AddressHealth.objects.filter(address__match_key=suppression.match_key)
    else:
        health = AddressHealth.objects.filter(address__contact=suppression.contact)
    if suppression.channel:
        health = health.filter(channel=suppression.channel)
    health.update(hard_fails=0, closed="", closed_why="", cleared_at=now, updated_at=now)
