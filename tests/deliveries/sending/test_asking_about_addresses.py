"""An address suppressed in doubt: the person is asked by another channel, once, and their correction ends the task."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine

from contacts import verifying
from contacts.consenting import record_opt_out
from contacts.models import Address, AutomaticAnswer, Suppression, VerifyingSender
from deliveries.models import QueueEntry
from deliveries.providers import PROVIDERS
from deliveries.sending import answering
from tests import factories
from tests.deliveries.sending.test_answering import Carrier
from tests.engine import person, work

pytestmark = pytest.mark.django_db
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FROM, OURS = "hello@shop.example", "+12125550199"
State = AutomaticAnswer.State


@pytest.fixture
def carrier(monkeypatch):
    made = Carrier()
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", made.send, raising=False)
    return made


@pytest.fixture
def account(now):
    made = factories.account()
    made.senders.add(factories.sender("sms", value=OURS), factories.sender("email", value=FROM))
    return made


@pytest.fixture
def asking(account, now):
    """People are asked by email since an hour."""
    verifying.choose("email", FROM, by=factories.user("admin"), now=now - HOUR)


@pytest.fixture
def robin(now):
    return person("sms", "email", at=now)


def suppressed(contact, at, *, days=30, kind="phone"):
    """That a rule suppressed their address now, for so long; 0: until somebody lifts it."""
    block = Suppression.objects.create(
        value=contact.addresses.get(kind=kind, preferred=True).value, contact=contact, channel="sms",
        reason="hard_fails", origin="rule", created_at=at, expires_at=at + timedelta(days=days) if days else None,
    )  # fmt: skip
    verifying.ask([block], at)
    return block


def sends(at):
    with time_machine.travel(at, tick=False):
        answering.run(at)


def questions():
    return list(AutomaticAnswer.objects.filter(kind="verify").order_by("pk"))


def test_nobody_is_asked_until_an_administrator_says_so(robin, account, now):
    suppressed(robin, now)

    assert questions() == []


def test_the_mail_leads_to_the_page_on_which_the_number_is_corrected(
    robin, asking, account, carrier, client, now
):
    suppressed(robin, now)
    sends(now)
    (mail,) = carrier.sent
    assert (mail.channel, mail.to) == ("email", robin.addresses.get(kind="email").value)
    path = re.search(r"/u/[\w-]+", mail.body)[0]

    with time_machine.travel(now, tick=False):
        assert client.get(f"{path}?correct").status_code == 200
        assert "Back to what you get" not in client.get(f"{path}?correct").content.decode()
        client.post(f"{path}?correct", {"address": "(212) 555-0177"})
        answering.run(now)
        code = re.search(r"\d{6}", carrier.sent[1].body)[0]
        assert (carrier.sent[1].channel, carrier.sent[1].to) == ("sms", "+12125550177")
        done = client.post(f"{path}?correct=code", {"code": code})

    assert done.status_code == 302
    assert robin.addresses.get(kind="phone", preferred=True).value == "+12125550177"
    assert client.get(f"{path}?choices").status_code == 404  # it speaks for nothing else


def test_a_rule_asks_and_the_correction_ends_the_task(asking, account, carrier, client, now):
    from tests.deliveries.deciding.test_automatic_suppression import DEAD, ORDINARY, one_message

    robin = person("sms", "email", at=now)
    for number in range(3):
        message = one_message(robin, account, now + number * HOUR / 2, DEAD, ORDINARY)
    at = now + HOUR
    assert Suppression.objects.get().expires_at is not None
    assert QueueEntry.objects.filter(pk=message.pk).exists()
    sends(at)
    path = re.search(r"/u/[\w-]+", carrier.sent[-1].body)[0]

    with time_machine.travel(at, tick=False):
        client.post(f"{path}?correct", {"address": "(212) 555-0177"})
        answering.run(at)
        client.post(f"{path}?correct=code", {"code": re.search(r"\d{6}", carrier.sent[-1].body)[0]})
    work(at + HOUR)

    assert Address.objects.filter(value="+12125550177", validity="valid").exists()
    assert not QueueEntry.objects.filter(pk=message.pk, queue="correct").exists()


@pytest.mark.parametrize(
    ("asked_before", "n"), [(89 * DAY, 1), (90 * DAY, 2)], ids=["89 days ago", "90 days ago"]
)
def test_once_in_ninety_days(robin, asking, carrier, now, asked_before, n):
    suppressed(robin, now)
    sends(now)

    suppressed(robin, now + asked_before)

    assert len(questions()) == n


def test_a_sure_code_leaves_nothing_to_ask(robin, asking, now):
    suppressed(robin, now, days=0)

    assert questions() == []


def test_only_who_agreed_to_the_other_channel_is_asked(asking, carrier, now):
    silent = person("sms", at=now)
    factories.email(silent)
    suppressed(silent, now)
    assert questions() == []

    robin = person("sms", "email", at=now)
    suppressed(robin, now)
    record_opt_out(
        value=robin.addresses.get(kind="email").value, channel="email", how="Link", evidence="x", at=now
    )
    sends(now)

    assert carrier.sent == []
    assert [one.state for one in questions()] == [State.DROPPED]


def test_what_ended_meanwhile_is_not_asked_about(robin, asking, carrier, now):
    block = suppressed(robin, now)
    Suppression.objects.filter(pk=block.pk).update(released_at=now)

    sends(now)

    assert carrier.sent == []
    assert "lifted or corrected meanwhile" in questions()[0].why


def test_an_email_that_fails_is_asked_about_by_text_and_not_at_night(robin, account, carrier, now):
    verifying.choose("sms", OURS, by=factories.user("admin"), now=now)
    night = now + 12 * HOUR
    suppressed(robin, night, kind="email")

    sends(night)

    assert carrier.sent == []
    (one,) = questions()
    assert (one.channel, one.state) == ("sms", State.WAITING)
    sends(one.until + HOUR / 60)
    assert "?correct" in carrier.sent[0].body


def test_an_administrator_switches_it_on_and_off_and_nobody_else(login, account, now):
    page = "/suppressions/automatic/ask/"
    assert login("marketer").post(page, {"email": FROM, "sms": ""}).status_code == 403
    admin = login("admin")

    shown = admin.post(page, {"email": FROM, "sms": ""}, follow=True).content.decode()

    assert f"Email from {FROM}" in shown
    assert VerifyingSender.objects.get().chosen_by is not None
    assert admin.post(page, {"email": "nobody@else.example", "sms": ""}).status_code == 422
    admin.post(page, {"email": "", "sms": ""})
    assert not VerifyingSender.objects.exists()
