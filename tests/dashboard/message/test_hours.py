"""A message that waited for the permitted hours says until when, and in whose time zone."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from html import unescape

import pytest
from django.utils import timezone

from contacts.models import Consent, Contact
from deliveries.models import Decision, Message, Outbox
from deliveries.sending.expansion import expand
from tests import factories

pytestmark = pytest.mark.django_db

NIGHT = datetime(2026, 11, 4, 4, tzinfo=UTC)  # 23:00 in New York, 22:00 in Chicago
DAY = datetime(2026, 11, 3, 17, tzinfo=UTC)


@pytest.fixture
def page(login):
    client = login("support")
    return lambda path: " ".join(unescape(client.get(path).content.decode()).split())


def launched(
    at, channel="sms", starts_at=None, own_zone="", of_number="America/New_York", region="US-TX", **fields
):
    """The one message of a campaign that was launched at this moment."""
    people = factories.contact_list()
    contact = factories.contact(lists=[people], time_zone=own_zone)
    if channel == "email":
        factories.email(contact)
    else:
        factories.phone(contact, time_zone=of_number, region=region)
    Consent.objects.create(
        contact=contact, channel=channel, opted_in=True, at=DAY - timedelta(days=9), how="Form"
    )
    factories.account()
    campaign = factories.campaign(
        lists=[people], state="launching", launched_at=at, channel=channel, starts_at=starts_at,
        window_start=time(9), window_end=time(21), **fields,
    )  # fmt: skip
    factories.content(campaign)
    expand(campaign, at)
    return campaign.messages.get()


@pytest.mark.parametrize(
    ("zones", "words"),
    [
        ({}, "Held until 4 Nov, 09:00 (America/New York, the number's zone)"),
        ({"own_zone": "America/Chicago"}, "Held until 4 Nov, 09:00 (America/Chicago, the contact's zone)"),
        ({"own_zone": "Mars/Base"}, "Held until 4 Nov, 09:00 (America/New York, the number's zone)"),
        (
            {"own_zone": "America/New_York America/Chicago"},
            "Held until 4 Nov, 10:00 in New York, 09:00 in Chicago (the contact's zones)",
        ),
        (
            {"of_number": "America/New_York America/Chicago"},
            "Held until 4 Nov, 10:00 in New York, 09:00 in Chicago (all zones where the number may be)",
        ),
    ],
)
def test_a_wait_for_the_permitted_hours_names_the_zone(page, time_machine, zones, words):
    time_machine.move_to(NIGHT)
    message = launched(NIGHT, **zones)

    before = page(f"/contacts/{message.contact_id}/")
    type(message).objects.update(status="sent", handed_over_at=message.due_at)
    Outbox.objects.all().delete()

    assert f"{words}." in before  # beside what is to come
    assert words in page(f"/deliveries/{message.pk}/")
    assert words in page(f"/contacts/{message.contact_id}/")


def test_a_wait_that_a_law_demands_names_it(page, time_machine):
    sunday = datetime(2026, 11, 1, 16, tzinfo=UTC)
    time_machine.move_to(sunday)

    message = launched(sunday, region="US-AL", of_number="America/Chicago", purpose="marketing")

    words = "Held until 2 Nov, 09:00 (America/Chicago, the number's zone): Sundays are closed in Alabama"
    assert words in page(f"/contacts/{message.contact_id}/")
    assert words in page(f"/deliveries/{message.pk}/")


def test_where_no_zone_is_known_it_is_ours(page, time_machine, settings):
    settings.TIME_ZONE = "America/New_York"
    time_machine.move_to(NIGHT)
    message = launched(NIGHT, of_number="")

    assert "09:00 (America/New York, our own zone, as theirs is not known)" in page(
        f"/deliveries/{message.pk}/"
    )


@pytest.mark.parametrize(
    "launch",
    [
        {"at": DAY}, {"at": NIGHT, "channel": "email"}, {"at": DAY, "starts_at": DAY + timedelta(minutes=7)},
        {"at": DAY, "starts_at": datetime(2026, 11, 4, 14, tzinfo=UTC)},
    ],
    ids=["by day", "email", "begins later", "begins as the hours do"],
)  # fmt: skip
def test_what_waited_for_nothing_says_nothing_of_hours(page, time_machine, launch):
    time_machine.move_to(launch["at"])
    message = launched(**launch)

    assert "Held until" not in page(f"/deliveries/{message.pk}/")


def test_where_the_zone_was_corrected_since_nothing_is_claimed(page, time_machine):
    time_machine.move_to(NIGHT)
    message = launched(NIGHT)
    Contact.objects.update(time_zone="Asia/Tokyo")

    assert "Held until" not in page(f"/deliveries/{message.pk}/")


def test_a_retry_that_waits_for_the_hours_says_so_where_it_was_decided(page, time_machine):
    time_machine.move_to(NIGHT)
    message = launched(DAY)
    Decision.objects.create(
        message_id=message.pk, recipient=message.recipient, contact=message.contact, at=NIGHT, by="playbook",
        rule="retry", rule_version=3, step="retry", reason="The phone was off. Retry 1 of 2.",
        due_at=datetime(2026, 11, 4, 14, tzinfo=UTC),
    )  # fmt: skip

    found = page(f"/deliveries/{message.pk}/")

    assert "Retry 1 of 2. Held until 4 Nov, 09:00 (America/New York, the number's zone)." in found


def test_what_was_withdrawn_meanwhile_is_not_said_to_have_waited_until_then(page, time_machine):
    time_machine.move_to(NIGHT)
    message = launched(NIGHT)
    type(message).objects.update(status="canceled", disposition="", canceled_at=NIGHT + timedelta(hours=1))

    assert "Held until" not in page(f"/deliveries/{message.pk}/")


def test_a_message_whose_sender_has_used_up_its_day_says_so_on_its_page_and_on_the_contacts(page):
    message = launched(DAY)
    tomorrow = timezone.now() + timedelta(hours=9)
    Outbox.objects.update(held="daily_limit", due_at=tomorrow)
    Message.objects.update(due_at=tomorrow)

    assert "(UTC): its sender has sent as much today as it may" in page(f"/deliveries/{message.pk}/")
    assert "It waits: its sender has sent as much today as it may." in page(
        f"/contacts/{message.contact_id}/"
    )
