"""The link to unsubscribe in what we send beside campaigns: tests, questions and codes."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine

from contacts.models import AddressChange, AutomaticAnswer, Suppression
from contacts.suppressing import MAPPING_CORRECTED
from contacts.withdrawing import Mistaken, take_back_opt_outs
from deliveries.providers import PROVIDERS
from deliveries.sending import answering
from tests import factories
from tests.deliveries.sending.test_answering import Carrier
from tests.engine import person

pytestmark = pytest.mark.django_db
FROM = "hello@shop.example"
Kind = AutomaticAnswer.Kind


@pytest.fixture
def carrier(monkeypatch):
    made = Carrier()
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", made.send, raising=False)
    factories.account().senders.add(factories.sender("email", value=FROM))
    return made


def owe(kind, now):
    """An email of that kind that is owed, to whom it goes."""
    reader = person("email", at=now)
    address = reader.addresses.get()
    row = AutomaticAnswer(
        kind=kind, channel="email", sender_value=FROM, account_id=0, subject="About us", asked_at=now,
        text="{link} here", fact="1", match_key=address.match_key,
    )  # fmt: skip
    if kind == Kind.TEST:
        row.own_value, row.text = address.value, "A test."
    elif kind == Kind.CODE:
        row.change = AddressChange.objects.create(
            contact=person("email", at=now), kind="email", value=address.value
        )
        row.text, row.subject = "{code} is your code.", ""
    else:
        row.address, row.until = address, now
    row.save()
    return row


def sends(now, monkeypatch):
    monkeypatch.setattr(answering, "not_wanted", lambda rows: {})
    monkeypatch.setattr(answering.verifying, "not_wanted", lambda rows, now: {})
    with time_machine.travel(now, tick=False):
        answering.run(now)


@pytest.mark.parametrize("kind", [Kind.TEST, Kind.VERIFY, Kind.CONFIRM, Kind.CODE])
def test_a_click_in_the_mail_program_is_recorded_and_no_further_one_goes_out(
    client, carrier, monkeypatch, now, kind
):
    row = owe(kind, now)
    sends(now, monkeypatch)
    (mail,) = carrier.sent
    page = mail.extra["unsubscribe"]

    with time_machine.travel(now, tick=False):
        said = client.post(urlsplit(page).path)
        again = client.post(urlsplit(page).path)

    assert "You are unsubscribed" in said.content.decode()
    assert again.content == said.content
    block = Suppression.objects.get(value=row.to)
    assert (block.origin, block.reason) == ("recipient", "stop")
    assert block.evidence == f"Link in answer {row.pk}, one click in the mail program"
    assert block.ground == "Unsubscribed by the link in an email"
    AutomaticAnswer.objects.create(
        kind=kind, channel="email", sender_value=FROM, account_id=0, subject="Again", text="{link} again", fact="2",
        match_key=row.match_key, own_value=row.own_value, change=row.change, address=row.address,
        asked_at=now, until=row.until,
    )  # fmt: skip
    sends(now + timedelta(minutes=1), monkeypatch)
    assert len(carrier.sent) == 1


@pytest.mark.parametrize("kind", [Kind.TEST, Kind.VERIFY])
def test_the_mail_itself_says_where_to_end_it(client, carrier, monkeypatch, now, kind):
    owe(kind, now)
    sends(now, monkeypatch)

    assert f"Unsubscribe: {carrier.sent[0].extra['unsubscribe']}" in carrier.sent[0].body


def test_the_page_that_asks_whether_an_address_is_right_takes_a_no_as_well(client, carrier, monkeypatch, now):
    row = owe(Kind.VERIFY, now)
    sends(now, monkeypatch)
    path = urlsplit(carrier.sent[0].extra["unsubscribe"]).path

    page = client.get(f"{path}?correct").content.decode()
    assert re.search(r'href="\?"[^>]*>I want no more messages here', page)
    assert "You are unsubscribed" in client.post(f"{path}?from=page").content.decode()
    assert Suppression.objects.get(value=row.to).evidence.endswith("confirmed on the page")


def test_a_correction_of_codes_withdraws_no_word_of_a_person(client, carrier, monkeypatch, now):
    row = owe(Kind.TEST, now)
    sends(now, monkeypatch)
    client.post(urlsplit(carrier.sent[0].extra["unsubscribe"]).path)

    mistaken = [Mistaken(row.to, f"answer {row.pk}", "code 1 was mapped anew")]
    take_back_opt_outs(mistaken, note=MAPPING_CORRECTED, now=now)

    assert Suppression.objects.get(value=row.to).released_at is None
