"""What a sender lacks is said first, and dates that nobody enters are those of the day on which its state changed."""

from __future__ import annotations

from datetime import date

import pytest
from django.urls import reverse

from campaigns.models import Registration, Sender
from campaigns.rates import today
from tests import factories

pytestmark = pytest.mark.django_db
Kind, State = Registration.Kind, Registration.State


@pytest.fixture
def sender():
    return factories.sender(name="Clinic texts", value="+12125550142", state=Sender.State.NOT_REGISTERED)


def say(client, sender, **fields):
    url = f"{reverse('senders:registration', args=[sender.pk])}?kind={Kind.BRAND}&country=US"
    assert client.post(url, {"state": "approved"} | fields).status_code == 302
    return sender.registrations.get(kind=Kind.BRAND)


def test_today_is_filled_in_when_the_state_changes(login, sender, now, time_machine):
    time_machine.move_to(now)
    client = login("admin")

    asked = say(client, sender, state="submitted")
    assert (asked.submitted_on, asked.decided_on) == (today(now), None)

    approved = say(client, sender, submitted_on="2020-01-05")
    assert (approved.submitted_on, approved.decided_on) == (date(2020, 1, 5), today(now))


def test_what_was_emptied_of_the_same_state_stays_empty(login, sender):
    client = login("admin")
    say(client, sender, submitted_on="2020-01-05", decided_on="2020-01-06")

    assert say(client, sender).decided_on is None


def test_a_sender_that_cannot_send_says_first_what_to_do(login, sender):
    text = login("support").get(reverse("senders:sender", args=[sender.pk])).content.decode()

    assert "This sender cannot send yet." in text
    assert "Do these two:" in text
    assert "10DLC brand (US): needed" in text


def test_mail_without_authentication_does_not_look_fine(login):
    sender = factories.sender("email", value="a@example.com", state="not_needed")
    Registration.objects.create(
        sender=sender, kind=Kind.DMARC, state=State.NEEDED, changed_at=sender.created_at
    )
    client = login("support")

    for url in (reverse("senders:list"), reverse("senders:sender", args=[sender.pk])):
        text = client.get(url).content.decode()
        assert "Mail may be refused or go to spam" in text
        assert "Needs no registration" not in text
