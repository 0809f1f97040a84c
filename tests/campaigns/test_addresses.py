"""What somebody types as an address of media or of a sender: only what can be one, and never a script behind a link."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.template import Context, Template
from django.urls import reverse

from campaigns.media import is_web_address, validate_web_address
from campaigns.models import Content, Sender
from campaigns.sender_values import sender_value
from contacts.channels import Channel
from contacts.emails import NotAnEmail
from contacts.phones import NotAPhone
from tests import factories

LEADS_ELSEWHERE = [
    "javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\tscript:alert(1)",
    "java\nscript:alert(1)", "\x01javascript:alert(1)", "javascript://example.com/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)", "file:///etc/passwd",
    "ftp://example.com/a.png", "blob:https://example.com/1", "//example.com/a", "/admin/logout/",
    "example.com/a.png", "https:", "https://", "https:///a.png", "https:example.com",
    "https:\\\\example.com", "https://example.com\\@evil.example", "https://good.example@evil.example/a",
    "https://user:word@example.com/", "https://exa mple.com/", "https://example.com/a\u202egnp.b",
    "https://example.com:0/", "https://example.com:99999/", "https://[::1", "", "x" * 5_000,
]  # fmt: skip
TO_THE_WEB = [
    "https://example.com/picture.jpg", "http://example.com", "HTTPS://Example.com/A.PNG",
    "https://example.com:8443/a?b=c&d=%20#e", "https://xn--mnchen-3ya.example/bild.png",
    "https://münchen.example/bild.png", "https://[2001:db8::1]/a.mp3",
]  # fmt: skip


@pytest.mark.parametrize("text", LEADS_ELSEWHERE)
def test_what_leads_elsewhere_is_refused_and_is_no_link(text):
    assert not is_web_address(text)
    with pytest.raises(ValidationError):
        validate_web_address(text)
    assert "<a" not in shown(text)


@pytest.mark.parametrize("text", TO_THE_WEB)
def test_what_leads_to_the_web_is_a_link(text):
    validate_web_address(text)
    assert shown(text).startswith('<a href="')


def shown(text):
    return Template("{% load ui %}{% weblink text %}").render(Context({"text": text}))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["javascript:alert(1)", "ftp://example.com/a.png", "https://a.example@b.example/c"]
)
def test_content_refuses_it_by_its_field(text):
    content = factories.content(factories.campaign())
    content.media_url = text

    with pytest.raises(ValidationError) as refused:
        content.full_clean()

    assert set(refused.value.message_dict) == {"media_url"}


@pytest.mark.django_db
def test_one_that_is_stored_all_the_same_is_shown_as_text(login):
    message = factories.message()
    factories.content(message.campaign, media_url="javascript:alert(1)")
    Content.objects.update(media_url="javascript:alert(1)")

    page = login("support").get(reverse("deliveries:message", args=[message.pk])).content.decode()

    assert "javascript:alert(1)" in page
    assert 'href="javascript' not in page


# ---- Senders ---------------------------------------------------------------------------------------------------

SENDERS = [
    ("sms", "(212) 555-0199", "+12125550199"),
    ("sms", "+12125550199", "+12125550199"),
    ("mms", "12345", "12345"),
    ("sms", "WAYBILL", "WAYBILL"),
    ("sms", "My Clinic 2", "My Clinic 2"),
    ("voice", "212-555-0199", "+12125550199"),
    ("rvm", " +12125550199 ", "+12125550199"),
    ("email", "News@Example.com", "news@example.com"),
]
NO_SENDERS = [
    ("sms", "javascript:alert(1)"),
    ("sms", "not a number"),
    ("sms", "news@example.com"),
    ("sms", "12"),
    ("mms", "<b>Clinic</b>"),
    ("voice", "WAYBILL"),
    ("voice", "12345"),
    ("voice", "javascript:alert(1)"),
    ("rvm", "news@example.com"),
    ("email", "+12125550199"),
    ("email", "not an address"),
    ("email", "javascript:alert(1)@"),
    ("email", "a@example.com, b@example.com"),
    ("email", "a@example.com\nBcc: b@example.com"),
]


@pytest.mark.parametrize(("channel", "text", "kept"), SENDERS)
def test_a_sender_is_kept_in_the_form_that_providers_are_given(channel, text, kept):
    assert sender_value(channel, text, "US") == kept


@pytest.mark.parametrize(("channel", "text"), NO_SENDERS)
def test_what_a_channel_cannot_send_from_is_no_sender_of_it(channel, text):
    with pytest.raises((NotAPhone, NotAnEmail)):
        sender_value(channel, text, "US")


@pytest.mark.django_db
def test_the_form_of_a_sender_says_what_is_wrong_and_keeps_what_is_right(client):
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    add = reverse("admin:campaigns_sender_add")
    fields = {"name": "Clinic", "channel": Channel.SMS, "state": "approved"}

    refused = client.post(add, {**fields, "value": "javascript:alert(1)"})
    client.post(add, {**fields, "value": "(212) 555-0199"})

    assert "is not a phone number" in refused.content.decode()
    assert [sender.value for sender in Sender.objects.all()] == ["+12125550199"]


@pytest.mark.django_db
def test_a_sender_of_old_can_be_suspended_whatever_its_value(client):
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    sender = factories.sender("voice", value="not a number")

    client.post(
        reverse("admin:campaigns_sender_change", args=[sender.pk]),
        {"name": sender.name, "channel": "voice", "value": sender.value, "state": "suspended"},
    )

    sender.refresh_from_db()
    assert sender.state == "suspended"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("channel", "value", "state"),
    [("sms", "+12125550199", "not_registered"), ("voice", "+12125550199", "not_needed"),
     ("email", "news@example.com", "not_needed")],
)  # fmt: skip
def test_a_sender_made_a_minute_ago_claims_no_approval(client, channel, value, state):
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    add = reverse("admin:campaigns_sender_add")
    offered = client.get(add).context["adminform"].form["state"].value()
    client.post(add, {"name": "Clinic", "channel": channel, "value": value, "state": offered})

    assert Sender.objects.get().state == state
    assert Sender(channel="sms").state == "not_registered"
