"""Test addresses are proven by a code that is sent there: until then they get nothing else."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from contacts import changing
from contacts.addresses import match_key
from contacts.models import AutomaticAnswer, Contact, OwnAddress
from deliveries.providers import PROVIDERS
from deliveries.sending import answering, trying
from tests import factories
from tests.deliveries.sending.test_answering import Carrier
from tests.engine import consent

MINE, MAIL = "+12125550142", "mine@example.com"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


class Marketer:
    """Somebody who writes a draft, and wants tests of it."""

    def __init__(self, client, draft, carrier, now):
        self.client, self.user, self.draft, self.carrier, self.now = client, client.user, draft, carrier, now

    def posts(self, name, **data):
        with time_machine.travel(self.now, tick=False):
            page = self.client.post(reverse(f"campaigns:{name}", args=[self.draft.slug]), data, follow=True)
            answering.run(self.now)
        return page.content.decode()

    def adds(self, value):
        return self.posts("test_keep", value=value, mine="1")

    def enters(self, code):
        """Whether the page says that it was the right one."""
        page = self.posts("test_prove", own=OwnAddress.objects.get(user=self.user).pk, code=code)
        return "Tests can be sent to" in page

    def tries_out(self):
        return self.posts("test", own=OwnAddress.objects.latest("pk").pk, channel="sms")

    @property
    def code(self):
        return re.search(r"\d{6}", self.carrier.sent[-1].body)[0]


@pytest.fixture
def marketer(login, now, monkeypatch):
    carrier = Carrier()
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", carrier.send, raising=False)
    people = factories.contact_list()
    contact = factories.contact(lists=[people], name="Robin Castillo")
    factories.phone(contact)
    consent(contact, "sms", at=now - DAY)
    draft = factories.campaign(lists=[people])
    content = factories.content(draft, body="Hello {first_name}.")
    factories.account().senders.add(content.sender, factories.sender("email", value="hello@shop.example"))
    return Marketer(login("marketer"), draft, carrier, now)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("typed", "value"), [("(212) 555-0142", MINE), (" Mine@example.com", MAIL)], ids=["number", "email"]
)
def test_an_address_gets_a_code_and_nothing_else_until_it_is_entered(marketer, typed, value):
    page = marketer.adds(typed)
    assert f"A code is on its way to {value}" in page
    assert [(one.to, bool(re.search(r"\d{6}", one.body))) for one in marketer.carrier.sent] == [(value, True)]
    assert f"Enter the code that was sent to {value} first" in marketer.tries_out() or value == MAIL
    assert not AutomaticAnswer.objects.filter(kind="test").exists()
    assert marketer.code not in str(
        list(AutomaticAnswer.objects.values()) + list(OwnAddress.objects.values())
    )

    assert not marketer.enters("" if marketer.code == "000000" else "000000")
    assert marketer.enters(f" {marketer.code[:3]} {marketer.code[3:]}")

    if value == MINE:
        marketer.tries_out()
        assert marketer.carrier.sent[-1].body == "Hello Robin."
    assert Contact.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("said_no", [False, True], ids=["customer", "customer who said no"])
def test_somebody_elses_number_gets_a_code_at_most_and_none_after_a_no(marketer, now, said_no):
    other = factories.contact()
    factories.phone(other, value=MINE)
    consent(other, "sms", at=now - DAY, opted_in=not said_no)

    page = marketer.adds(MINE)
    marketer.tries_out()

    assert "if we may write there" in page  # which says nothing of whoever has it
    assert len(marketer.carrier.sent) == (0 if said_no else 1)
    assert not AutomaticAnswer.objects.filter(kind="test").exists()


@pytest.mark.django_db
def test_a_code_ends_by_time_by_tries_and_by_a_new_one(marketer):
    marketer.adds(MINE)
    first, wrong = marketer.code, "000000" if marketer.code != "000000" else "111111"
    marketer.now += changing.HOLDS + MINUTE
    assert not marketer.enters(first)

    marketer.adds(MINE)
    for _ in range(changing.TRIES):
        assert not marketer.enters(wrong)
    assert not marketer.enters(marketer.code)

    marketer.adds(MINE)
    assert not marketer.enters(wrong)
    assert marketer.enters(marketer.code)


@pytest.mark.django_db
def test_codes_of_a_day_are_limited_also_for_addresses_that_were_removed(marketer):
    for number in range(changing.MOST_FOR_A_PERSON):
        marketer.adds(f"+1212555015{number}")
        marketer.posts("test_forget", own=OwnAddress.objects.get().pk)
    sent = len(marketer.carrier.sent)

    assert "too often today" in marketer.adds(MINE)
    assert not OwnAddress.objects.exists()
    assert len(marketer.carrier.sent) == sent == changing.MOST_FOR_A_PERSON
    marketer.now += DAY + MINUTE
    assert "A code is on its way" in marketer.adds(MINE)


@pytest.mark.django_db
def test_one_address_gets_few_codes_a_day_whoever_asks(login, marketer):
    for number in range(changing.MOST_TO_AN_ADDRESS + 1):
        Marketer(login("marketer"), marketer.draft, marketer.carrier, marketer.now + number * MINUTE).adds(
            MINE
        )

    assert len(marketer.carrier.sent) == changing.MOST_TO_AN_ADDRESS


@pytest.mark.django_db
def test_nobody_proves_the_address_of_a_colleague(login, marketer):
    marketer.adds(MINE)
    other = Marketer(login("marketer"), marketer.draft, marketer.carrier, marketer.now)

    page = other.posts("test_prove", own=OwnAddress.objects.get().pk, code=marketer.code)

    assert "Choose one of your test addresses" in page
    assert OwnAddress.objects.get().proven_at is None


@pytest.mark.django_db(transaction=True)
def test_two_tests_at_once_keep_within_the_limit(marketer, monkeypatch):
    monkeypatch.setattr(trying, "MOST_A_DAY", 1)
    own = OwnAddress.objects.create(
        user=marketer.user, value=MINE, match_key=match_key(MINE), proven_at=timezone.now()
    )
    person = Contact.objects.get()

    def tries(_):
        try:
            trying.try_out(marketer.draft, "sms", person, own, marketer.now)
        except trying.CannotTry:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(tries, range(8))) == 1
    assert AutomaticAnswer.objects.count() == 1
