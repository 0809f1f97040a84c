"""Correct a contact's details. What was wrong is kept, marked so, and the change is written down."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from contacts.addresses import match_key
from contacts.carrying import addresses_of, carry, words
from contacts.channels import Kind
from contacts.emails import NotAnEmail, parse_email
from contacts.hours import known_zone
from contacts.models import Address, Contact, Note
from contacts.phones import NotAPhone, mask, parse_phone
from contacts.row_writing import Blank
from contacts.suppressing import lift_failures

LONGEST_NAME, LONGEST_ID = 200, 120  # characters, as the columns in contacts/models
_address = Blank(Address)  # a file has a hundred thousand of them
DETAILS = {"name": "Name", "time_zone": "Time zone", "external_id": "Customer ID", "stage": "Stage"}


class AlreadyTheirs(ValidationError):
    """An address is another contact's too. `values` are those to allow when it is meant so."""

    def __init__(self, faults: dict[str, str], values: list[str]) -> None:
        super().__init__(faults)
        self.values = values


def correct(
    contact: Contact,
    *,
    name: str | None = None,
    phone: str | None = None,
    email: str | None = None,
    time_zone: str | None = None,
    external_id: str | None = None,
    stage: str | None = None,
    region: str,
    by: User | None,
    shared: Collection[str] = (),
    confirmed: Collection[int] = (),
    leave: Collection[int] = (),
) -> list[str]:
    """Change what is given and differs; None leaves a detail alone. All or nothing.

    Gives the changes in words, addresses masked, as they are kept in one note; [] when there was nothing to change.
    A new address is unverified until a message arrives there; the one it replaces stays as invalid. `region` is
    where numbers without a country code belong. People may share an address, but only one in `shared` is given to
    a second contact. `confirmed` names addresses (by id) that are right as they are: what stood against them for
    failures is forgotten. What colleagues and imports blocked stays blocked at the new address, but for the
    suppressions (by id) in `leave`. Raises ValidationError with the faults by field, AlreadyTheirs where it is only
    that.
    """
    given = Details(name, phone, email, time_zone, external_id, stage)
    wanted = validated(given, region)
    with transaction.atomic():
        contact = Contact.objects.select_for_update().get(pk=contact.pk)
        refuse_another_s_id(contact, wanted)
        refuse_others(contact, (one for one in wanted.values() if isinstance(one, Address)), shared)
        changes = _change_details(contact, wanted)
        for kind in Kind:
            if kind.value in wanted:
                changes += _change_address(contact, kind, wanted[kind.value], leave)
        changes += _confirm(contact, confirmed, by)
        if changes:
            Note.objects.create(contact=contact, author=by, text="\n".join(changes))
    return changes


class Details(NamedTuple):
    """What somebody typed about a person; None leaves a detail alone."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    time_zone: str | None = None
    external_id: str | None = None
    stage: str | None = None


def validated(given: Details, region: str) -> dict[str, Address | str]:
    """What is to be, by field; addresses as unsaved rows, or '' for an emptied one. Raises ValidationError."""
    wanted: dict[str, Address | str] = {}
    faults: dict[str, str] = {}
    for field in ("name", "time_zone", "external_id", "stage"):
        text = getattr(given, field)
        if text is not None:
            wanted[field] = text.strip()
            if fault := _fault(field, text.strip()):
                faults[field] = fault
    if given.phone is not None:
        try:
            wanted["phone"] = phone_address(given.phone, region) if given.phone.strip() else ""
        except NotAPhone as problem:
            faults["phone"] = str(problem)
    if given.email is not None:
        try:
            wanted["email"] = email_address(given.email) if given.email.strip() else ""
        except NotAnEmail as problem:
            faults["email"] = str(problem)
    if faults:
        raise ValidationError(faults)
    return wanted


def _fault(field: str, text: str) -> str:
    """Why a detail cannot be this, in a sentence; '' where it can."""
    if field == "name" and len(text) > LONGEST_NAME:
        return f"A name has {LONGEST_NAME} characters at most."
    if field == "time_zone" and text and not known_zone(text):
        return f"“{text}” is no time zone; give one such as America/Chicago."
    if field == "external_id" and len(text) > LONGEST_ID:
        return f"A customer ID has {LONGEST_ID} characters at most."
    if field == "stage" and text and text not in Contact.Stage.values:
        return f"“{text}” is no stage."
    return ""


def refuse_another_s_id(contact: Contact, wanted: Mapping[str, Address | str]) -> None:
    """Raises ValidationError for a customer ID that is somebody else's: an import would not know who is meant."""
    wished = wanted.get("external_id")
    if not wished or wished == contact.external_id:
        return
    holder = Contact.objects.filter(external_id=wished).exclude(pk=contact.pk).order_by("pk").first()
    if holder:
        raise ValidationError(
            {"external_id": f"“{wished}” is the customer ID of {holder} (contact {holder.pk})."}
        )


def phone_address(text: str, region: str) -> Address:
    """An unsaved address without a contact, all that the number tells filled in. Raises NotAPhone."""
    phone = parse_phone(text, region)
    return _address(
        kind=Kind.PHONE,
        value=phone.value,
        line_type=phone.line_type,
        carrier=phone.carrier[:60],
        region=phone.region,
        time_zone=phone.time_zone,
    )


def email_address(text: str) -> Address:
    """The same for an email. Raises NotAnEmail."""
    return _address(kind=Kind.EMAIL, value=parse_email(text))


def refuse_others(contact: Contact, wanted: Iterable[Address], shared: Collection[str]) -> None:
    """Raises AlreadyTheirs for a new address that others go by now and that is not in `shared`."""
    taken = [(one, whose) for one in wanted if one.value not in shared and (whose := _others(contact, one))]
    if taken:
        faults = {one.kind: f"{mask(one.value)} is already on record for {whose}." for one, whose in taken}
        raise AlreadyTheirs(faults, [one.value for one, _ in taken])


def _others(contact: Contact, wanted: Address) -> str:
    """Who goes by this address now, in words; '' when nobody does, or this contact does already."""
    current = Address.objects.filter(match_key=match_key(wanted.value), preferred=True).select_related(
        "contact"
    )
    holders = [one.contact for one in current.order_by("contact_id")]
    if not holders or contact in holders:
        return ""
    first, more = holders[0], len(holders) - 1
    return f"{first} (contact {first.pk})" + (f" and {more} more" if more else "")


def _change_details(contact: Contact, wanted: dict[str, Address | str]) -> list[str]:
    changes = []
    for field, label in DETAILS.items():
        before = getattr(contact, field)
        if field in wanted and wanted[field] != before:
            setattr(contact, field, wanted[field])
            changes.append(f"{label} changed from “{before}” to “{wanted[field]}”.")
    if changes:
        contact.save(update_fields=[*DETAILS, "updated_at"])
    return changes


def _change_address(contact: Contact, kind: Kind, new: Address | str, leave: Collection[int]) -> list[str]:
    label = "Phone" if kind == Kind.PHONE else "Email"
    old = contact.addresses.filter(kind=kind).order_by("-preferred", "id").first()
    if isinstance(new, str):
        if old is None:
            return []
        why = f"It cannot be emptied: enter the right one, or suppress {mask(old.value)}."
        raise ValidationError({kind.value: why})
    if old is not None and old.value == new.value and old.preferred:
        return []
    before = addresses_of([contact.pk])
    if old is not None:
        retire(old, new.value)
    known = contact.addresses.filter(value=new.value).first()
    if known:
        _forget_failures(known)
        known.preferred = True
        known.validity = Address.Validity.UNVERIFIED
        known.save(update_fields=["preferred", "validity"])
    else:
        new.contact = contact
        new.save()
    left = carry(before, [contact.pk], timezone.now(), leave)
    if old is None:
        return [f"{label} {mask(new.value)} added."]
    return [
        f"{label} changed from {mask(old.value)} to {mask(new.value)}.",
        *(f"Not blocked at {mask(new.value)}: {words(block)}" for block in left),
    ]


def _confirm(contact: Contact, confirmed: Collection[int], by: User | None) -> list[str]:
    changes = []
    for address in contact.addresses.filter(pk__in=confirmed, preferred=True):
        _forget_failures(address)
        lift_failures(address, by=by, note="The address was confirmed", now=timezone.now())
        doubted = Address.Validity.NEEDS_CORRECTION, Address.Validity.INVALID
        if address.validity in doubted:
            address.validity = Address.Validity.UNVERIFIED
            address.save(update_fields=["validity"])
        changes.append(f"{mask(address.value)} confirmed: it is used again.")
    return changes


def _forget_failures(address: Address) -> None:
    """A clean slate on every channel; what fails from here on counts anew."""
    now = timezone.now()
    address.health.update(
        hard_fails=0, enough=0, closed="", closed_why="", marked_at=None, cleared_at=now, updated_at=now
    )


def retire(old: Address, replaced_by: str) -> None:
    """Another one takes its place; this goes first, as only one address of a kind may be preferred."""
    old.preferred = False
    if old.value != replaced_by:
        old.validity = Address.Validity.INVALID
    old.save(update_fields=["preferred", "validity"])
