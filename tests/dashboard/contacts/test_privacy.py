"""The page on which all data of a person is taken out, and a person is erased."""

import json

import pytest

from contacts.models import Contact, PrivacyRecord
from tests import factories

pytestmark = pytest.mark.django_db
NUMBER = "+12125550142"


@pytest.fixture
def ada():
    made = factories.contact(name="Ada Example")
    factories.phone(made, value=NUMBER)
    return made


def test_the_file_holds_what_is_known_and_that_it_was_taken_is_on_record(login, ada):
    client = login("admin")

    answer = client.post(f"/contacts/{ada.pk}/privacy/export/")

    data = json.loads(answer.content)
    assert data["addresses"][0]["value"] == NUMBER
    assert answer.headers["Content-Disposition"].startswith(
        f'attachment; filename="waybill-contact-{ada.pk}-'
    )
    assert answer.headers["Cache-Control"] == "no-store"
    record = PrivacyRecord.objects.get()
    assert (record.act, record.contact_number, record.by) == ("export", ada.pk, client.user)
    assert "All data exported" in client.get(f"/contacts/{ada.pk}/privacy/").content.decode()


def test_an_administrator_who_types_it_erases_a_person(login, ada):
    client, path = login("admin"), f"/contacts/{ada.pk}/privacy/"

    answer = client.post(path, {"typed": f" Erase  {ada.pk} ", "reason": "Asked by letter"}, follow=True)

    page = answer.content.decode()
    assert "Erased." in page
    assert "Asked by letter" in page
    assert "Erase for good" not in page
    for shown in (
        page,
        client.get(f"/contacts/{ada.pk}/").content.decode(),
        client.get("/contacts/").content.decode(),
    ):
        assert "Ada" not in shown
        assert "0142" not in shown
    assert client.get("/contacts/", {"q": NUMBER}).content.decode().count("data-open") == 0
    again = client.post(path, {"typed": f"erase {ada.pk}", "reason": "Once more"}, follow=True)
    assert "nobody to erase" in again.content.decode()


@pytest.mark.parametrize("typed", ["", "erase", "erase 0", "yes", "erase {pk} {pk}", "\x00"])
def test_without_the_words_nobody_is_erased(login, ada, typed):
    given = {"typed": typed.format(pk=ada.pk), "reason": "Asked"}

    answer = login("admin").post(f"/contacts/{ada.pk}/privacy/", given)

    assert answer.status_code == 422
    assert Contact.objects.get().name == "Ada Example"


@pytest.mark.parametrize("role", ["marketer", "support", ""])
def test_it_is_for_administrators(login, ada, role):
    client, path = login(role), f"/contacts/{ada.pk}/privacy/"

    assert client.get(path).status_code == 403
    assert client.post(path, {"typed": f"erase {ada.pk}", "reason": "x"}).status_code == 403
    assert client.post(f"{path}export/").status_code == 403
    assert Contact.objects.get().name == "Ada Example"
    assert not PrivacyRecord.objects.exists()


def test_a_file_is_not_taken_by_a_link(login, ada):
    assert login("admin").get(f"/contacts/{ada.pk}/privacy/export/").status_code == 405


def test_the_records_stand_in_the_admin_and_cannot_be_changed(login, ada):
    client = login(user=factories.user("admin", is_staff=True))
    client.post(f"/contacts/{ada.pk}/privacy/export/")
    record = PrivacyRecord.objects.get()

    assert f"{ada.pk}" in client.get("/admin/contacts/privacyrecord/").content.decode()
    assert (
        client.post(f"/admin/contacts/privacyrecord/{record.pk}/delete/", {"post": "yes"}).status_code == 403
    )
