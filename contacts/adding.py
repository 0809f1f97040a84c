"""Add one person by hand: with the normal forms and checks of an import, and nothing that goes around a no."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User
from contacts.addresses import match_key
from contacts.carrying import carry
from contacts.channels import KIND_OF, Channel, Kind
from contacts.correcting import Details, refuse_another_s_id, refuse_others, validated
from contacts.grounds import day
from contacts.import_matches import opted_out
from contacts.lists import count_at_once
from contacts.models import Address, Consent, Contact, ContactList, ListMembership, Note


class Agreed(NamedTuple):
    """What a colleague says the person agreed to: on which channels, how, and what proves it."""

    channels: Sequence[str] = ()
    how: str = ""
    evidence: str = ""


def add_person(
    details: Details,
    *,
    lists: Sequence[ContactList] = (),
    agreed: Agreed = Agreed(),  # noqa: B008 - it cannot be changed
    region: str,
    by: User | None,
    now: datetime,
    shared: Collection[str] = (),
) -> Contact:
    """A new contact with at least a number or an email, on these lists; the first one is their source. All or nothing.

    That they agreed is recorded as a colleague's word: it counts only where the person has said nothing. `region` and
    `shared` as in `correct`. Raises ValidationError with the faults by field, AlreadyTheirs where it is only that.
    """
    wanted = validated(details, region)
    addresses = [one for one in wanted.values() if isinstance(one, Address)]
    if not addresses:
        raise ValidationError({"phone": "Give a phone number or an email."})
    with transaction.atomic():
        contact = Contact(created_at=now, source=lists[0] if lists else None)
        refuse_another_s_id(contact, wanted)
        _refuse_consent(agreed, addresses, now)
        refuse_others(contact, addresses, shared)
        for field in ("name", "time_zone", "external_id", "stage"):
            setattr(contact, field, wanted.get(field, ""))
        contact.save()
        for one in addresses:
            one.contact = contact
            one.save()
        carry([], [contact.pk], now)
        ListMembership.objects.bulk_create(
            ListMembership(contact=contact, contact_list=each, added_at=now) for each in lists
        )
        Consent.objects.bulk_create(
            Consent(
                contact=contact,
                channel=each,
                opted_in=True,
                at=now,
                how=agreed.how,
                origin=Consent.Origin.STAFF,
                evidence=agreed.evidence,
                recorded_by=by,
            )
            for each in agreed.channels
        )
        Note.objects.create(contact=contact, author=by, text="Added by hand.", at=now)
        for each in lists:
            count_at_once(each, now)
    return contact


def _refuse_consent(agreed: Agreed, addresses: Sequence[Address], now: datetime) -> None:
    """Raises ValidationError where the consent is about no address, says not how, or goes against a no."""
    if agreed.channels and not agreed.how.strip():
        raise ValidationError({"how": "Say how they agreed, such as “Paper form”."})
    keys = {Kind(one.kind): match_key(one.value) for one in addresses}
    since = opted_out(set(keys.values()), now)
    for each in agreed.channels:
        channel = Channel(each)
        key = keys.get(KIND_OF[channel])
        if key is None:
            raise ValidationError({"agreed": f"There is no address for {channel.in_sentence}."})
        if key in since:
            why = f"Somebody opted out there on {day(since[key])}; only the person can opt back in."
            raise ValidationError({"agreed": f"{channel.label}: {why}"})
