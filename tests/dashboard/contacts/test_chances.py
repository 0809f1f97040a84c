"""The chance that a message arrives, on a contact's page: beside each channel, and as the reason for "Best now"."""

from __future__ import annotations

import pytest
from django.utils import timezone

from contacts.models import AddressHealth, Consent, Suppression
from deliveries.outcomes.reachability import side_panel
from tests import factories

pytestmark = pytest.mark.django_db

UNDELIVERED = {"status": "undelivered", "failure_class": "temporary", "fault": "recipient"}
CARRIER_DOWN = {"status": "failed", "failure_class": "temporary", "fault": "carrier"}
REFUSED = {"status": "rejected", "failure_class": "content", "fault": "content"}
SILENT = {"status": "timed_out"}


@pytest.fixture
def person(time_machine):
    """Somebody who may be written to by SMS and email, at noon where they are."""
    time_machine.move_to(timezone.now().replace(hour=18), tick=False)
    contact = factories.contact()
    factories.phone(contact), factories.email(contact)
    for channel in ("sms", "email"):
        Consent.objects.create(contact=contact, channel=channel, opted_in=True, how="Web form")
    Suppression.objects.create(contact=contact, channel="mms", reason="staff", origin="staff")
    return contact


def came(contact, channel, *outcomes):
    address = contact.addresses.get(kind="email" if channel == "email" else "phone")
    for outcome in outcomes:
        recipient = factories.recipient(contact=contact)
        factories.message(recipient, address=address, channel=channel, **(outcome or {"status": "delivered"}))


def test_each_channel_shows_its_chance_with_range_and_evidence(login, person):
    came(person, "sms", None, None, UNDELIVERED, SILENT)

    page = login("support").get(f"/contacts/{person.pk}/").content.decode()

    assert "Likely to arrive: 60%, 25-89, 3 results, 1 without a receipt" in page
    assert "Likely to arrive: 50%, 10-90, no results yet" in page
    assert (
        page.count("How to read it: SMS: between 25 and 89 of 100 such messages arrive; 3 results of this")
        == 1
    )
    assert page.count("Likely to arrive") == 2


@pytest.mark.parametrize("why", ["no consent", "landline"])
def test_no_chance_stands_beside_what_cannot_be_used(person, why):
    came(person, "sms", None, None)
    if why == "no consent":
        Consent.objects.filter(contact=person, channel="sms").delete()
    else:
        person.addresses.filter(kind="phone").update(line_type="landline")

    sms = side_panel(person, timezone.now()).channels[0]

    assert (sms.usable, sms.likely) == (False, "")


def test_the_best_is_the_likeliest_and_the_page_says_why(login, person):
    came(person, "sms", None, UNDELIVERED, UNDELIVERED)
    came(person, "email", None, None)

    page = login("support").get(f"/contacts/{person.pk}/").content.decode()

    assert "Best now: Email" in page
    assert "Of what may be used now, the likeliest to arrive is best: email 75%, SMS 40%." in page


def test_silence_does_not_make_a_channel_the_best(person):
    came(person, "sms", *[SILENT] * 6)
    came(person, "email", None, UNDELIVERED)

    found = side_panel(person, timezone.now())

    assert found.best
    assert found.best.channel == "email"
    assert "what had no receipt counts as not arrived" in found.why_best


@pytest.mark.parametrize("outcome", [CARRIER_DOWN, REFUSED])
def test_faults_that_are_not_theirs_leave_the_chance_as_it_was(person, outcome):
    came(person, "sms", None, None)
    before = side_panel(person, timezone.now()).channels[0].chance

    came(person, "sms", outcome)

    assert side_panel(person, timezone.now()).channels[0].chance == before


@pytest.mark.parametrize("how", ["dead", "suppressed", "opted out"])
def test_what_is_closed_is_never_the_best_whatever_came_of_it(person, how):
    came(person, "sms", *[None] * 12)
    came(person, "email", UNDELIVERED)
    if how == "dead":
        phone = person.addresses.get(kind="phone")
        AddressHealth.objects.create(address=phone, channel="sms", closed="number", closed_why="Gone")
    elif how == "suppressed":
        Suppression.objects.create(contact=person, channel="sms", reason="staff", origin="staff")
    else:
        Consent.objects.create(contact=person, channel="sms", opted_in=False, how="Web form")

    found = side_panel(person, timezone.now())

    assert found.best
    assert found.best.channel == "email"
    assert found.channels[0].likely == ""


def test_the_number_of_queries_does_not_grow_with_the_results(
    person, django_assert_num_queries, django_assert_max_num_queries
):
    came(person, "sms", None)
    with django_assert_max_num_queries(17) as few:
        side_panel(person, timezone.now())
    came(person, "email", *[None] * 5)

    with django_assert_num_queries(len(few)):
        side_panel(person, timezone.now())
