"""The page on which all data of a person is taken out, and a person is erased."""

import json

import pytest
from django.utils import timezone

from contacts import erased_files
from contacts.grounds import day
from contacts.models import Contact, FileErasure, PrivacyRecord, Suppression
from contacts.strength import Lifter, liftable_by, lifter
from deliveries.deciding.erasing import erase_person
from tests import factories
from tests.contacts.test_import_runs import imported

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


def test_the_page_says_how_far_uploaded_files_were_looked_through(login, ada):
    imported("name,phone\nBea,512\n", uses=["name", "phone"])
    client, path = login("admin"), f"/contacts/{ada.pk}/privacy/"

    page = client.post(path, {"typed": f"erase {ada.pk}", "reason": "Asked"}, follow=True).content.decode()

    assert "0 of 1 parts were looked through" in page
    erased_files.run(timezone.now())
    assert "Their lines were emptied" in client.get(path).content.decode()


def test_the_page_says_when_the_promise_is_broken(login, ada):
    imported("name,phone\nBea,512\n", uses=["name", "phone"])
    client, path = login("admin"), f"/contacts/{ada.pk}/privacy/"
    client.post(path, {"typed": f"erase {ada.pk}", "reason": "Asked"})
    FileErasure.objects.update(at=timezone.now() - erased_files.WITHIN * 2)

    assert "This is late." in client.get(path).content.decode()


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


# ---- Whoever was erased ------------------------------------------------------------------------------------------


@pytest.fixture
def erased(ada):
    factories.message(
        factories.recipient(contact=ada), address=ada.addresses.get(), channel="sms", status="delivered",
        disposition="DELIVERED", evidence="carrier", handed_over_at=timezone.now(),
    )  # fmt: skip
    Suppression.objects.create(value=NUMBER, channel="sms", reason="hard_bounce", origin="rule")
    assert erase_person(ada.pk, by=factories.user("admin"), reason="Asked", now=timezone.now())
    ada.refresh_from_db()
    return ada


def test_their_page_says_so_and_offers_nothing_but_the_trail(login, erased):
    page = login("admin").get(f"/contacts/{erased.pk}/").content.decode()

    said = f"This person was erased on {day(erased.erased_at)}"
    assert page.count(said) == 2
    for absent in ("known to be invalid", "number ending in", "Correct details", "Suppress</a>", "Add note",
                   "/release/", "Record consent", "can release it", "Reachability", "opt in again"):  # fmt: skip
        assert absent not in page
    assert "we sent a text message to an address that was erased" in page
    assert "We erased your details on" in page


@pytest.mark.parametrize("act", ["correct", "suppress", "note"])
def test_no_act_is_done_for_them(login, erased, act):
    before = Suppression.objects.count()

    answer = login("admin").post(
        f"/contacts/{erased.pk}/{act}/",
        {"name": "Ada", "text": "x", "what": "contact", "reason": "x", "asked": "us"},
        follow=True,
    )

    assert "Nothing can be done for them any more" in answer.content.decode()
    erased.refresh_from_db()
    assert (erased.name, erased.notes.count(), Suppression.objects.count()) == ("", 0, before)


def test_nobody_releases_what_stands_for_them(login, erased):
    client = login("admin")
    kept = list(Suppression.objects.all())
    assert len(kept) == 2

    for one in kept:
        assert lifter(one) == Lifter.NOBODY
        page = client.get(f"/suppressions/{one.pk}/").content.decode()
        assert "By nobody: the person was erased" in page
        assert f"/suppressions/{one.pk}/release/" not in page
        for path in (f"/suppressions/{one.pk}/release/", f"/contacts/{erased.pk}/release/{one.pk}/"):
            answer = client.post(path, {"note": "Again"}, follow=True).content.decode()
            assert "the person was erased. It stays" in answer
    assert not Suppression.objects.filter(liftable_by(client.user)).exists()
    assert not Suppression.objects.filter(liftable_by(None)).exists()
    assert Suppression.objects.filter(released_at=None).count() == 2
