"""Adding one person, and editing one, by a form."""

import pytest
from django.utils import timezone

from contacts.consenting import record_opt_out
from contacts.models import Address, Consent, Contact, Suppression
from deliveries.outcomes.reachability import side_panel
from tests import factories

pytestmark = pytest.mark.django_db
NEW = "/contacts/new/"
ADA = {"name": "Ada Example", "phone": "(212) 555-0142", "email": "Ada@Example.com", "external_id": "CRM-9"}


def said_no(value, channel="sms"):
    record_opt_out(value=value, channel=channel, how="Reply", evidence="STOP", at=timezone.now())


def test_a_person_is_added_in_the_normal_forms_with_lists_and_consent(login):
    clinic, web = factories.contact_list(name="Clinic"), factories.contact_list(name="Web")
    client = login("marketer")

    agreed = {"agreed": ["sms", "email"], "how": "Paper form", "evidence": "Folder 7"}
    answer = client.post(NEW, {**ADA, "lists": [clinic.pk, web.pk], "stage": "lead", **agreed})

    made = Contact.objects.get()
    assert answer.headers["location"] == f"/contacts/{made.pk}/"
    assert (made.name, made.external_id, made.stage, made.source) == ("Ada Example", "CRM-9", "lead", clinic)
    assert sorted(made.addresses.values_list("value", flat=True)) == ["+12125550142", "ada@example.com"]
    assert set(made.lists.all()) == {clinic, web}
    assert clinic.figures.people == 1
    said = Consent.objects.filter(contact=made)
    assert {(one.channel, one.opted_in, one.origin, one.how) for one in said} == {
        ("sms", True, "staff", "Paper form"), ("email", True, "staff", "Paper form"),
    }  # fmt: skip
    assert said[0].recorded_by == client.user


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, "Name"),
        ({"phone": "", "email": ""}, "Give a phone number or an email."),
        ({"phone": "12"}, "is not a phone number"),
        ({"email": "nobody"}, "nobody"),
        ({"time_zone": "Mars/Olympus"}, "is no time zone"),
        ({"stage": "king"}, "king"),
        ({"lists": ["99"]}, "99"),
        ({"lists": ["99999999999999999999"]}, "Lists"),
        ({"agreed": ["sms"]}, "Say how they agreed"),
        ({"agreed": ["fax"], "how": "Paper"}, "fax"),
        ({"agreed": ["email"], "how": "Paper", "email": ""}, "There is no address for email."),
        ({"name": "a\x00b"}, "Null characters"),
        ({"name": "x" * 201}, "200"),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_adds_nobody(login, given, words):
    answer = login("marketer").post(NEW, {**ADA, **given})

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Contact.objects.exists()
    assert not Address.objects.exists()


@pytest.mark.parametrize("typed", ["+1 212 555 0142", "2125550142", "001-212-555-0142"])
def test_a_number_that_somebody_opted_out_at_takes_no_new_consent(login, typed):
    said_no("+12125550142")
    client = login("marketer")

    refused = client.post(NEW, {**ADA, "phone": typed, "agreed": ["sms"], "how": "Paper form"})
    client.post(NEW, {**ADA, "phone": typed})

    assert refused.status_code == 422
    assert "only the person can opt back in" in refused.content.decode()
    reach = side_panel(Contact.objects.get(), timezone.now())
    assert "sms" in {one.channel for one in reach.off}
    assert Suppression.objects.in_force(timezone.now()).exists()


def test_an_address_of_somebody_else_is_only_shared_when_that_is_meant(login):
    other = factories.phone(value="+12125550142").contact
    client = login("support")
    client.user.groups.set(factories.user("admin").groups.all())

    refused = client.post(NEW, ADA)
    assert refused.status_code == 422
    assert "Do they share it?" in refused.content.decode()
    assert Contact.objects.get() == other

    client.post(NEW, {**ADA, "shared": ["+12125550142"]})
    assert Contact.objects.count() == 2


def test_a_customer_id_names_one_person_only(login):
    holder = factories.contact(external_id="CRM-9")
    other = factories.contact()
    client = login("marketer")

    added = client.post(NEW, ADA)
    edited = client.post(f"/contacts/{other.pk}/correct/", {"name": other.name, "external_id": "CRM-9"})

    for answer in (added, edited):
        assert answer.status_code == 422
        assert f"contact {holder.pk}" in answer.content.decode()
    assert Contact.objects.filter(external_id="CRM-9").get() == holder


def test_an_edit_changes_what_was_typed_and_lifts_no_opt_out(login):
    ada = factories.contact(name="Ada", external_id="CRM-9")
    factories.phone(ada, value="+12125550142")
    said_no("+12125550142")

    login("support").post(
        f"/contacts/{ada.pk}/correct/",
        {"name": "Ada L.", "phone": "+12125550143", "external_id": "CRM-10", "stage": "customer"},
    )

    ada.refresh_from_db()
    now = timezone.now()
    assert (ada.name, ada.external_id, ada.stage) == ("Ada L.", "CRM-10", "customer")
    assert ada.addresses.get(preferred=True).value == "+12125550143"
    assert {one.value for one in Suppression.objects.in_force(now)} == {"+12125550142", "+12125550143"}
    assert {"sms", "mms"} <= {one.channel for one in side_panel(ada, now).off}
    assert "CRM-10" in ada.notes.get().text


def test_whoever_may_not_add_people_cannot(login):
    for role in ("support", ""):
        assert login(role).get(NEW).status_code == 403
        assert login(role).post(NEW, ADA).status_code == 403
    assert not Contact.objects.exists()
