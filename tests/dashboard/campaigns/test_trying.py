"""Tests of a draft, to addresses of one's own."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns import links as campaign_links
from campaigns.models import TrackedLink
from contacts.addresses import match_key
from contacts.models import AutomaticAnswer, Contact, OwnAddress, Suppression
from deliveries import links, short_links
from deliveries.ledger.tallies import fold_all
from deliveries.models import Account, DayTally, Message
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import SendResult
from deliveries.sending import answering, trying
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db
MINE = "+12125550142"
NIGHT = timedelta(hours=14)


@pytest.fixture
def draft(now):
    people = factories.contact_list()
    contact = factories.contact(lists=[people], name="Robin Castillo")
    factories.phone(contact)
    consent(contact, "sms", at=now - timedelta(days=1))
    made = factories.campaign(lists=[people])
    factories.content(made, body="Hello {first_name}, your check-up is due.")
    return made


@pytest.fixture
def marketer(login):
    return login("marketer")


@pytest.fixture
def left(monkeypatch):
    """What the provider was given."""
    given = []

    async def send(message, credentials, client):
        given.append(message)
        return SendResult(True, provider_message_id=f"id-{len(given)}")

    account = factories.account()
    monkeypatch.setattr(PROVIDERS[account.provider], "send", send)
    return given


def post(client, name, draft, **data):
    return client.post(reverse(f"campaigns:{name}", args=[draft.slug]), data, follow=True)


def text(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


@pytest.fixture
def own(marketer, draft):
    return OwnAddress.objects.create(
        user=marketer.user, value=MINE, match_key=match_key(MINE), proven_at=timezone.now()
    )


def test_a_test_is_the_real_text_with_a_real_persons_details_and_counts_in_no_figure(
    marketer, draft, own, left, now
):
    page = post(marketer, "test", draft, own=own.pk, channel="sms")
    answering.run(AutomaticAnswer.objects.get().asked_at)

    assert [(one.to, one.body) for one in left] == [(MINE, "Hello Robin, your check-up is due.")]
    assert left[0].sender == draft.contents.get().sender.value
    assert "A test is on its way" in text(page)
    assert "Handed over" in text(marketer.get(reverse("campaigns:edit", args=[draft.slug])))
    fold_all()
    assert not Message.objects.exists()
    assert not DayTally.objects.exists()
    assert Contact.objects.count() == 1  # and nobody new is in the contacts


def test_its_owner_gets_it_at_night_and_never_after_an_opt_out_or_a_block(own, draft, left, now):
    person = Contact.objects.get()
    trying.try_out(draft, "sms", person, own, now + NIGHT)
    answering.run(now + NIGHT)
    assert len(left) == 1

    colleague = factories.contact()
    factories.phone(colleague, value=MINE)
    consent(colleague, "sms", at=now, opted_in=False)
    trying.try_out(draft, "sms", person, own, now + NIGHT)
    answering.run(now + NIGHT)

    assert len(left) == 1
    dropped = AutomaticAnswer.objects.latest("pk")
    assert dropped.state == AutomaticAnswer.State.DROPPED
    assert "opted out" in dropped.why


def test_a_test_by_email_is_what_leaves_with_links_that_count_for_nobody(draft, left, client, now):
    shop = "https://shop.example/?a=1&b=2"
    type(draft).objects.update(track_links=True)
    html = f'<p>Hello {{first_name}}</p><a href="{shop}">x</a><img src="{shop}">'
    factories.content(draft, "email", body=f"See {shop}", html=html)
    mine = OwnAddress.objects.create(
        user=factories.user("marketer"),
        value="me@example.com",
        match_key="me@example.com",
        proven_at=now,
    )

    trying.try_out(draft, "email", Contact.objects.get(), mine, now)
    answering.run(now)

    [mail] = left
    row = AutomaticAnswer.objects.get()
    page = links.page(str(row.uuid))
    code = short_links.code(short_links.OF_TEST, TrackedLink.objects.get(url=shop).pk)
    assert f"See {campaign_links.address_of(code)}" in mail.body
    assert f'<a href="{campaign_links.address_of(code)}">x</a><img src="{shop}">' in mail.html
    assert "Hello Robin" in mail.html
    assert page in mail.body
    assert page in mail.html
    assert mail.extra == {"unsubscribe": page}
    assert "You are unsubscribed" in client.post(urlsplit(page).path).content.decode()
    assert Suppression.objects.get().value == mine.value


@pytest.mark.parametrize("tracked", [True, False])
def test_the_links_of_a_test_are_those_of_the_campaign(draft, own, left, now, tracked):
    draft.track_links = tracked
    draft.save()
    draft.contents.update(body="See https://shop.example/x")

    trying.try_out(draft, "sms", Contact.objects.get(), own, now)
    answering.run(now)

    assert (left[0].body == "See https://shop.example/x") is not tracked


def test_a_sender_that_may_not_send_yet_sends_no_test(own, draft, left, now):
    sender = draft.contents.get().sender
    type(sender).objects.filter(pk=sender.pk).update(state="in_review")

    trying.try_out(draft, "sms", Contact.objects.get(), own, now)
    answering.run(now)

    assert left == []
    assert "not approved" in AutomaticAnswer.objects.get().why


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"value": MINE}, "Tick that it is your own"),
        ({"value": "12", "mine": "1"}, "neither a phone number nor an email"),
        ({"value": "", "mine": "1"}, "neither a phone number nor an email"),
        ({"value": "a@", "mine": "1"}, "neither a phone number nor an email"),
    ],
)
def test_an_address_that_cannot_be_kept_says_why(marketer, draft, data, says):
    assert says in text(post(marketer, "test_keep", draft, **data))
    assert not OwnAddress.objects.exists()


@pytest.mark.parametrize("data", [{}, {"own": "x"}, {"own": "1"}, {"own": "99999999999999999999"}])
def test_nothing_is_sent_to_an_address_that_is_not_theirs(login, marketer, draft, own, data):
    other = login("marketer")

    assert "Choose one of your test addresses" in text(post(other, "test", draft, channel="sms", **data))
    assert not AutomaticAnswer.objects.exists()


@pytest.mark.parametrize("channel", ["", "email", "pigeon"])
def test_a_text_that_the_campaign_has_not_or_the_address_does_not_take_is_refused(
    marketer, draft, own, channel
):
    factories.content(draft, "email")

    assert "Choose a text of this campaign" in text(
        post(marketer, "test", draft, own=own.pk, channel=channel)
    )


def test_tests_are_limited_and_addresses_are_removed(marketer, draft, own, monkeypatch):
    monkeypatch.setattr(trying, "MOST_A_DAY", 1)
    post(marketer, "test", draft, own=own.pk, channel="sms")

    assert "within a day" in text(post(marketer, "test", draft, own=own.pk, channel="sms"))
    assert AutomaticAnswer.objects.count() == 1
    post(marketer, "test_forget", draft, own=own.pk)
    assert not OwnAddress.objects.exists()


@pytest.mark.parametrize("name", ["test", "test_keep", "test_prove", "test_forget"])
def test_support_sends_no_tests(login, draft, name):
    assert post(login("support"), name, draft).status_code == 403
    assert Account.objects.count() == 0
