"""What colleagues and imports blocked holds at the address that takes the place of the old one, unless unticked."""

from __future__ import annotations

import pytest
from django.urls import reverse

from contacts import changing
from contacts.carrying import would_carry
from contacts.changing import Way
from contacts.correcting import correct
from contacts.models import Address, AddressChange, Suppression
from contacts.suppressing import suppress
from deliveries.deciding.duplicates import merge
from tests import factories
from tests.contacts.test_import_runs import imported, taken_back
from tests.contacts.test_importing import load

pytestmark = pytest.mark.django_db
OLD, NEW = "+12025550142", "+12025550177"


@pytest.fixture
def robin():
    contact = factories.contact(name="Robin Lee")
    factories.phone(contact, value=OLD)
    return contact


@pytest.fixture
def angry(robin, now):
    by = factories.user()
    return suppress(
        contact=robin, value=OLD, reason="staff", origin="staff", evidence="Called, angry", by=by, now=now
    )


def standing(now, value=NEW):
    return Suppression.objects.in_force(now).filter(value=value)


def test_the_form_shows_a_colleague_s_block_and_keeps_it_at_the_new_number(robin, angry, login, now):
    client, place = login("support"), f"/contacts/{robin.pk}/correct/"
    page = client.get(place).content.decode()

    assert "Block the new one too" in page
    assert "Called, angry" in page
    assert f'name="block_too" value="{angry.pk}" id="id_block_too_0" checked' in page
    assert "Their consent goes along" in page

    client.post(place, {"phone": NEW, "blocks_shown": angry.pk, "block_too": angry.pk})

    assert standing(now).get().follows == angry


@pytest.mark.parametrize("data", [{}, {"block_too": []}, {"blocks_shown": ["x", "9999"]}])
def test_it_stays_where_nobody_was_shown_the_box(robin, angry, login, now, data):
    login("support").post(f"/contacts/{robin.pk}/correct/", {"phone": NEW, **data})

    assert standing(now).exists()


def test_unticked_on_purpose_it_is_left_behind_and_noted(robin, angry, login, now):
    login("support").post(f"/contacts/{robin.pk}/correct/", {"phone": NEW, "blocks_shown": angry.pk})

    assert robin.addresses.get(preferred=True).value == NEW
    assert not standing(now).exists()
    assert standing(now, OLD).get() == angry
    assert "Not blocked at +1 ••• ••• 0177: every channel" in robin.notes.get().text


def test_what_the_person_asked_for_is_no_box_and_goes_along_whatever_is_unticked(robin, login, now):
    stop = suppress(value=OLD, channel="sms", reason="stop", origin="recipient", now=now)
    client, place = login("support"), f"/contacts/{robin.pk}/correct/"
    assert "Block the new one too" not in client.get(place).content.decode()

    client.post(place, {"phone": NEW, "blocks_shown": stop.pk})

    assert standing(now).get().follows == stop


def test_what_failed_at_the_old_number_does_not_go_along(robin, now):
    suppress(value=OLD, channel="sms", reason="hard_fails", origin="rule", now=now)

    correct(robin, phone=NEW, region="US", by=None)

    assert not standing(now).exists()


def test_an_import_that_replaces_a_number_keeps_a_colleague_s_block(robin, angry, now):
    robin.external_id = "c-1"
    robin.save()

    load("external_id,phone\nc-1,2025550177\n")

    assert robin.addresses.get(preferred=True).value == NEW
    assert standing(now).get().follows == angry


# ---- Every way to another address --------------------------------------------------------------------------------


def by_the_form_of_the_address(contact, client, now):
    """In the admin, on the page of the address itself."""
    one = contact.addresses.get()
    form = {
        "contact": contact.pk,
        "kind": "phone",
        "value": NEW,
        "line_type": "mobile",
        "validity": "unverified",
    }
    client.post(reverse("admin:contacts_address_change", args=[one.pk]), form | {"preferred": "on"})


def by_a_new_address_once_the_old_one_is_unticked(contact, client, now):
    one = contact.addresses.get()
    form = {"contact": contact.pk, "kind": "phone", "line_type": "mobile", "validity": "unverified"}
    client.post(reverse("admin:contacts_address_change", args=[one.pk]), form | {"value": OLD})
    client.post(reverse("admin:contacts_address_add"), form | {"value": NEW, "preferred": "on"})


def by_a_new_address_once_the_old_one_is_deleted(contact, client, now):
    client.post(reverse("admin:contacts_address_delete", args=[contact.addresses.get().pk]), {"post": "yes"})
    form = {"contact": contact.pk, "kind": "phone", "line_type": "mobile", "validity": "unverified"}
    client.post(reverse("admin:contacts_address_add"), form | {"value": NEW, "preferred": "on"})


def by_the_form_of_the_person(contact, client, now):
    """In the admin, in the row of the address on the page of the contact."""
    _row_of_the_person(contact, client, {"addresses-0-value": NEW, "addresses-0-preferred": "on"})


def by_another_row_of_the_person(contact, client, now):
    """The old one stays, unticked, beside the new one."""
    new = {"kind": "phone", "value": NEW, "line_type": "mobile", "validity": "unverified", "preferred": "on"}
    new = {f"addresses-1-{name}": value for name, value in new.items()}
    _row_of_the_person(contact, client, {"addresses-TOTAL_FORMS": 2, "addresses-0-value": OLD, **new})


def _row_of_the_person(contact, client, changed):
    one = contact.addresses.get()
    form = {
        "name": contact.name, "attributes": "{}", "value_tier": 0, "addresses-TOTAL_FORMS": 1,
        "addresses-INITIAL_FORMS": 1, "addresses-0-id": one.pk, "addresses-0-contact": contact.pk,
        "addresses-0-kind": "phone", "addresses-0-line_type": "mobile", "addresses-0-validity": "unverified",
    }  # fmt: skip
    answer = client.post(reverse("admin:contacts_contact_change", args=[contact.pk]), form | changed)
    assert answer.status_code == 302, answer.context["errors"]


def by_merging_them_into_another(contact, client, now):
    """Whose number is used from here on."""
    kept = factories.contact(name="R. Lee")
    factories.phone(kept, value=NEW)
    merge(kept.pk, contact.pk, by=factories.user(), now=now)


def by_merging_another_into_them(contact, client, now):
    """Their own number was unticked: that of the other one is used."""
    contact.addresses.update(preferred=False)
    gone = factories.contact(name="R. Lee")
    factories.phone(gone, value=NEW)
    merge(contact.pk, gone.pk, by=factories.user(), now=now)


def by_a_correction(contact, client, now):
    correct(contact, phone=NEW, region="US", by=None)


def by_themselves_with_a_code(contact, client, now):
    changing.ask(
        contact, changing.new_address(NEW, contact), Way("sms", "+15550100", 1), evidence="", now=now
    )
    change = AddressChange.objects.get()
    code = changing.make_code(change, now)
    assert changing.confirm(contact, code, now)


def by_an_import(contact, client, now):
    load("external_id,phone\nc-1,2025550177\n")


WAYS = [
    by_the_form_of_the_address, by_a_new_address_once_the_old_one_is_unticked,
    by_a_new_address_once_the_old_one_is_deleted, by_the_form_of_the_person, by_another_row_of_the_person,
    by_merging_them_into_another, by_merging_another_into_them, by_a_correction, by_themselves_with_a_code,
    by_an_import,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_whatever_changes_the_address_a_colleague_s_block_goes_along(robin, angry, client, now, way):
    robin.external_id = "c-1"
    robin.save()
    client.force_login(factories.user("admin", is_staff=True, is_superuser=True))

    way(robin, client, now)

    assert Address.objects.get(preferred=True).value == NEW
    assert standing(now).get().follows == angry


def test_what_was_blocked_meanwhile_holds_where_an_import_is_taken_back(robin, now):
    robin.external_id = "c-1"
    robin.save()
    one = imported("external_id,phone\nc-1,2025550177\n", uses=["external_id", "phone"])
    angry = suppress(
        value=NEW, reason="staff", origin="staff", evidence="Angry", by=factories.user(), now=now
    )
    standing(now, OLD).delete()

    taken_back(one)

    assert robin.addresses.get().value == OLD
    assert standing(now, OLD).get().follows == angry


def test_a_block_that_was_left_behind_on_purpose_is_not_carried_by_the_next_change(robin, angry, now):
    correct(robin, phone=NEW, region="US", by=None, leave=[angry.pk])

    correct(robin, phone="+12025550188", region="US", by=None)

    assert not standing(now, "+12025550188").exists()


# ---- Where two are merged -----------------------------------------------------------------------------------------


@pytest.fixture
def stays():
    made = factories.contact(name="R. Lee")
    factories.phone(made, value=NEW)
    return made


def test_merging_shows_a_colleague_s_block_and_takes_it_along(robin, stays, angry, login, now):
    client = login("support")

    page = client.get(f"/contacts/merge/?keep={stays.pk}&gone={robin.pk}").content.decode()

    assert "Block the one that is used too" in page
    assert "Called, angry" in page
    client.post(
        "/contacts/merge/",
        {"keep": stays.pk, "gone": robin.pk, "blocks_shown": angry.pk, "block_too": angry.pk},
    )
    assert standing(now).get().follows == angry


def test_merging_leaves_a_block_in_place_that_was_unticked_and_notes_who_did(robin, stays, angry, login, now):
    client = login("support")

    client.post("/contacts/merge/", {"keep": stays.pk, "gone": robin.pk, "blocks_shown": angry.pk})

    assert not standing(now).exists()
    assert standing(now, OLD).get() == angry
    note = stays.notes.get()
    assert "Left in place: every channel" in note.text
    assert note.author == client.user


@pytest.mark.parametrize("data", [{}, {"blocks_shown": ["x", "9999"]}])
def test_merging_takes_it_along_where_nobody_was_shown_the_box(robin, stays, angry, login, now, data):
    login("support").post("/contacts/merge/", {"keep": stays.pk, "gone": robin.pk, **data})

    assert standing(now).exists()


def test_what_the_person_asked_for_is_in_no_box(robin, stays, login, now):
    no = suppress(value=OLD, reason="asked", origin="recipient", evidence="STOP", now=now)
    client = login("support")

    page = client.get(f"/contacts/merge/?keep={stays.pk}&gone={robin.pk}").content.decode()

    assert "Block the one that is used too" not in page
    client.post("/contacts/merge/", {"keep": stays.pk, "gone": robin.pk, "blocks_shown": no.pk})
    assert standing(now).exists()


def test_what_would_go_along_is_what_goes_along(robin, stays, angry, now):
    assert would_carry(stays.pk, robin.pk, now) == [angry]
    assert would_carry(robin.pk, stays.pk, now) == []
