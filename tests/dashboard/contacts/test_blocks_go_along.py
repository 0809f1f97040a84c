"""What colleagues and imports blocked holds at the address that takes the place of the old one, unless unticked."""

from __future__ import annotations

import pytest

from contacts.correcting import correct
from contacts.models import Suppression
from contacts.suppressing import suppress
from tests import factories
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
