"""Taking back what an import changed: what it made goes, what it changed goes back.

Somebody who is in a campaign by now, wrote to us or was changed by a colleague since stays as they are. Opt-outs and
suppressions always stay: what a person refused is no mistake of a file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts.models import User
from contacts.carrying import addresses_change
from contacts.grounds import OUT_ELSEWHERE
from contacts.lists import count_at_once
from contacts.models import (
    Address,
    AddressHealth,
    Consent,
    Contact,
    ContactImport,
    ImportedContact,
    ListMembership,
)

State = ContactImport.State
Kept = ImportedContact.Kept
AT_ONCE = 1_000
OWN = {"addresses", "consents", "memberships", "imports"}  # relations of a contact that an import makes
BY_COLLEAGUES = {"notes", "suppressions"}


def undo(one: ContactImport, by: User | None, now: datetime) -> bool:
    """Have the worker take it back; False where that is under way, or it is not done."""
    mine = ContactImport.objects.filter(pk=one.pk, state=State.DONE)
    return bool(mine.update(state=State.UNDOING, undone_by=by, undone_at=now, tries=0))


def take_back(one: ContactImport, now: datetime) -> int:
    """Some people of it, in the caller's transaction; return how many. The import's state says when all are done."""
    rows = list(one.people.filter(kept="").order_by("pk")[:AT_ONCE])
    if not rows:
        one.state = State.UNDONE if one.state == State.UNDOING else State.FAILED
        one.finished_at = one.finished_at or now
        one.save(update_fields=["state", "finished_at"])
        if one.contact_list:
            count_at_once(one.contact_list, now)
        return 1
    kept = _kept(rows)
    for row in rows:
        row.kept = kept.get(row.contact_id, "")
    staying = [row for row in rows if row.kept]
    ImportedContact.objects.bulk_update(staying, ["kept"])
    going = [row for row in rows if not row.kept]
    with transaction.atomic():
        _put_back([row for row in going if not row.added], one, now)
        Contact.objects.filter(pk__in=[row.contact_id for row in going if row.added]).delete()
        ImportedContact.objects.filter(pk__in=[row.pk for row in going]).delete()
    one.removed += len(going)
    one.kept += len(staying)
    one.tries = 0
    one.save(update_fields=["removed", "kept", "tries"])
    return len(rows)


def _kept(rows: Sequence[ImportedContact]) -> dict[int, str]:
    """Whose part of the import stays, and why, by contact."""
    mine = {row.contact_id: row for row in rows}
    contacts = Contact.objects.select_for_update().in_bulk(list(mine))
    kept = dict.fromkeys(_concerned(rows), Kept.SENT.value)
    changed = _changed(mine, contacts) | _others_rows(mine)
    return dict.fromkeys(changed, Kept.CHANGED.value) | kept


def _concerned(rows: Sequence[ImportedContact]) -> set[int]:
    """Those that something was sent to, or that wrote to us: for people the import added, anything at all."""
    found: set[int] = set()
    added = [row.contact_id for row in rows if row.added]
    for relation in Contact._meta.related_objects:
        name = relation.get_accessor_name() or ""
        if name in OWN | BY_COLLEAGUES or relation.related_model is None or name.endswith("+"):
            continue
        others = relation.related_model._default_manager.filter(**{f"{relation.field.name}__in": added})
        found |= set(others.values_list(relation.field.attname, flat=True))
    earliest = min((row.at for row in rows), default=None)
    known = {row.contact_id: row for row in rows if not row.added and row.before}
    sent = Contact.objects.filter(pk__in=list(known), messages__created_at__gte=earliest)
    return found | {pk for pk, at in sent.values_list("pk", "messages__created_at") if at >= known[pk].at}


def _changed(mine: dict[int, ImportedContact], contacts: dict[int, Contact]) -> set[int]:
    """Those whose details are no longer what the import wrote."""
    found = set()
    for pk, row in mine.items():
        contact = contacts[pk]
        if row.added:
            changed = contact.updated_at > row.at
        else:
            wrote = {name: values[1] for name, values in row.before.get("fields", {}).items()}
            changed = any(getattr(contact, name) != value for name, value in wrote.items())
        if changed:
            found.add(pk)
    return found


def _others_rows(mine: dict[int, ImportedContact]) -> set[int]:
    """Those with addresses, consents, lists, notes or blocks that are not the import's, or are so no more."""
    found = set()
    added = [pk for pk, row in mine.items() if row.added]
    addresses: defaultdict[int, set[int]] = defaultdict(set)
    as_made = Address.objects.filter(
        contact__in=list(mine), preferred=True, validity=Address.Validity.UNVERIFIED
    )
    for contact, pk in as_made.values_list("contact_id", "pk"):
        addresses[contact].add(pk)
    for pk, row in mine.items():
        if not set(row.before.get("addresses", [])) <= addresses[pk]:
            found.add(pk)
    mine_too = {pk: set(row.before.get("addresses", [])) for pk, row in mine.items()}
    theirs = Address.objects.filter(contact__in=added).values_list("contact_id", "pk")
    found |= {contact for contact, pk in theirs if pk not in mine_too[contact]}
    health = AddressHealth.objects.filter(address__contact__in=added)
    found |= set(health.values_list("address__contact_id", flat=True))
    recorded = {pk: set(row.before.get("consents", [])) for pk, row in mine.items()}
    yes = Consent.objects.filter(contact__in=added).exclude(how=OUT_ELSEWHERE, opted_in=False)
    found |= {contact for contact, pk in yes.values_list("contact_id", "pk") if pk not in recorded[contact]}
    for relation in BY_COLLEAGUES:
        with_some = Contact.objects.filter(pk__in=added, **{f"{relation}__isnull": False})
        found |= set(with_some.values_list("pk", flat=True))
    lists = ListMembership.objects.filter(contact__in=added).exclude(
        contact_list__in=ContactImport.objects.filter(people__in=[row.pk for row in mine.values()]).values(
            "contact_list"
        )
    )
    return found | set(lists.values_list("contact_id", flat=True))


def _put_back(rows: Sequence[ImportedContact], one: ContactImport, now: datetime) -> None:
    """People who were here before: their fields, addresses, consent and lists as they were."""
    contacts = Contact.objects.in_bulk([row.contact_id for row in rows if "fields" in row.before])
    for row in rows:
        for name, (old, _) in row.before.get("fields", {}).items():
            setattr(contacts[row.contact_id], name, old)
    for contact in contacts.values():
        fields = next(row.before["fields"] for row in rows if row.contact_id == contact.pk)
        contact.save(update_fields=[*fields, "updated_at"])
    made = [pk for row in rows for pk in row.before.get("addresses", [])]
    replaced = [pk for row in rows for pk in row.before.get("replaced", [])]
    with addresses_change(*(row.contact_id for row in rows if row.before.get("addresses")), now=now):
        Address.objects.filter(pk__in=made).delete()
        Address.objects.filter(pk__in=replaced).update(preferred=True)
    consents = [pk for row in rows for pk in row.before.get("consents", [])]
    Consent.objects.filter(pk__in=consents).delete()
    joined = [row.contact_id for row in rows if row.joins]
    ListMembership.objects.filter(contact_list=one.contact_list, contact__in=joined).delete()
