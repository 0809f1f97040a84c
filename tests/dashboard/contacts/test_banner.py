"""The banner of a contact's page names everything that closes a channel: who, when, why, and what it closes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from contacts.channels import Channel
from contacts.consenting import record_opt_out, record_request
from contacts.models import Address, AddressHealth, Consent, Suppression
from contacts.suppressing import lift_mistaken, put_back, suppress
from dashboard.contacts.banner import SHOWN, banner
from deliveries.outcomes.reachability import side_panel
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def ann():
    return factories.user(first_name="Ann", last_name="Lee")


@pytest.fixture
def robin():
    contact = factories.contact()
    factories.phone(contact, value="+12145550142")
    factories.email(contact, value="robin@example.com")
    for channel in Channel:
        Consent.objects.create(
            contact=contact, channel=channel, opted_in=True, at=NOW - 90 * DAY, how="Web form"
        )
    return contact


def lines_of(contact):
    found = banner(side_panel(contact, NOW))
    assert found is not None
    return [(ground.words, ground.quote, ground.closes) for ground in found.grounds]


def test_nothing_off_needs_no_banner(robin):
    assert banner(side_panel(robin, NOW)) is None


def test_every_ground_is_named_the_newest_first(robin, ann):
    record_opt_out(value="+12145550142", channel="sms", how="Reply", evidence="STOP", at=NOW - 3 * DAY)
    suppress(
        contact=robin, reason="staff", origin="staff", evidence="Two accounts", by=ann, now=NOW - DAY,
        expires_at=NOW + DAY,
    )  # fmt: skip

    assert lines_of(robin) == [
        (
            "Added by staff on 19 Nov 2026, entered by Ann Lee, until 21 Nov 2026", "Two accounts",
            "Closes every channel for the whole contact.",
        ),
        ("Replied STOP on 17 Nov 2026", "STOP", "Closes SMS, MMS, voice and ringless voicemail at +1 ••• ••• 0142."),
    ]  # fmt: skip


def test_what_is_closed_on_one_channel_says_which(robin, ann):
    record_request(
        contact=robin,
        value="robin@example.com",
        channel="email",
        evidence="On the phone",
        by=ann,
        now=NOW - DAY,
    )
    suppress(value="+12145550142", channel="voice", reason="staff", origin="staff", by=ann, now=NOW - 2 * DAY)

    assert [(words, closes) for words, _, closes in lines_of(robin)] == [
        ("Asked us to stop on 19 Nov 2026, entered by Ann Lee", "Closes email at r•••@example.com."),
        ("Added by staff on 18 Nov 2026, entered by Ann Lee", "Closes voice at +1 ••• ••• 0142."),
    ]


def test_a_no_without_a_block_names_its_channels_once(robin, ann):
    for channel in ("voice", "rvm"):
        Consent.objects.create(
            contact=robin, channel=channel, opted_in=False, at=NOW - DAY, how="Letter", recorded_by=ann
        )

    assert lines_of(robin) == [
        ("Opted out on 19 Nov 2026 (Letter), entered by Ann Lee", "", "Closes voice and ringless voicemail.")
    ]


def test_a_no_to_texts_closes_pictures_that_have_no_word_of_their_own(robin):
    Consent.objects.filter(channel="mms").delete()
    Consent.objects.create(contact=robin, channel="sms", opted_in=False, at=NOW - DAY, how="Letter")

    assert lines_of(robin) == [("Opted out on 19 Nov 2026 (Letter)", "", "Closes SMS and MMS.")]


def test_what_failed_stands_beside_what_was_asked(robin):
    phone = robin.addresses.get(kind="phone")
    dead = {"closed": "number", "closed_why": "Number not in service, reported by SMS"}
    AddressHealth.objects.create(address=phone, channel="sms", last_failed_at=NOW - DAY, **dead)
    AddressHealth.objects.create(address=phone, channel="voice", **dead)  # closed for what failed by SMS
    suppress(
        value="robin@example.com", reason="complaint", origin="recipient", fact="message 7", now=NOW - 2 * DAY
    )

    assert lines_of(robin) == [
        (
            "Number not in service, reported by SMS, 19 Nov 2026",
            "",
            "Closes SMS and voice at +1 ••• ••• 0142.",
        ),
        ("Spam complaint on 18 Nov 2026", "", "Closes email at r•••@example.com."),
    ]


def test_failures_that_became_a_block_are_told_once(robin):
    phone = robin.addresses.get(kind="phone")
    AddressHealth.objects.create(address=phone, channel="sms", hard_fails=3, last_failed_at=NOW - DAY)
    suppress(
        value=phone.value, channel="sms", reason="hard_fails", origin="rule", evidence="x", now=NOW - DAY
    )

    assert [words for words, *_ in lines_of(robin)] == ["Permanent failures on 19 Nov 2026"]


def test_a_long_list_is_cut_and_says_so(robin, ann, login):
    for number in range(SHOWN + 2):
        suppress(
            contact=robin,
            reason="staff",
            origin="staff",
            evidence=f"Reason {number}",
            by=ann,
            now=NOW - number * DAY,
        )

    page = login("support").get(f"/contacts/{robin.pk}/").content.decode()

    assert 'href="#suppression-title">and 2 more</a>' in page
    assert page.count("Closes every channel for the whole contact.") == SHOWN


def test_an_address_in_a_quotation_is_hidden_from_whoever_may_not_see_it(robin, ann, login):
    suppress(
        contact=robin,
        reason="staff",
        origin="staff",
        evidence="Wrote from kim@example.com",
        by=ann,
        now=NOW - DAY,
    )

    assert "Wrote from k•••@example.com" in login("marketer").get(f"/contacts/{robin.pk}/").content.decode()


@pytest.mark.parametrize("role", ["support", "marketer"])
def test_an_address_is_whole_or_masked_alike_all_over_the_pages_of_a_contact(robin, ann, login, role):
    client = login(role)
    number, now = "+12145550142", timezone.now()
    suppress(contact=robin, value=number, reason="staff", origin="staff", by=ann, now=now)
    mistaken = suppress(value=number, reason="asked", origin="staff", fact="message 1", now=now)
    lift_mistaken(Suppression.objects.filter(pk=mistaken.pk), note="version 3", now=now)
    put_back([Suppression.objects.get(pk=mistaken.pk)], now)

    page = client.get(f"/contacts/{robin.pk}/").content.decode()
    robin.addresses.update(validity=Address.Validity.NEEDS_CORRECTION)
    form = client.get(f"/contacts/{robin.pk}/correct/").content.decode()

    assert "Suppressed again" in page
    for shown in (page, form):
        assert ("•••" in shown, "214-555-0142" in shown) == (role != "support", role == "support")
