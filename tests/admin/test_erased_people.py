"""Who was erased is looked at in the admin, and nothing of them is changed or added to."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from contacts.models import Address, Contact, ListMembership
from deliveries.deciding.erasing import erase_person
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def erased():
    contact = factories.contact(name="Robin Doe", lists=[factories.contact_list()])
    factories.phone(contact)
    erase_person(contact.pk, by=factories.user("admin"), reason="Asked", now=timezone.now())
    return Contact.objects.get(pk=contact.pk)


def test_their_forms_are_closed_and_their_rows_can_be_read(admin_client, erased):
    address = Address.objects.filter(contact=erased).first()
    pages = [("contact", erased.pk)] + ([("address", address.pk)] if address else [])
    for model, pk in pages:
        place = reverse(f"admin:contacts_{model}_change", args=[pk])

        page = admin_client.get(place)

        assert page.status_code == 200
        assert 'name="_save"' not in page.content.decode()
        assert admin_client.post(place, {"name": "Robin again"}).status_code == 403
    erased.refresh_from_db()
    assert erased.name != "Robin again"


def test_nothing_is_added_to_them(admin_client, erased):
    club = factories.contact_list(name="Club")
    given = {"contact_list": club.pk, "contact": erased.pk}

    refused = admin_client.post(reverse("admin:contacts_listmembership_add"), given)

    assert "There is no such contact, or they were erased" in refused.content.decode()
    assert not ListMembership.objects.filter(contact=erased, contact_list=club).exists()


def test_anybody_else_is_changed_as_before(admin_client):
    page = admin_client.get(reverse("admin:contacts_contact_change", args=[factories.contact().pk]))

    assert 'name="_save"' in page.content.decode()
