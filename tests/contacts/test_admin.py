"""The admin of contacts: quick at any size, ledgers that cannot be changed, addresses for those who may see them."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse

from contacts.models import Address, Consent, Contact, ContactList, Note, Suppression
from tests import factories
from tests.contacts.admin_pages import NUMBER, add_suppression

pytestmark = pytest.mark.django_db


MODELS = [
    "contactlist",
    "contact",
    "listmembership",
    "address",
    "addresshealth",
    "consent",
    "suppression",
    "note",
]


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens_and_searches(client, administrator, model):
    contact = factories.contact(lists=[factories.contact_list()])
    address = factories.phone(contact, value=NUMBER)
    address.health.create(channel="sms", hard_fails=1)
    Consent.objects.create(contact=contact, channel="sms", opted_in=True, how="Web form")
    Note.objects.create(contact=contact, author=administrator, text="Called back")
    add_suppression()

    response = client.get(reverse(f"admin:contacts_{model}_changelist"), {"q": NUMBER})

    assert response.status_code == 200


@pytest.mark.parametrize("model", [each for each in MODELS if each != "contactlist"])
def test_lists_of_large_tables_count_nothing_and_have_no_date_hierarchy(model):
    found = next(
        each for each in admin.site._registry.items() if each[0]._meta.label_lower == f"contacts.{model}"
    )[1]

    assert not found.show_full_result_count
    assert found.date_hierarchy is None


def test_an_address_is_kept_in_its_one_form_with_all_that_it_tells(client, administrator):
    form = {"contact": factories.contact().pk, "kind": "phone", "value": "512 555 0142", "preferred": "on"}
    form |= {"line_type": "unknown", "validity": "unverified"}

    client.post(reverse("admin:contacts_address_add"), form)

    made = Address.objects.get()
    assert (made.value, made.region, made.time_zone) == (NUMBER, "US", "America/Chicago")


@pytest.mark.parametrize("model", ["address", "contact"])
@pytest.mark.parametrize("zone", ["Mars/Base", "America/Chicago Mars/Base", "America"])
def test_a_time_zone_that_nobody_knows_is_refused_where_it_is_typed(client, administrator, model, zone):
    address = factories.phone(value=NUMBER)
    row = address if model == "address" else address.contact
    form = contact_form(time_zone=zone) | {"contact": address.contact_id, "kind": "phone", "value": NUMBER}
    form |= {"line_type": "mobile", "validity": "valid"}

    page = client.post(reverse(f"admin:contacts_{model}_change", args=[row.pk]), form)

    row.refresh_from_db()
    assert "No time zone: " in page.content.decode()
    assert row.time_zone != zone


def test_a_number_is_no_email_address_when_its_kind_alone_is_changed(client, administrator):
    address = factories.phone(value=NUMBER)
    form = {"contact": address.contact_id, "kind": "email", "value": NUMBER, "line_type": "mobile"}

    page = client.post(
        reverse("admin:contacts_address_change", args=[address.pk]), form | {"validity": "valid"}
    )

    address.refresh_from_db()
    assert "is not an email address" in page.content.decode()
    assert address.kind == "phone"


def test_consent_is_added_and_never_changed(client, administrator):
    contact = factories.contact()
    form = {"contact": contact.pk, "channel": "sms", "opted_in": "on", "how": "Paper form"}
    form |= {"at_0": "2026-03-04", "at_1": "10:00"}

    client.post(reverse("admin:contacts_consent_add"), form)

    made = Consent.objects.get()
    assert made.recorded_by == administrator
    assert client.post(reverse("admin:contacts_consent_change", args=[made.pk]), form).status_code == 403
    assert client.post(reverse("admin:contacts_consent_delete", args=[made.pk])).status_code == 403


def contact_form(**fields):
    inline = {f"addresses-{name}_FORMS": 0 for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    return {"name": "Elena Moreau", "value_tier": 0, "attributes": "{}"} | inline | fields


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ('["Austin"]', "Give names and texts, such as"),
        ("7", "Give names and texts, such as"),
        ('{"city": ["Austin"], "size": 42}', "Neither text nor number: city."),
        ('{"city": null}', "Neither text nor number: city."),
        ('{"member": true}', "Neither text nor number: member."),
    ],
)
def test_merge_fields_that_no_message_can_say_are_refused_where_they_are_typed(
    client, administrator, typed, says
):
    page = client.post(reverse("admin:contacts_contact_add"), contact_form(attributes=typed))

    assert says in page.context["adminform"].form.errors["attributes"][0]
    assert not Contact.objects.exists()


@pytest.mark.parametrize(
    ("typed", "kept"), [('{"city": "Austin", "size": 4.5}', {"city": "Austin", "size": 4.5}), ("", {})]
)
def test_merge_fields_are_texts_and_numbers_or_none_at_all(client, administrator, typed, kept):
    client.post(reverse("admin:contacts_contact_add"), contact_form(attributes=typed))

    assert Contact.objects.get().attributes == kept


def test_a_list_is_added_by_its_name_alone(client, administrator):
    factories.contact_list(name="Spring fair, last year", slug="spring-fair")

    client.post(reverse("admin:contacts_contactlist_add"), {"name": "Spring fair"})

    assert ContactList.objects.get(name="Spring fair").slug == "spring-fair-2"


# ---- Whole addresses are for those who may see them ---------------------------------------------------------


HIDDEN = "+12145550177"  # not the one that help texts name


@pytest.fixture
def address():
    found = factories.phone(factories.contact(name="Elena Moreau"), value=HIDDEN)
    found.health.create(channel="sms", hard_fails=1)
    Consent.objects.create(contact=found.contact, channel="sms", opted_in=True, how="Form", evidence=HIDDEN)
    add_suppression(value=HIDDEN, contact=found.contact, evidence=f"Said by {HIDDEN}")
    return found


def pages_of(client, row):
    """Its list, its own page and its history."""
    where = f"admin:contacts_{row._meta.model_name}"
    urls = [reverse(f"{where}_changelist")]
    urls += [reverse(f"{where}_{page}", args=[row.pk]) for page in ("change", "history")]
    answers = [client.get(each) for each in urls]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.content.decode() for answer in answers]


def everything_about(address):
    contact = address.contact
    return [
        address,
        contact,
        address.health.get(),
        contact.consents.get(),
        Suppression.objects.get(contact=contact),
    ]


def test_whoever_may_not_see_addresses_sees_masked_ones(client, address):
    client.force_login(factories.user("marketer", is_staff=True))

    for row in everything_about(address):
        assert not any("2145550177" in page for page in pages_of(client, row)), row._meta.verbose_name
    assert "+1 ••• ••• 0177" in pages_of(client, address)[0]
    assert "+1 ••• ••• 0177" in pages_of(client, address.contact)[1]


@pytest.mark.parametrize("model", ["contact", "address", "suppression", "consent", "addresshealth"])
@pytest.mark.parametrize("typed", [HIDDEN, "(214) 555-0177"])
def test_whoever_may_not_see_addresses_can_still_search_by_one(client, address, model, typed):
    client.force_login(factories.user("marketer", is_staff=True))

    found = client.get(reverse(f"admin:contacts_{model}_changelist"), {"q": typed})

    assert len(found.context["cl"].result_list) == 1


@pytest.mark.parametrize("model", ["contact", "listmembership", "suppression", "consent", "note"])
@pytest.mark.parametrize(("typed", "rows"), [("crm-17", 1), ("crm-1", 0), ("CRM-17", 1)])
def test_rows_of_a_contact_are_found_by_their_whole_external_id(client, administrator, model, typed, rows):
    contact = factories.contact(external_id="crm-17", lists=[factories.contact_list()])
    Consent.objects.create(contact=contact, channel="sms", opted_in=True, how="Form")
    Note.objects.create(contact=contact, author=administrator, text="Called back")
    add_suppression(value="", contact=contact)

    found = client.get(reverse(f"admin:contacts_{model}_changelist"), {"q": typed})

    assert len(found.context["cl"].result_list) == rows


def test_whoever_may_see_addresses_does(client, address, administrator):
    suppression = Suppression.objects.get()

    for row, page in ((address, 0), (address, 1), (address.contact, 1), (suppression, 0), (suppression, 1)):
        assert HIDDEN in pages_of(client, row)[page]


def test_whoever_may_change_addresses_without_seeing_them_changes_the_rest(client, address):
    user = factories.user(is_staff=True)
    names = ["view_address", "change_address", "add_address", "view_contact", "change_contact"]
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client.force_login(user)
    form = {"contact": address.contact.pk, "kind": "phone", "line_type": "landline", "validity": "valid"}

    page = client.get(reverse("admin:contacts_contact_change", args=[address.contact.pk])).content.decode()
    client.post(reverse("admin:contacts_address_change", args=[address.pk]), form | {"value": "+12125550123"})

    address.refresh_from_db()
    assert "+1 ••• ••• 0177" in page
    assert HIDDEN not in page
    assert (address.value, address.line_type) == (HIDDEN, "landline")


def test_a_deletion_and_its_history_name_a_masked_address(client, address):
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    address.health.all().delete()
    where = reverse("admin:contacts_address_delete", args=[address.pk])

    asked = client.get(where).content.decode()
    done = client.post(where, {"post": "yes"}, follow=True).content.decode()

    assert "+1 ••• ••• 0177" in asked
    assert "+1 ••• ••• 0177" in done
    assert LogEntry.objects.get().object_repr == "+1 ••• ••• 0177"


def test_notes_are_read_only(client, administrator):
    assert client.get(reverse("admin:contacts_note_add")).status_code == 403
