"""Is this address blocked, and could it be sent to?"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from contacts.consenting import record_opt_in, record_opt_out
from contacts.grounds import day
from contacts.models import Consent, Contact
from contacts.suppressing import release, suppress
from tests import factories

pytestmark = pytest.mark.django_db
NUMBER = "+12125550142"
NOON = datetime(2026, 3, 4, 17, 0, tzinfo=timezone.get_default_timezone())


@pytest.fixture
def address():
    made = factories.phone(value=NUMBER, time_zone="America/New_York")
    for channel in ("sms", "voice"):
        Consent.objects.create(
            contact=made.contact,
            channel=channel,
            opted_in=True,
            how="Web form",
            at=timezone.now() - timedelta(days=90),
        )
    return made


def look_up(client, text=NUMBER, **fields):
    answer = client.post("/suppressions/lookup/", {"address": text, "_zone": "UTC", **fields})
    return re.sub(r"\s+", " ", answer.content.decode())


def next_noon():
    """A Wednesday at noon in New York, ahead."""
    at = timezone.now() + timedelta(days=7)
    at += timedelta(days=(2 - at.weekday()) % 7)
    return at.strftime("%Y-%m-%dT17:00")


def test_the_page_asks_for_an_address_and_keeps_it_out_of_the_address_bar(login):
    page = login("support").get("/suppressions/lookup/").content.decode()

    assert 'method="post" action="/suppressions/lookup/"' in page


def test_a_wrong_entry_is_not_answered_as_a_change(login):
    page = look_up(login("support"), "12")

    assert "This cannot be looked up:" in page
    assert "Nothing was changed" not in page


@pytest.mark.parametrize("typed", ["(212) 555-0142", "+1 212 555 0142", "tel:2125550142"])
def test_it_says_on_which_channel_why_since_when_and_who_can_lift_it(login, address, typed):
    record_opt_out(value=NUMBER, channel="sms", how="Reply", evidence="STOP", at=timezone.now())

    page = look_up(login("support"), typed)

    assert "Replied STOP" in page
    assert "Only by the person, who opts in again" in page
    assert page.count("> Blocked<") + page.count(">Blocked<") == 4  # every channel of a phone
    assert "Would not be sent: the person opted out" in page
    assert address.contact.name in page


def test_an_address_that_no_contact_has_is_answered_as_well(login):
    suppress(value=NUMBER, reason="register", origin="import", channel="voice", now=timezone.now())

    page = look_up(login("admin"), at=next_noon())

    assert not Contact.objects.exists()
    assert "Do-not-call register" in page
    assert "By an administrator, with a reason" in page
    assert "No contact has this address." in page
    assert "the address or the contact is suppressed (on a do-not-call register" in page
    assert "there is no consent for this channel" in page


def test_what_is_not_blocked_is_said_to_be_free(login, address):
    page = look_up(login("support"), at=next_noon())

    assert "There is none, and there never was." in page
    assert page.count("Not blocked") == 4
    assert ">Yes<" in page.replace("> Yes", ">Yes")


def test_the_gate_keeps_the_hours_of_the_person(login, address):
    page = look_up(login("support"), at=next_noon().replace("T17:00", "T07:00"))

    assert "Would wait: it is outside the permitted hours where the person is" in page


def test_a_moment_that_is_over_is_judged_by_what_held_then(login, address):
    now = timezone.now()
    block = suppress(value=NUMBER, reason="staff", origin="staff", now=now - timedelta(days=30))
    release(block, by=None, note="x", now=now - timedelta(days=10))
    then = (now - timedelta(days=20)).strftime("%Y-%m-%dT17:00")

    assert "the address or the contact is suppressed" in look_up(login("support"), at=then)
    assert "the address or the contact is suppressed" not in look_up(login("support"), at=next_noon())


def test_an_opt_out_that_was_taken_back_counts_for_its_time(login, address):
    now = timezone.now()
    record_opt_out(value=NUMBER, channel="sms", how="Reply", evidence="STOP", at=now - timedelta(days=30))
    record_opt_in(value=NUMBER, channel="sms", how="Reply", evidence="START", at=now - timedelta(days=10))
    then = (now - timedelta(days=20)).strftime("%Y-%m-%dT17:00")

    assert "the person opted out" in look_up(login("support"), at=then)


@pytest.mark.parametrize("text", ["", "12", "robin@", "x" * 300, "\x00", "+1212555014x"])
def test_what_is_no_address_is_refused_in_words(login, text):
    answer = login("support").post("/suppressions/lookup/", {"address": text})

    assert answer.status_code == 422


@pytest.mark.parametrize("at", ["1066-10-14T09:00", "9999-12-31T23:59", "yesterday", "0001-01-01T00:00"])
def test_a_moment_that_cannot_be_asked_about_is_refused_in_words(login, at):
    found = suppress(value=NUMBER, reason="staff", origin="staff", now=timezone.now())

    assert login("support").post("/suppressions/lookup/", {"address": NUMBER, "at": at}).status_code == 422
    assert login("support").get(f"/suppressions/{found.pk}/", {"at": at}).status_code == 422


def test_a_whole_contact_that_is_blocked_is_looked_up_with_their_addresses(login, address):
    block = suppress(contact=address.contact, reason="legal", origin="staff", now=timezone.now())

    page = login("admin").get(f"/suppressions/{block.pk}/").content.decode()

    assert "The whole contact" in page
    assert "legal demand" in page


def test_however_many_share_it_the_page_costs_the_same(login, django_assert_max_num_queries):
    for _ in range(25):
        factories.phone(value=NUMBER)
    found = suppress(value=NUMBER, reason="staff", origin="staff", now=timezone.now())
    client = login("admin")
    with django_assert_max_num_queries(23):
        page = client.get(f"/suppressions/{found.pk}/").content.decode()
    assert "And 15 more contacts" in page


@pytest.mark.parametrize("value", ["80808", "+12120500000", "acme", "robin@localhost"])
def test_a_block_of_what_is_no_number_that_anybody_has_is_shown_as_well(login, value):
    found = suppress(value=value, reason="staff", origin="staff", now=timezone.now())

    assert login("admin").get(f"/suppressions/{found.pk}/").status_code == 200
    assert login("admin").get(f"/suppressions/{found.pk}/release/").status_code == 200
    assert login("admin").get("/suppressions/", {"s": value}).status_code == 200


def test_a_marketer_reads_masked_addresses_only(login, address):
    block = suppress(
        value=NUMBER, reason="staff", origin="staff", now=timezone.now(), evidence="Called from +12125550142"
    )

    page = login("marketer").get(f"/suppressions/{block.pk}/").content.decode()

    assert "5550142" not in page
    assert "555-0142" not in page


def test_a_released_one_says_so_and_not_when_it_ends(login):
    block = suppress(value=NUMBER, reason="hard_fails", origin="rule", channel="sms", now=timezone.now())
    client = login("admin")
    before = client.get(f"/suppressions/{block.pk}/").content.decode()
    release(block, by=client.user, note="A new phone", now=timezone.now())

    page = client.get(f"/suppressions/{block.pk}/").content.decode()

    assert "Not by itself" in before
    assert "Released on" not in before
    assert f"Released on {day(timezone.now())}" in page
    assert "<dt>Ends</dt>" not in page


def test_an_opt_out_leads_administrators_to_where_new_consent_is_recorded(login, address):
    block = suppress(value=NUMBER, reason="stop", origin="recipient", channel="sms", now=timezone.now())
    where = f"/admin/contacts/consent/add/?contact={address.contact_id}&amp;opted_in=1"

    assert block.contact is None
    assert where in login("admin").get(f"/suppressions/{block.pk}/").content.decode()
    page = login("support").get(f"/suppressions/{block.pk}/").content.decode()
    assert where not in page
    assert "An administrator records it, with evidence" in page
