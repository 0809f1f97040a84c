"""A no holds however it comes in: in any spelling, from any mailbox, through any door."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from importlib import import_module
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.urls import reverse

from contacts import gate
from contacts.addresses import normal_form
from contacts.models import Address, Consent, Suppression
from contacts.suppressing import suppress
from deliveries.models import Engagement
from deliveries.providers.smtp_marks import envelope
from deliveries.receiving import recording
from deliveries.receiving.mail import keep
from deliveries.receiving.storing import Incoming, store
from tests import factories
from tests.test_contacts_addresses import SPELLINGS

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def verdict(address: Address, channel: str = "sms", now: datetime = NOW) -> str:
    """The gate's reason, '' where it lets it pass."""
    ask = gate.Ask(
        1, address.contact_id, address.pk, channel, "+12125550199", time(0), time(23, 59), "sending", "approved",
        None,
    )  # fmt: skip
    return gate.check([ask], now)[1].reason


def reachable(**fields) -> Address:
    """An address with consent to everything that can be sent there."""
    address = factories.phone(**fields) if "@" not in fields.get("value", "") else factories.email(**fields)
    channels = ["email"] if address.kind == "email" else ["sms", "mms", "voice", "rvm"]
    Consent.objects.bulk_create(
        Consent(contact_id=address.contact_id, channel=one, opted_in=True, at=NOW - 24 * HOUR, how="Form")
        for one in channels
    )
    return address


def kannel(sender: str, to: str = "20100", text: str = "STOP", at: datetime = NOW, account=None) -> Incoming:
    """A text as Kannel passes it on: with the sender as the centre wrote it."""
    account = account or factories.account("kannel", credentials={"url_secret": "x"})
    query = urlencode({"from": sender, "to": to, "text": text})
    return Incoming(account.pk, "inbound", at, "GET", query, {}, b"")


def receive(*texts: Incoming, now: datetime = NOW) -> None:
    store(texts)
    recording.record_all(now)


@pytest.mark.parametrize("country", SPELLINGS)
def test_every_spelling_of_a_number_meets_the_same_suppression(country):
    """Spelt so by whoever suppressed it, at the gate; and by whoever wrote STOP, through the receipt."""
    ours, *others = SPELLINGS[country]
    account = factories.account("kannel", credentials={"url_secret": "x"})
    for spelling in others:
        address = reachable(value=ours)
        assert verdict(address) == ""

        receive(kannel(spelling, to=ours, account=account))

        assert verdict(address) == "opted_out", spelling
        Suppression.objects.all().delete()
        address.contact.delete()


@pytest.mark.parametrize(
    ("blocked", "written"),
    [
        ("+5215512345678", "+525512345678"),
        ("+525512345678", "+5215512345678"),
        ("+541123456789", "+5491123456789"),
        ("+551187654321", "+5511987654321"),
        ("cem@xn--bcher-kva.example", "cem@bücher.example"),
        ("ro.bin+news@googlemail.com", "robin@gmail.com"),
    ],
)
def test_a_suppression_holds_for_the_other_spelling_wherever_it_was_kept(blocked, written):
    address = reachable(value=written)
    suppress(value=blocked, reason="staff", origin="staff", now=NOW)

    assert verdict(address, "email" if "@" in written else "sms") == "suppressed"


def test_what_was_kept_as_machines_wrote_it_is_read_when_the_keys_are_filled(settings):
    settings.DEFAULT_REGION = "GB"
    kept = {
        "+07911123456": "+447911123456",
        "07911 123456": "+447911123456",
        "+5215512345678": "+525512345678",
        "cem@xn--bcher-kva.example": "cem@bücher.example",
        "+12125550142": "+12125550142",
        "20100": "20100",
    }
    for value in kept:
        Suppression.objects.create(value=value, reason="stop", origin="recipient")
    address = factories.phone(value="+447911123456")
    for model in (Suppression, Address):
        model.objects.update(match_key="")

    import_module("contacts.migrations.0010_compare_addresses_by_key").fill(apps, None)

    assert dict(Suppression.objects.values_list("value", "match_key")) == kept
    assert Address.objects.get(pk=address.pk).match_key == "+447911123456"


# ---- Who wrote it ------------------------------------------------------------------------------------------


def mail(message, sender: str, text: str = "STOP", subject: str = "Re: Hello") -> None:
    to = envelope("bounces", str(message.uuid), message.account.credentials)
    raw = f"From: <{sender}>\nTo: {to}\nSubject: {subject}\n\n{text}\n".encode()
    keep(message.account, raw, to, now=NOW)
    recording.record_all(NOW)


def mailed(address: Address):
    account = factories.account(
        "smtp", credentials={"bounce_address": "bounces@bounce.example.com", "secret": "s"}
    )
    recipient = factories.recipient(factories.campaign(channel="email"), address.contact)
    return factories.message(recipient, account=account, address=address, channel="email")


@pytest.mark.parametrize(
    "sender", ["dee@other.example.org", "Dee@OTHER.example.org", "d.ee@xn--bcher-kva.example"]
)
def test_a_reply_from_another_mailbox_holds_for_the_one_we_wrote_to_and_for_theirs(sender):
    dee, spare = reachable(value="dee@example.org"), reachable(value=normal_form(sender, "US"))

    mail(mailed(dee), sender)

    assert verdict(dee, "email") == verdict(spare, "email") == "opted_out"
    assert set(Engagement.objects.values_list("contact_id", flat=True)) == {dee.contact_id, spare.contact_id}


def test_start_from_another_mailbox_holds_for_the_one_we_wrote_to():
    dee = reachable(value="dee@example.org")
    message = mailed(dee)
    mail(message, "dee@other.example.org")

    mail(message, "dee@other.example.org", "START")

    assert verdict(dee, "email") == ""
    assert set(Engagement.objects.values_list("message_id", flat=True)) == {message.pk}


def test_the_reference_of_another_account_is_not_believed():
    dee = reachable(value="dee@example.org")
    message = mailed(dee)
    message.account = factories.account("smtp", credentials=message.account.credentials)

    mail(message, "eve@example.org")

    assert verdict(dee, "email") == ""


@pytest.mark.parametrize("spelling", ["07911123456", "07911 123 456", "7911123456"])
def test_a_national_number_is_found_where_our_own_does_not_tell_the_country(spelling):
    """A short code tells none, and this installation stands in the United States."""
    ada, other = reachable(value="+447911123456"), reachable(value="+447911123457")

    receive(kannel(spelling))

    assert verdict(ada) == "opted_out"
    assert verdict(other) == ""


def test_a_national_number_that_is_nobodys_at_home_is_looked_for_abroad(settings):
    settings.DEFAULT_REGION = "DE"  # where it could be one as well
    ada = reachable(value="+447911123456")

    receive(kannel("07911123456"))

    assert verdict(ada) == "opted_out"


def test_our_own_number_tells_the_country_of_a_national_one():
    ada, hans = reachable(value="+447700900142"), reachable(value="+497700900142")

    receive(kannel("07700900142", to="+447700900199"))

    assert (verdict(ada), verdict(hans)) == ("opted_out", "")


def test_a_stop_from_a_shared_number_counts_for_all_who_have_it():
    shared = [reachable(value="+12125550142") for _ in range(3)]
    account = factories.account("kannel", credentials={"url_secret": "x"})

    receive(kannel("12125550142", account=account))

    assert {verdict(one) for one in shared} == {"opted_out"}
    told = Consent.objects.filter(opted_in=False)
    assert set(told.values_list("contact_id", "channel")) == {
        (one.contact_id, channel) for one in shared for channel in ("sms", "mms")
    }
    assert Engagement.objects.filter(kind="stop").count() == 3


@pytest.mark.parametrize("written_to", [[], [0], [1], [0, 1]])
def test_a_reply_from_a_shared_number_counts_for_whom_we_wrote_to_or_for_nobody_alone(written_to):
    shared = [reachable(value="+12125550142") for _ in range(2)]
    for number in written_to:
        recipient = factories.recipient(factories.campaign(), shared[number].contact)
        factories.message(recipient, address=shared[number], handed_over_at=NOW - HOUR)

    receive(kannel("12125550142", text="Who is this?"))

    sure = len(written_to) == 1
    expected = [shared[written_to[0]]] if sure else shared
    assert set(Engagement.objects.values_list("contact_id", "shared")) == {
        (one.contact_id, not sure) for one in expected
    }
    assert {verdict(one) for one in shared} == {""}


def test_the_trail_says_that_others_have_the_number(client):
    client.force_login(factories.user("support"))
    shared = [reachable(value="+12125550142") for _ in range(2)]

    receive(kannel("12125550142", text="Who is this?"))

    for one in shared:
        page = client.get(reverse("contacts:trail", args=[one.contact_id])).content.decode()
        assert "who wrote it is not known" in page


# ---- Whose clock -------------------------------------------------------------------------------------------


def sinch(text: str, said: datetime, at: datetime, account) -> Incoming:
    """A text with a moment of the provider's own clock."""
    body = {
        "type": "mo_text",
        "from": "12125550142",
        "to": "12125550199",
        "body": text,
        "id": f"{text}{at}"[:40],
    }
    body["received_at"] = said.isoformat()
    return Incoming(
        account.pk, "inbound", at, "POST", "", {"content-type": "application/json"}, json.dumps(body).encode()
    )


@pytest.mark.parametrize(("first", "second", "blocked"), [("STOP", "START", False), ("START", "STOP", True)])
@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(days=400)])
def test_a_word_dated_in_the_future_counts_from_when_it_came(first, second, blocked, ahead):
    ada = reachable(value="+12125550142")
    account = factories.account("sinch", credentials={})

    receive(sinch(first, NOW + ahead, NOW, account))
    receive(sinch(second, NOW + HOUR / 60, NOW + HOUR / 60, account), now=NOW + HOUR)

    assert (verdict(ada, now=NOW + HOUR) != "") is blocked
