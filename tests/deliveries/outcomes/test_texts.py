"""What a message says, as far as that can be known afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from campaigns.models import Content
from contacts.models import Contact
from deliveries.models import Message
from deliveries.outcomes.texts import texts
from deliveries.statuses import Status
from tests import factories

pytestmark = pytest.mark.django_db
AGO = timedelta(hours=1)


@pytest.fixture
def contact():
    return factories.contact(name="Elena Moreau", attributes={"street": "7 Elm Road"})


def sent(contact, *, body="Hello {first_name}, see you at {street}.", channel="sms", **fields) -> Message:
    """A message handed over after the contact was last changed."""
    campaign = factories.campaign(channel=channel)
    factories.content(campaign, body=body)
    Contact.objects.filter(pk=contact.pk).update(updated_at=timezone.now() - 2 * AGO)
    contact.refresh_from_db()
    return factories.message(
        factories.recipient(campaign, contact), created_at=timezone.now() - AGO, channel=channel, **fields
    )


def said(message):
    return texts([message])[message.pk]


def test_a_text_is_what_was_handed_over_to_the_letter(contact):
    text = said(sent(contact))

    assert (text.body, text.caveat) == ("Hello Elena, see you at 7 Elm Road.", "")


def test_an_email_has_its_subject(contact):
    assert said(sent(contact, channel="email")).subject == "Hello"


def test_a_contact_that_changed_since_is_said(contact):
    message, plain = sent(contact), sent(factories.contact(), body="The clinic is closed today.")
    for one in (message, plain):
        one.contact.name = "Elena Moreau-Diaz"
        one.contact.save()

    assert said(message).caveat == "With today's details of the contact."
    assert said(plain).caveat == ""


def test_a_text_that_changed_since_is_not_passed_off_as_the_one_that_was_sent(contact):
    message = sent(contact)
    Content.objects.update(version=3, body="Something else")

    text = said(message)

    assert text.body == "Something else"
    assert "made with version 1, and of what it said no copy is kept. This is version 3" in text.caveat


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": Status.QUEUED}, "It has not left yet."),
        ({"status": Status.CANCELED, "canceled_at": timezone.now()}, "It never left."),
    ],
)
def test_what_did_not_leave_is_not_said_to_have_been_sent(contact, fields, words):
    assert said(sent(contact, **fields)).caveat.startswith(words)


def test_content_that_is_gone_is_said(contact):
    message = sent(contact)
    Content.objects.all().delete()

    text = said(message)

    assert not text.is_known
    assert "No copy of the text is kept" in text.caveat


def test_the_text_stands_open_on_the_message_and_folded_on_the_trail(login, contact):
    message, client = sent(contact, channel="email"), login("support")

    page = client.get(f"/deliveries/{message.pk}/").content.decode()
    trail = client.get(f"/contacts/{contact.pk}/").content.decode()

    assert "<details open><summary>Message text</summary>" in page
    assert "<details><summary>Message text</summary>" in trail
    for shown in (page, trail):
        assert "<p><b>Hello</b></p><p>Hello Elena, see you at 7 Elm Road.</p>" in shown


def test_a_text_is_escaped(login, contact):
    message = sent(contact, body="<script>alert(1)</script> & more")

    page = login("support").get(f"/deliveries/{message.pk}/").content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page


def test_texts_are_read_by_who_may_view_messages(login, make_user, contact):
    reader = make_user("")
    reader.user_permissions.set(Permission.objects.filter(codename__in=["view_report", "view_contact"]))
    client, message = login(user=reader), sent(contact)

    for path in (f"/deliveries/{message.pk}/", f"/contacts/{contact.pk}/"):
        page = client.get(path)
        assert page.status_code == 200
        assert b"7 Elm Road" not in page.content
