"""A no holds however it comes in: in any spelling, from any mailbox, through any door."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from importlib import import_module
from urllib.parse import urlencode

import pytest
from django.apps import apps

from contacts import gate
from contacts.models import Address, Consent, Suppression
from contacts.suppressing import suppress
from deliveries.receiving import recording
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
