"""The admin of contacts: quick at any size, ledgers that cannot be changed, opt-outs that cannot be released."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from contacts.consenting import US
from contacts.models import Address, Consent, Contact, ContactList, Note, Suppression
from contacts.suppressing import suppress
from tests import factories

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
NUMBER = "+15125550142"


@pytest.fixture
def administrator(client):
    user = factories.user("admin", is_staff=True)
    client.force_login(user)
    return user


def add_suppression(**fields):
    given = {"value": NUMBER, "reason": "staff", "origin": "staff", "now": timezone.now()}
    return suppress(**given | fields)


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


def test_the_list_of_suppressions_asks_the_same_few_queries_for_any_number(
    client, administrator, django_assert_max_num_queries
):
    for _ in range(30):
        add_suppression(contact=factories.contact(), value=factories.phone_number())

    with django_assert_max_num_queries(10):
        client.get(reverse("admin:contacts_suppression_changelist"))


@pytest.mark.parametrize(
    ("state", "shown"), [("blocking", "Blocking"), ("released", "Released"), ("expired", "Expired")]
)
def test_suppressions_are_filtered_by_state(client, administrator, state, shown):
    now = timezone.now()
    add_suppression()
    add_suppression(value="+15125550143", expires_at=now - timedelta(days=1), now=now - timedelta(days=2))
    gone = add_suppression(value="+15125550144")
    Suppression.objects.filter(pk=gone.pk).update(released_at=now)

    response = client.get(reverse("admin:contacts_suppression_changelist"), {"state": state})

    rows = response.context["cl"].result_list
    assert [response.context["cl"].model_admin.state(row) for row in rows] == [shown]


def release_all(client, note="Asked on the phone", action="release_selected"):
    chosen = list(Suppression.objects.values_list("pk", flat=True))
    form = {"action": action, "_selected_action": chosen, "note": note}
    response = client.post(reverse("admin:contacts_suppression_changelist"), form, follow=True)
    return [str(message) for message in response.context["messages"]] or [response.context["title"]]


def test_releasing_refuses_what_the_person_asked_for_and_says_so(client, administrator):
    by_staff = add_suppression()
    by_person = add_suppression(reason="stop", origin="recipient")

    messages = release_all(client)

    by_staff.refresh_from_db()
    by_person.refresh_from_db()
    assert (by_staff.released_by, by_person.released_at) == (administrator, None)
    assert messages == [
        "1 released.",
        "1 kept: asked for by the person, so only new consent from them can lift it.",
    ]


def test_nothing_is_released_without_a_reason_and_the_reason_is_kept(client, administrator):
    found = add_suppression()

    messages = release_all(client, note="  ")
    found.refresh_from_db()
    before = found.released_at
    release_all(client, note="A wrong number in their letter")

    found.refresh_from_db()
    assert (before, found.release_note) == (None, "A wrong number in their letter")
    assert messages == ["Nothing was released yet: say why"]


def test_a_reason_that_was_forgotten_is_asked_for_and_the_ticks_are_kept(client, administrator):
    found, other = add_suppression(), add_suppression(value="+15125550143")
    where = f"{reverse('admin:contacts_suppression_changelist')}?state=blocking"

    asked = client.post(where, {"action": "release_selected", "_selected_action": [found.pk], "note": ""})
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="(\w+)">', asked.content.decode()))
    client.post(where, form | {"note": "A wrong number in their letter"})

    assert "Release 1 suppression" in asked.content.decode()
    found.refresh_from_db()
    other.refresh_from_db()
    assert (found.release_note, other.released_at) == ("A wrong number in their letter", None)


@pytest.mark.parametrize("sharing", [0, 1, 3])
def test_the_list_leads_to_whoever_has_an_address_that_was_opted_out_by_a_reply(
    client, administrator, sharing
):
    people = [factories.phone(value=NUMBER).contact for _ in range(sharing)]
    add_suppression(reason="stop", origin="recipient")

    page = client.get(reverse("admin:contacts_suppression_changelist")).content.decode()

    links = re.findall(r'field-whose"><a href="/contacts/(\d+)/">[^<]+</a>([^<]*)</td>', page)
    more = " and 2 more" if sharing == 3 else ""
    assert links == [(str(one.pk), more) for one in people[:1]]


def test_the_list_leads_to_the_contact_a_suppression_names(client, administrator):
    contact = factories.contact(name="Elena Moreau")
    add_suppression(contact=contact)

    page = client.get(reverse("admin:contacts_suppression_changelist")).content.decode()

    assert f'<a href="/contacts/{contact.pk}/">Elena Moreau</a>' in page


def test_nobody_has_chosen_yet_who_wants_a_suppression(client, administrator):
    page = client.get(reverse("admin:contacts_suppression_add")).content.decode()

    response = client.post(reverse("admin:contacts_suppression_add"), {"value": NUMBER})

    assert not re.search(r'name="who"[^>]* checked', page)
    assert "What the person asked for cannot be released" in page
    assert "Say who wants it" in response.content.decode()
    assert not Suppression.objects.exists()


def test_the_page_of_an_opt_out_leads_to_where_new_consent_is_recorded_and_that_lifts_it(
    client, administrator
):
    contact = factories.phone(value=NUMBER).contact
    found = add_suppression(reason="stop", origin="recipient", now=timezone.now() - timedelta(days=2))

    page = client.get(reverse("admin:contacts_suppression_change", args=[found.pk])).content.decode()
    where = reverse("admin:contacts_consent_add")
    form = client.get(f"{where}?contact={contact.pk}&opted_in=1").content.decode()
    now = timezone.localtime()
    client.post(
        where,
        {
            "contact": contact.pk, "channel": "sms", "opted_in": "on", "how": "Paper", "evidence": "Form 12",
            "at_0": f"{now:%Y-%m-%d}", "at_1": f"{now:%H:%M:%S}",
        },
    )  # fmt: skip

    assert f'{where}?contact={contact.pk}&amp;opted_in=1">Record their new consent</a>' in page
    assert re.search(rf'name="contact" value="{contact.pk}"', form)
    assert "A yes lifts it only with evidence." in form
    found.refresh_from_db()
    assert found.released_at


def test_a_suppression_that_would_end_can_be_made_to_stay(client, administrator, now):
    ends = add_suppression(expires_at=timezone.now() + timedelta(days=1))
    add_suppression(value="+15125550143")

    messages = release_all(client, action="extend_selected")

    ends.refresh_from_db()
    assert (ends.expires_at, ends.released_at) == (None, None)
    assert messages == ["1 will not end by themselves any more."]


def test_what_is_made_to_stay_stays_at_each_address_of_the_person(client, administrator, now):
    phone = factories.phone()
    whole = add_suppression(contact=phone.contact, value="", expires_at=timezone.now() + timedelta(days=1))

    form = {"action": "extend_selected", "_selected_action": [whole.pk]}
    client.post(reverse("admin:contacts_suppression_changelist"), form)

    left = Suppression.objects.values_list("value", "expires_at")
    assert set(left) == {("", None), (phone.value, None)}


@pytest.mark.parametrize(("origin", "says"), [("recipient", True), ("staff", False)])
def test_the_page_of_an_opt_out_says_how_it_is_lifted_and_offers_nothing_to_save(
    client, administrator, origin, says
):
    found = add_suppression(origin=origin)

    page = client.get(reverse("admin:contacts_suppression_change", args=[found.pk])).content.decode()

    assert ("lifted when they opt in again" in page) is says
    assert "_save" not in page


def test_a_suppression_of_nobody_is_refused_in_plain_words(client, administrator):
    page = client.post(reverse("admin:contacts_suppression_add"), {}).content.decode()

    assert "Give a phone number or an email address, or choose a contact." in page
    assert "Constraint" not in page


def test_whoever_may_only_look_cannot_release(client):
    client.force_login(factories.user("support", is_staff=True))
    found = add_suppression()

    release_all(client)

    found.refresh_from_db()
    assert found.released_at is None


def test_a_suppression_can_be_added_but_not_edited_or_deleted(client, administrator):
    form = {"value": NUMBER, "who": "person"}

    client.post(reverse("admin:contacts_suppression_add"), form)
    made = Suppression.objects.get()
    client.post(
        reverse("admin:contacts_suppression_change", args=[made.pk]), form | {"value": "+15125550143"}
    )
    deletion = client.post(reverse("admin:contacts_suppression_delete", args=[made.pk]), {"post": "yes"})

    made.refresh_from_db()
    assert (made.value, made.created_by) == (NUMBER, administrator)
    assert deletion.status_code == 403


@pytest.mark.parametrize(
    ("typed", "kept"), [("(512) 555-0142", NUMBER), ("Robin@EXAMPLE.com", "robin@example.com")]
)
def test_a_suppressed_address_is_kept_in_the_form_that_sends_are_compared_in(
    client, administrator, typed, kept
):
    client.post(reverse("admin:contacts_suppression_add"), {"value": typed, "who": "person"})

    assert Suppression.objects.get().value == kept


def test_a_suppressed_address_that_is_none_is_refused(client, administrator):
    response = client.post(reverse("admin:contacts_suppression_add"), {"value": "12"})

    assert "too short" in response.content.decode()
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("value", "channel", "says"),
    [
        ("Robin@EXAMPLE.com", "sms", "An email address takes no SMS: this would block nothing."),
        ("(512) 555-0142", "email", "A phone number takes no email: this would block nothing."),
    ],
)
@pytest.mark.parametrize("who", ["person", "us"])
def test_a_suppression_that_could_block_nothing_is_refused(client, administrator, value, channel, says, who):
    fields = {"value": value, "channel": channel, "who": who}

    page = client.post(reverse("admin:contacts_suppression_add"), fields).content.decode()

    assert says in page
    assert not Suppression.objects.exists()


def add_by_form(client, **fields):
    form = {"value": NUMBER, "who": "person"} | fields
    response = client.post(reverse("admin:contacts_suppression_add"), form, follow=True)
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize("whole_contact", [False, True])
def test_the_same_words_added_twice_are_one_row_and_it_says_so(client, administrator, whole_contact):
    contact = factories.contact(name="Elena Moreau")
    whom = {"value": "", "contact": contact.pk} if whole_contact else {}

    first = add_by_form(client, **whom, evidence="Asked on the phone")
    second = add_by_form(client, **whom, evidence="Asked on the phone")

    name = "Elena Moreau" if whole_contact else "+1 ••• ••• 0142"
    assert Suppression.objects.count() == 1
    assert "was added" in first[0]
    assert second == [
        f"“{name} all channels: Asked us to stop” is in force already, in your own words, so there is no second one."
    ]


def test_what_a_person_asked_for_has_no_end(client, administrator):
    soon = {"expires_at_0": timezone.localdate() + timedelta(days=2), "expires_at_1": "10:00"}

    form = {"value": NUMBER, "who": "person"} | soon
    page = client.post(reverse("admin:contacts_suppression_add"), form)

    assert "it holds until they opt in again. Leave this empty." in page.content.decode()
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("differs", ["words", "end", "colleague"])
def test_a_second_ground_is_kept_beside_the_first(client, administrator, differs):
    soon = {"expires_at_0": timezone.localdate() + timedelta(days=2), "expires_at_1": "10:00"}
    add_by_form(client, evidence="Asked on the phone")
    if differs == "colleague":
        client.force_login(factories.user("admin", is_staff=True))

    messages = add_by_form(
        client,
        evidence="Sued us" if differs == "words" else "Asked on the phone",
        **{"who": US, **soon} if differs == "end" else {},
    )

    assert "was added" in messages[0]
    assert Suppression.objects.in_force(timezone.now()).count() == 2


def test_an_address_whose_suppression_has_ended_can_be_suppressed_again(client, administrator):
    now = timezone.now()
    add_suppression(now=now - timedelta(days=2), expires_at=now - timedelta(days=1))

    messages = add_by_form(client)

    assert Suppression.objects.in_force(timezone.now()).get().created_by == administrator
    assert "was added" in messages[0]


def test_staff_add_suppressions_in_their_own_name_and_can_release_them(client, administrator):
    page = client.get(reverse("admin:contacts_suppression_add"))
    add_by_form(client, reason="stop", origin="recipient", scope="brand", evidence="Called us", who="us")
    messages = release_all(client)

    made = Suppression.objects.get()
    assert list(page.context["adminform"].form.fields) == [
        "value",
        "contact",
        "channel",
        "who",
        "evidence",
        "expires_at",
    ]
    assert (made.reason, made.origin, made.scope, made.evidence) == (
        "staff",
        "staff",
        "everything",
        "Called us",
    )
    assert messages == ["1 released."]


def test_what_the_person_asked_for_is_entered_as_their_own_wish_unless_it_is_said(client, administrator):
    add_by_form(client, evidence="Called us")

    made = Suppression.objects.get()
    assert (made.reason, made.origin, made.created_by) == ("asked", "recipient", administrator)


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


def test_the_list_of_suppressions_says_who_entered_each_and_why(client, administrator):
    for why in ("Called us from +1 512 555 0199", "Wrote a letter"):
        add_suppression(evidence=why, by=administrator)

    page = client.get(reverse("admin:contacts_suppression_changelist")).content.decode()

    assert "Called us from" in page
    assert "555 0199" not in page
    assert "Wrote a letter" in page
    assert page.count(f", {administrator.display_name}</td>") == 2
