"""What a form of the admin cannot keep it says in plain words, with the field and the way out."""

from __future__ import annotations

import pytest
from django.contrib.admin.sites import site
from django.contrib.auth.models import Permission
from django.db.models import BaseConstraint
from django.urls import reverse

from contacts.models import Address
from contacts.phones import mask
from tests import factories

pytestmark = pytest.mark.django_db

MINE, OTHER = "+12125550142", "+12125550143"


@pytest.fixture
def root(client):
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    return client


def editable(request):
    """The models that a form of the admin adds or changes."""
    for model, found in site._registry.items():
        if found.has_add_permission(request) or found.has_change_permission(request):
            yield model
            yield from (inline.model for inline in found.inlines)


def test_no_constraint_that_a_form_meets_answers_with_its_name(rf):
    request = rf.get("/")
    request.user = factories.user(is_staff=True, is_superuser=True)
    ours = {model for model in editable(request) if model.__module__.split(".")[0] in APPS}

    mute = [
        constraint.name
        for model in ours
        for constraint in model._meta.constraints
        if constraint.violation_error_message == BaseConstraint.default_violation_error_message
    ]

    assert Address in ours
    assert mute == []


APPS = {"accounts", "contacts", "campaigns", "deliveries"}


@pytest.fixture
def contact():
    made = factories.contact(name="Ada")
    factories.phone(made, value=MINE)
    return made


def send(client, contact, *rows):
    """The page of the contact with these addresses: (address or None, value, preferred)."""
    initial = sum(1 for address, *_ in rows if address)
    data = {"name": contact.name, "stage": contact.stage, "value_tier": contact.value_tier, "attributes": "{}",
            "addresses-TOTAL_FORMS": len(rows), "addresses-INITIAL_FORMS": initial}  # fmt: skip
    for n, (address, value, preferred) in enumerate(rows):
        row = {"kind": "phone", "value": value, "line_type": "unknown", "validity": "unverified"}
        row |= {"id": address.pk, "contact": contact.pk} if address else {"contact": contact.pk}
        row |= {"preferred": "on"} if preferred else {}
        data |= {f"addresses-{n}-{name}": given for name, given in row.items()}
    return client.post(reverse("admin:contacts_contact_change", args=[contact.pk]), data)


def preferred(contact):
    return list(contact.addresses.filter(preferred=True).values_list("value", flat=True))


def test_a_second_preferred_number_names_the_first(root, contact):
    page = send(root, contact, (contact.addresses.get(), MINE, True), (None, OTHER, True)).content.decode()

    assert f"{MINE} is already the preferred number; untick it first." in page
    assert "is violated" not in page
    assert preferred(contact) == [MINE]


def test_two_new_preferred_numbers_are_refused_as_well(root):
    contact = factories.contact(name="Ada")

    page = send(root, contact, (None, MINE, True), (None, OTHER, True)).content.decode()

    assert f"{MINE} is already the preferred number; untick it first." in page
    assert not contact.addresses.exists()


@pytest.mark.parametrize("order", [1, -1])
def test_the_preference_can_be_moved_in_one_go(root, contact, order):
    first = contact.addresses.get()
    second = factories.phone(contact, value=OTHER, preferred=False)
    rows = [(first, MINE, False), (second, OTHER, True)]

    answer = send(root, contact, *rows[::order])

    assert answer.status_code == 302
    assert preferred(contact) == [OTHER]
    answer = send(root, contact, (first, MINE, True), (second, OTHER, False))
    assert (answer.status_code, preferred(contact)) == (302, [MINE])


def test_the_page_of_an_address_says_it_too(root, contact):
    page = root.post(
        reverse("admin:contacts_address_add"),
        {"contact": contact.pk, "kind": "phone", "value": OTHER, "line_type": "unknown", "validity": "valid",
         "preferred": "on"},
    ).content.decode()  # fmt: skip

    assert f"{MINE} is already the preferred number; untick it first." in page
    assert "is violated" not in page


def test_whoever_may_not_see_whole_addresses_reads_none_there_either(client, contact):
    clerk = factories.user("marketer", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="add_address"))
    client.force_login(clerk)
    data = {
        "contact": contact.pk, "kind": "phone", "value": OTHER, "line_type": "mobile", "validity": "valid",
        "preferred": "on",
    }  # fmt: skip

    page = client.post(reverse("admin:contacts_address_add"), data).content.decode()

    assert f"{mask(MINE)} is already the preferred number; untick it first." in page
    assert MINE not in page


def test_the_same_number_twice_is_said_so(root, contact):
    rows = [(None, OTHER, False), (None, OTHER, False)]
    twice = send(root, contact, (contact.addresses.get(), MINE, True), *rows).content.decode()
    again = root.post(
        reverse("admin:contacts_address_add"),
        {"contact": contact.pk, "kind": "phone", "value": MINE, "line_type": "unknown", "validity": "valid"},
    ).content.decode()

    assert "Two rows have the same value: change one of them, or leave it out." in twice
    assert "The contact has this address already: change that one instead." in again


def test_the_same_sender_twice_is_said_so(root):
    sender = factories.sender(value="+12125550142")

    page = root.post(
        reverse("admin:campaigns_sender_add"),
        {"name": "Clinic", "channel": "sms", "value": sender.value, "state": "approved"},
    ).content.decode()

    assert "there is a sender with this value on this channel already" in page
