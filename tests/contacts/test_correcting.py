"""Correcting a contact: what changes, what is kept, what is refused."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from contacts.correcting import AlreadyTheirs, correct
from contacts.models import Address
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def contact():
    made = factories.contact(name="Robin Lee")
    factories.phone(made, value="+15125551869")
    factories.email(made, value="robin@example.com")
    return made


def addresses(contact):
    return {each.value: (each.preferred, each.validity) for each in contact.addresses.all()}


def test_a_new_phone_replaces_the_old_one_which_is_kept_as_invalid(contact):
    by = factories.user()

    changes = correct(contact, phone="(212) 555-0123", region="US", by=by)

    assert changes == ["Phone changed from +1 ••• ••• 1869 to +1 ••• ••• 0123."]
    assert addresses(contact) == {
        "+15125551869": (False, "invalid"),
        "+12125550123": (True, "unverified"),
        "robin@example.com": (True, "valid"),
    }
    assert contact.addresses.get(value="+12125550123").time_zone == "America/New_York"
    note = contact.notes.get()
    assert (note.text, note.author) == (changes[0], by)


def test_several_changes_make_one_note(contact):
    changes = correct(
        contact, name="Robin Lane", email="Lane@example.com", time_zone="America/Denver", region="US", by=None
    )

    contact.refresh_from_db()
    assert changes == [
        "Name changed from “Robin Lee” to “Robin Lane”.",
        "Time zone changed from “” to “America/Denver”.",
        "Email changed from r•••@example.com to l•••@example.com.",
    ]
    assert contact.notes.get().text == "\n".join(changes)
    assert (contact.name, contact.time_zone) == ("Robin Lane", "America/Denver")


def test_the_same_again_changes_nothing(contact):
    assert (
        correct(
            contact, name="Robin Lee", phone="512-555-1869", email="robin@example.com", region="US", by=None
        )
        == []
    )
    assert not contact.notes.exists()


def test_a_first_phone_is_added():
    contact = factories.contact()

    assert correct(contact, phone="512 555 0142", email="", region="US", by=None) == [
        "Phone +1 ••• ••• 0142 added."
    ]


def test_going_back_to_an_old_phone_makes_it_the_preferred_one_again(contact):
    correct(contact, phone="212 555 0123", region="US", by=None)

    correct(contact, phone="512 555 1869", region="US", by=None)

    assert addresses(contact)["+15125551869"] == (True, "unverified")
    assert addresses(contact)["+12125550123"] == (False, "invalid")


def test_every_fault_is_named_by_field_and_nothing_changes(contact):
    with pytest.raises(ValidationError) as caught:
        correct(contact, name="x" * 201, phone="12", email="robin@", time_zone="Mars", region="US", by=None)

    assert set(caught.value.message_dict) == {"name", "phone", "email", "time_zone"}
    assert "too short" in caught.value.message_dict["phone"][0]
    assert Address.objects.count() == 2


def test_an_address_cannot_be_emptied_and_nothing_else_changes(contact):
    with pytest.raises(ValidationError, match="cannot be emptied"):
        correct(contact, name="Someone Else", phone="", region="US", by=None)

    contact.refresh_from_db()
    assert contact.name == "Robin Lee"


def test_an_address_of_somebody_else_is_refused_and_says_whose_it_is(contact):
    other = factories.contact(name="Omar Larsson")
    factories.phone(other, value="+12125550123")

    with pytest.raises(AlreadyTheirs) as caught:
        correct(contact, phone="212 555 0123", region="US", by=None)

    whose = f"+1 ••• ••• 0123 is already on record for Omar Larsson (contact {other.pk})."
    assert caught.value.message_dict == {"phone": [whose]}
    assert caught.value.values == ["+12125550123"]
    assert not contact.notes.exists()


def test_people_may_share_an_address_when_it_is_meant_so(contact):
    factories.phone(value="+12125550123")

    correct(contact, phone="212 555 0123", region="US", by=None, shared=["+12125550123"])

    assert addresses(contact)["+12125550123"] == (True, "unverified")


def test_a_number_that_somebody_gave_up_is_free(contact):
    factories.phone(value="+12125550123", preferred=False, validity="invalid")

    assert correct(contact, phone="212 555 0123", region="US", by=None)
