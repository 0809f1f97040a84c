"""The list of suppressions as people look through it: by address in any form, by state, and whose each address is.
For the pages and the admin alike."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Count, Min, Q

from contacts import searching
from contacts.models import Address, Contact, Suppression

MOST_NAMED = 500  # suppressions of one address or person


class BlockState(models.TextChoices):
    BLOCKING = "blocking", "Blocking"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


ENDING = "ending"  # of what blocks, what ends by itself before long
ENDS_WITHIN = timedelta(days=30)
STATES = [*BlockState.choices, (ENDING, f"Ends within {ENDS_WITHIN.days} days")]


def state_of(row: Suppression, now: datetime) -> BlockState:
    if row.released_at:
        return BlockState.RELEASED
    return BlockState.EXPIRED if row.expires_at and row.expires_at <= now else BlockState.BLOCKING


def in_state(state: str, now: datetime) -> Q:
    """A condition on suppressions, by a key of `STATES`; every one for a state that is none."""
    if state == ENDING:
        return Q(released_at=None, expires_at__gt=now, expires_at__lte=now + ENDS_WITHIN)
    conditions = {
        BlockState.BLOCKING: Q(released_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now)),
        BlockState.RELEASED: Q(released_at__isnull=False),
        BlockState.EXPIRED: Q(released_at=None, expires_at__lte=now),
    }
    return conditions[BlockState(state)] if state in BlockState else Q()


def named(text: str) -> Q:
    """A condition on suppressions: `text` is their address, in any form, or the foreign id or number of their contact.

    The address may be no contact's; a block of the whole person who has it is found by it too. One query at once, and
    no more than MOST_NAMED are found, those that were made last.
    """
    text = searching.clean(text)
    keys = searching.keys(text)
    by_value = Suppression.objects.filter(match_key__in=keys).exclude(value="").values("id")
    holders, *contacts = searching.exactly(text)
    ways = [
        Suppression.objects.filter(contact__in=holders.order_by(), value="").values("id"),
        *(Suppression.objects.filter(contact__in=one.order_by()).values("pk") for one in contacts),
    ]
    if text.startswith("#") and (number := searching.numbered(text)):
        ways.append(Suppression.objects.filter(contact=number).values("id"))
    # As a list: of a union in the same statement PostgreSQL believes that it finds many, and goes through all rows.
    found = by_value.union(*ways).order_by("-id").values_list("id", flat=True)
    return Q(pk__in=list(found[:MOST_NAMED]))


def find_holders(rows: Collection[Suppression]) -> None:
    """Give each row its `holder`: the contact it names or the first who has its address, and how many others have it.

    None where nobody does. Two queries.
    """
    keys = {row.match_key for row in rows if not row.contact_id and row.match_key}
    counted = Address.objects.filter(match_key__in=keys).values("match_key")
    counted = counted.annotate(first=Min("contact"), people=Count("contact", distinct=True))
    holders = {one["match_key"]: one for one in counted.order_by()}
    contacts = Contact.objects.in_bulk([one["first"] for one in holders.values()])
    for row in rows:
        one = holders.get(row.match_key)
        found = (contacts[one["first"]], one["people"] - 1) if one else None
        row.holder = (row.contact, 0) if row.contact else found  # type: ignore[attr-defined]
