"""Whole addresses are for those who may see them, also where they stand in somebody else's words."""

from __future__ import annotations

import pytest

from contacts.models import Note
from contacts.phones import concealed
from deliveries.ledger.events import apply, event
from deliveries.models import Engagement
from deliveries.statuses import Evidence, FailureClass, Fault, Meaning, Status
from tests import reporting_rows

BOUNCED = Meaning(Status.BOUNCED, FailureClass.PERMANENT, Fault.RECIPIENT, Evidence.CARRIER)
TOLD = "550 <robin@example.com> unknown, call +1 (212) 555-0142"
WHOLE = ("robin@example.com", "555-0142", "12125550142")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (TOLD, "550 <r•••@example.com> unknown, call •••0142"),
        ("id/15125550142", "id/•••0142"),
        ("Rejected with 5.1.1 after 3 tries on 2026-03-04", "Rejected with 5.1.1 after 3 tries on •••3-04"),
        ("SM0123456789abcdef0123456789abcdef", "SM0123456789abcdef0123456789abcdef"),
        ("", ""),
    ],
)
def test_addresses_within_a_text_are_masked_and_little_else(text, shown):
    assert concealed(text) == shown


@pytest.fixture
def message(db, now):
    campaign = reporting_rows.campaign([3])
    message = campaign.messages.get()
    message.provider_message_id = "id/12125550142"
    message.save(update_fields=["provider_message_id"])
    apply([event(message.pk, message.goal, BOUNCED, at=now, native=("bounced", "", TOLD))], now)
    Note.objects.create(contact=message.contact, text=TOLD, at=now)
    Engagement.objects.create(contact=message.contact, kind="reply", channel="sms", text=TOLD, at=now)
    return message


def answers(client, message) -> list[str]:
    places = (
        f"/contacts/{message.contact_id}/",
        f"/deliveries/{message.pk}/",
        f"/campaigns/{message.campaign.slug}/export/",
    )
    found = [client.get(place) for place in places]
    assert [answer.status_code for answer in found] == [200, 200, 200]
    return [b"".join(answer).decode() for answer in found]


def test_no_page_and_no_export_of_a_marketers_holds_a_whole_address(login, message):
    found = answers(login("marketer"), message)

    assert [[word for word in WHOLE if word in text] for text in found] == [[], [], []]


def test_whoever_may_see_whole_addresses_reads_the_providers_words(login, message):
    trail, page, _ = answers(login("admin"), message)

    assert "robin@example.com" in trail
    assert "id/12125550142" in page
