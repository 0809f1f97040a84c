"""Suppress and release. Each act has its own row, which stands and is lifted on its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from contacts.addresses import match_key
from contacts.chunks import in_lists
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
        return suppress_each([made])[0]
    said = _same_words(made, now).first()
    if said is None:
        made.save()
    return said or made


def suppress_each(wanted: Sequence[Suppression]) -> list[Suppression]:
    """Block many addresses at once, each row with its `value` and its `fact`; in a number of queries that does not
    grow with them. Gives the row that stands for each: where the fact was recorded before, that one, lifted or not.

    What was lifted because a provider's word seemed to mean something else is put back: it means it after all.
    """
    first = {_fact_of(one): one for one in reversed(wanted)}
    Suppression.objects.bulk_create(first.values(), batch_size=300, ignore_conflicts=True)
    found: dict[tuple[str, ...], Suppression] = {}
    for part in in_lists({one.match_key for one in first.values()}):
        rows = Suppression.objects.filter(match_key__in=part).exclude(fact="").exclude(value="")
        found |= {key: row for row in rows if (key := _fact_of(row)) in first}
    put_back([row for row in found.values() if row.release_note.startswith(MAPPING_CORRECTED)])
    return [found[_fact_of(one)] for one in wanted]


def _fact_of(row: Suppression) -> tuple[str, ...]:
    """What makes two rows the same one."""
    return (match_key(row.value), row.channel, row.scope, row.scope_value, row.reason, row.fact)


def put_back(lifted: Sequence[Suppression]) -> None:
    """These were lifted because a provider's word seemed to mean something else, and stand again."""
    for row in lifted:
        row.released_at, row.released_by, row.release_note = None, None, ""
    for part in in_lists(row.pk for row in lifted):
        rows = Suppression.objects.filter(pk__in=part)
        rows.update(released_at=None, released_by=None, release_note="")


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


def release_each(
    suppressions: QuerySet[Suppression], *, by: User | None, note: str, now: datetime
) -> set[int]:
    """`release` for many of staff's own at once: the keys of those lifted. What the person asked for stays."""
    mine = suppressions.filter(released_at=None).exclude(origin=Suppression.Origin.RECIPIENT)
    rows = list(mine.only("value", "match_key", "channel", "reason", "contact_id"))
    mine.filter(pk__in=[row.pk for row in rows]).update(
        released_at=now, released_by=by, release_note=note[:LONGEST_NOTE]
    )
    for row in rows:
        if row.reason in (Suppression.Reason.HARD_FAILS, Suppression.Reason.HARD_BOUNCE):
            _forgive(row, now)
    return {row.pk for row in rows}


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
