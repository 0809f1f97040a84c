"""Suppressions in the admin: added, released, made to stay, and never edited."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from contacts.consenting import US
from contacts.models import Suppression
from tests import factories
from tests.contacts.admin_pages import NUMBER, add_suppression

pytestmark = pytest.mark.django_db


def test_the_list_of_suppressions_asks_the_same_few_queries_for_any_number(
    client, administrator, django_assert_max_num_queries
):
    for _ in range(30):
        add_suppression(contact=factories.contact(), value=factories.phone_number())

    with django_assert_max_num_queries(12):
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


def test_the_list_of_suppressions_says_who_entered_each_and_why(client, administrator):
    for why in ("Called us from +1 512 555 0199", "Wrote a letter"):
        add_suppression(evidence=why, by=administrator)

    page = client.get(reverse("admin:contacts_suppression_changelist")).content.decode()

    assert "Called us from" in page
    assert "555 0199" not in page
    assert "Wrote a letter" in page
    assert page.count(f", {administrator.display_name}</td>") == 2
