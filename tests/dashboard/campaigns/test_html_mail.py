"""HTML beside the text of a mail: written, looked at as mail programs show it, and handed over."""

import email
import re
from email.policy import default

import pytest
from django.urls import reverse

from campaigns.content_checks import remarks
from campaigns.models import Content, TrackedLink
from campaigns.texts import html_for
from deliveries import short_links
from deliveries.links import below_html
from deliveries.providers import PROVIDERS
from deliveries.providers.mail.smtp_sending import compose
from deliveries.sending.checks_of_content import facts
from deliveries.sending.composing import outgoing
from tests import factories

pytestmark = pytest.mark.django_db

HTML = "<html><head><style>p {color: red}</style></head><body><p>Hello {first_name}</p></body></html>"


@pytest.fixture
def content():
    people = factories.contact_list()
    factories.contact(name="Jo <b>Lee</b>", lists=[people])
    return factories.content(factories.campaign(channel="email", lists=[people]), "email", html=HTML)


def test_details_cannot_bring_markup_and_style_sheets_stay(content):
    contact = factories.contact(name="<script> Lee")

    html = html_for(content, contact)

    assert "<p>Hello &lt;script&gt;</p>" in html
    assert "p {color: red}" in html


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("", ""),
        ("<p>Hi</p>", "<p>Hi</p>\nLINE\n"),
        ("<body>Hi</BODY>", "<body>HiLINE\n</BODY>"),
        (
            "<body>Hi</body><!-- </body> -->",
            "<body>HiLINE\n</body><!-- </body> -->",
        ),
        (
            "<p>Hi</p><!--[if mso]></body><![endif]-->",
            "<p>Hi</p><!--[if mso]></body><![endif]-->\nLINE\n",
        ),
        ("<p>Hi</p><!-- never closed", "<p>Hi</p>LINE\n<!-- never closed"),
        ("<p>Hi</p><style>p {", "<p>Hi</p>LINE\n<style>p {"),
        ("<p>Hi</p><a href=", "<p>Hi</p>LINE\n<a href="),
        ("İİ<body>İ</body>", "İİ<body>İLINE\n</body>"),
    ],
)
def test_the_link_to_unsubscribe_stands_at_its_end(html, expected):
    made = below_html(html, "X")

    assert re.sub(r'<p style="[^"]+"><a href="X" style="[^"]+">Unsubscribe</a></p>', "LINE", made) == expected


def test_a_mail_is_handed_over_with_both(content):
    recipient = factories.recipient(content.campaign)
    message = factories.message(recipient, channel="email")

    sent = outgoing(message, content, message.account)
    mail = PROVIDERS["postmark"].mail(sent)
    own = email.message_from_bytes(
        compose(sent, sent.to, {"bounce_address": "bounces@example.com", "secret": "made-up"}), policy=default
    )

    [(html, kind)] = mail.alternatives
    assert kind == "text/html"
    assert own.get_body(("html",)).get_content().splitlines() == html.splitlines()
    assert html.count("/u/") == 1
    for text in (mail.body, own.get_body(("plain",)).get_content()):
        assert "Unsubscribe: " in text
        assert "<p>" not in text


def test_its_links_leave_as_the_short_ones_of_the_text_and_pictures_stay(content):
    shop = "https://shop.example/?a=1&b=2"
    content.campaign.track_links = True
    content.body = f"Hello, see {shop}."
    content.html = (
        '<img src="https://shop.example/?a=1&amp;b=2"><a href="https://shop.example/?a=1&amp;b=2">{first_name}</a>'
        '<a href="https://shop.example/only-here">x</a>'
    )
    message = factories.message(factories.recipient(content.campaign), channel="email")

    numbers = short_links.numbers([content])[content.campaign_id]
    sent = outgoing(message, content, message.account, None, numbers)

    assert set(numbers) == {shop, "https://shop.example/only-here"}
    assert set(TrackedLink.objects.values_list("url", flat=True)) == set(numbers)
    short = short_links.of_message(message.pk, numbers)
    assert short[shop] in sent.body
    assert f'<img src="https://shop.example/?a=1&amp;b=2"><a href="{short[shop]}">' in sent.html
    assert f'<a href="{short["https://shop.example/only-here"]}">x</a>' in sent.html


def test_what_is_remarked_about_links_is_remarked_about_those_of_the_html(content):
    content.html = (
        '<a href="http://bit.ly/x">x</a><img src="http://tinyurl.com/y"><a href="mailto:a@t.co">m</a>'
    )

    found = remarks(facts(content, "service", ["US"], real=False))

    about = [(one.check, one.fix, content.html[one.start : one.end]) for one in found if one.where == "html"]
    assert about == [("shortener", "", "http://bit.ly/x"), ("http link", "", "http://bit.ly/x")]


def test_it_is_shown_as_mail_programs_do_and_nothing_in_it_runs(login, content):
    shown = login("marketer").get(reverse("campaigns:html", args=[content.campaign.slug]))

    policy = shown["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy
    assert "Hello Jo" in shown.content.decode()


def test_a_mail_without_html_has_no_such_page(login, content):
    Content.objects.update(html="")

    assert login("marketer").get(reverse("campaigns:html", args=[content.campaign.slug])).status_code == 404


def test_it_is_written_in_the_composer_and_its_fields_are_checked(login, content, now):
    draft = content.campaign
    given = {"edited": draft.edited, "what-channel": "email", "what-email_sender": content.sender_id}
    given |= {
        "what-email_subject": "Hello",
        "what-email_body": "Hello there",
        "what-email_html": "<p>{last_visit}</p>",
    }

    page = login("marketer").post(
        reverse("campaigns:edit_what", args=[draft.slug]), given, HTTP_HX_REQUEST="true"
    )

    assert Content.objects.get().html == "<p>{last_visit}</p>"
    assert "{last_visit}" in page.content.decode()
    assert f"/campaigns/{draft.slug}/html/" in page.content.decode()
