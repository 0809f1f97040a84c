"""Lists of contacts: made, renamed, joined, left, deleted when empty, and counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from contacts.channels import Channel
from contacts.consent_ledger import sql_latest
from contacts.models import (
    Address,
    AutomaticAnswer,
    Contact,
    ContactList,
    DoubleOptIn,
    ListCount,
    ListMembership,
)
from contacts.searching import clean, exactly, numbered
from contacts.slugs import free_slug

PORTION = 20_000  # members counted in one statement
COUNTED_AT_ONCE = 5_000  # members of a list that is counted anew as soon as it changes
EVERY = timedelta(minutes=30)  # between two counts of a list
USABLE = (Address.Validity.VALID, Address.Validity.UNVERIFIED)  # of an address that is not known to be wrong


class NotEmpty(Exception):
    """The list is needed; the message says by what."""


def name_fault(name: str, own: ContactList | None = None) -> str:
    """Why a list cannot be called so, in a sentence; '' where it can. Capitals do not tell two lists apart."""
    others = ContactList.objects.filter(name__iexact=name)
    if own is not None:
        others = others.exclude(pk=own.pk)
    return f"There is a list called “{name}” already." if others.exists() else ""


def make_list(name: str, description: str, now: datetime) -> ContactList:
    """A new, empty list. Raises ValidationError for a name that is taken."""
    fault = name_fault(name)
    if fault:
        raise ValidationError({"name": fault})
    try:
        with transaction.atomic():
            slug = free_slug(name, ContactList.objects.all(), "list")
            made = ContactList.objects.create(name=name, slug=slug, description=description, created_at=now)
            ListCount.objects.create(contact_list=made, counted_at=now)
    except IntegrityError:  # somebody made it in this very moment
        raise ValidationError({"name": f"There is a list called “{name}” already."}) from None
    return made


def lock_lists(lists: QuerySet[ContactList]) -> list[int]:
    """Have whoever else locks one of these wait until the caller's transaction ends; their ids. People are added and
    removed all the while."""
    no_key = connection.features.has_select_for_no_key_update
    of = ("self",) if connection.features.has_select_for_update_of else ()
    rows = ContactList.objects.filter(pk__in=lists.values("pk")).order_by("pk")
    return list(rows.select_for_update(no_key=no_key, of=of).values_list("pk", flat=True))


def found_for(text: str) -> list[Contact]:
    """The contacts that `text` spells out: a whole number or email, a customer ID, or #7 for our own number."""
    text = clean(text)
    if not text:
        return []
    ids = {pk for way in exactly(text) for pk in way[:10]}
    if text.startswith("#") and (number := numbered(text)):
        ids |= set(Contact.objects.filter(pk=number).values_list(Coalesce("merged_into_id", "pk"), flat=True))
    return list(Contact.objects.filter(pk__in=ids).order_by("pk"))


def add_member(contact_list: ContactList, contact: Contact, now: datetime) -> bool:
    """Whether they were not on it before."""
    with transaction.atomic():
        _, added = ListMembership.objects.get_or_create(
            contact_list=contact_list, contact=contact, defaults={"added_at": now}
        )
        count_at_once(contact_list, now)
    return added


def remove_member(contact_list: ContactList, contact: Contact, now: datetime) -> bool:
    """Whether they were on it. Nothing else changes for the person: what they said stays, and where they came from."""
    with transaction.atomic():
        removed, _ = ListMembership.objects.filter(contact_list=contact_list, contact=contact).delete()
        count_at_once(contact_list, now)
    return bool(removed)


# What goes with a list, or outlives it, or is asked about by itself.
_OWN = (AutomaticAnswer, Contact, DoubleOptIn, ListCount, ListMembership)


@transaction.atomic
def delete_empty(contact_list: ContactList) -> None:
    """Raises NotEmpty as long as anybody is on it, came from it, or a campaign names it."""
    ContactList.objects.select_for_update().get(pk=contact_list.pk)
    if ListMembership.objects.filter(contact_list=contact_list).exists():
        raise NotEmpty("There are people on it. Remove them first.")
    if Contact.objects.filter(source=contact_list).exists():
        raise NotEmpty("It is the list source of people, and their outcomes are reported by it.")
    for relation in ContactList._meta.get_fields(include_hidden=True):
        model: Any = relation.related_model if relation.auto_created and not relation.concrete else None
        if model in (None, *_OWN) or not relation.one_to_many:
            continue
        if model.objects.filter(**{relation.field.name: contact_list}).exists():  # type: ignore[union-attr]
            raise NotEmpty("A campaign or an import names it, and keeps it on record.")
    contact_list.delete()


# ---- Counting --------------------------------------------------------------------------------------------------


def count_at_once(contact_list: ContactList, now: datetime) -> None:
    """After a change, where that is quick; a longer list is counted in its turn."""
    if contact_list.memberships.all()[: COUNTED_AT_ONCE + 1].count() > COUNTED_AT_ONCE:
        return
    figures, _ = ListCount.objects.get_or_create(contact_list=contact_list)
    figures.so_far, figures.next_contact = {}, 0
    while not _count_portion(figures, now):
        pass


def count_some(now: datetime) -> int:
    """Count some members of the list whose turn it is; return how many lists were looked at. A step of the worker."""
    figures = _whose_turn(now)
    if figures is None:
        return 0
    _count_portion(figures, now)
    return 1


def _whose_turn(now: datetime) -> ListCount | None:
    begun = ListCount.objects.filter(next_contact__gt=0).order_by("pk").first()
    if begun is not None:
        return begun
    new = ContactList.objects.filter(figures=None).order_by("pk").first()
    if new is not None:
        return ListCount.objects.get_or_create(contact_list=new)[0]
    due = Q(counted_at=None) | Q(counted_at__lt=now - EVERY)
    return ListCount.objects.filter(due).order_by("counted_at", "pk").first()


def _count_portion(figures: ListCount, now: datetime) -> bool:
    """Count the next PORTION members; whether that was the end."""
    members = ListMembership.objects.filter(
        contact_list=figures.contact_list_id, contact__gte=figures.next_contact
    )
    ends = members.order_by("contact_id").values_list("contact_id", flat=True)[PORTION : PORTION + 1]
    end = next(iter(ends), None)
    found = _counted(figures.contact_list_id, figures.next_contact, end)
    so_far = {name: figures.so_far.get(name, 0) + n for name, n in found.items()}
    if end is not None:
        figures.so_far, figures.next_contact = so_far, end
    else:
        figures.people, figures.valid = so_far["people"], so_far["valid"]
        figures.opted_in = {channel.value: so_far[channel.value] for channel in Channel}
        figures.so_far, figures.next_contact, figures.counted_at = {}, 0, now
    figures.save()
    return end is None


def _counted(contact_list: int, begin: int, end: int | None) -> dict[str, int]:
    """People, valid and opted in on each channel, of the members from `begin` to before `end`. One statement."""
    usable = ", ".join(f"'{each.value}'" for each in USABLE)
    opted_in = ", ".join(
        f"coalesce(sum(CASE WHEN {sql_latest(each.value)} THEN 1 ELSE 0 END), 0)" for each in Channel
    )
    sql = f"""SELECT count(*), coalesce(sum(CASE WHEN EXISTS (SELECT 1 FROM contacts_address a
        WHERE a.contact_id = c.id AND a.preferred AND a.validity IN ({usable})) THEN 1 ELSE 0 END), 0), {opted_in}
      FROM (SELECT contact_id AS id FROM contacts_listmembership
        WHERE contact_list_id = %s AND contact_id >= %s {"AND contact_id < %s" if end is not None else ""}) c"""  # noqa: S608 - constants of ours
    values = [contact_list, begin, *([end] if end is not None else [])]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found = cursor.fetchone()
    return dict(zip(("people", "valid", *Channel.values), map(int, found), strict=True))
