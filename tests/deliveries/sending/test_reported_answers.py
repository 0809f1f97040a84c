"""What providers say of questions and answers counts, and they wait for what people wrote."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import time_machine

from contacts import opt_ins
from contacts.answering import answer_reply
from contacts.models import AutomaticAnswer, Consent, Reply, Suppression
from deliveries.ledger import statements
from deliveries.models import Account, Outbox, PendingReceipt
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Report, SendResult
from deliveries.receiving.recording import record_all
from deliveries.receiving.storing import Incoming, store
from deliveries.sending import answering
from tests import factories
from tests.deliveries.sending.test_answering import Carrier
from tests.deliveries.sending.test_double_opt_in import FROM, OURS, asks, joins
from tests.engine import person, sending, waiting

pytestmark = pytest.mark.django_db
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
State = AutomaticAnswer.State
GONE_STOP = {"native_status": "rejected", "native_code": "OPTED_OUT"}
WRONG_KEY = {"native_status": "rejected", "native_code": "UNAUTHORIZED"}


@pytest.fixture
def carrier(monkeypatch):
    made = Carrier()
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", made.send, raising=False)
    return made


@pytest.fixture
def account():
    made = factories.account()
    made.senders.add(factories.sender("sms", value=OURS), factories.sender("email", value=FROM))
    return made


@pytest.fixture
def club(now, account):
    """A list that asks by text since an hour."""
    made = factories.contact_list(name="Club")
    opt_ins.change(made, "sms", OURS, now - HOUR)
    return made


def reports(account, answer, at, *, channel="sms", **words):
    body = {"id": answer.provider_message_id, "channel": channel, "at": at.isoformat(), **words}
    query = f"m={answer.uuid}&c={channel}"
    store([Incoming(account.pk, "status", at, "POST", query, {}, json.dumps(body).encode())])
    record_all(at)


def texts(account, contact, text, at, to=OURS):
    number = contact.addresses.get(kind="phone", preferred=True).value
    payload = {"channel": "sms", "from": number, "to": to, "text": text, "occurred_at": at.isoformat()}
    store([Incoming(account.pk, "inbound", at, "POST", "", {}, json.dumps(payload).encode())])


def colleague_answers(account, contact, now, make_user):
    texts(account, contact, "Is it open today?", now)
    record_all(now)
    return answer_reply(Reply.objects.get(), "Yes", seen=0, by=make_user("marketer"), now=now - MINUTE)


def question():
    return AutomaticAnswer.objects.get(kind="confirm", channel="sms")


# ---- A no that is reported -------------------------------------------------------------------------------------


def test_an_opt_out_reported_of_a_question_blocks_and_withdraws_what_waits(club, now, carrier, account):
    robin = joins(club, now)
    asks(now)
    message = waiting(sending("sms"), account, now, robin, address=robin.addresses.get(kind="phone"))

    for at in (now + HOUR, now + 2 * HOUR):
        reports(account, question(), at, status="undelivered", code="OPTED_OUT")

    block = Suppression.objects.get()
    assert (block.reason, block.origin, block.fact) == ("stop", "recipient", f"answer {question().pk}")
    assert block.created_at == now + HOUR
    assert block.ground == "Opted out, reported by the provider"
    assert block.quote == ""
    assert set(Consent.objects.filter(opted_in=False).values_list("channel", flat=True)) == {"sms", "mms"}
    assert not Outbox.objects.filter(message=message).exists()
    assert question().reported == "undelivered OPTED_OUT"
    assert not PendingReceipt.objects.exists()


def test_a_complaint_about_a_question_by_email_blocks(club, now, carrier, account):
    opt_ins.change(club, "sms", "", now)
    opt_ins.change(club, "email", FROM, now - HOUR)
    joins(club, now)
    asks(now)

    reports(account, AutomaticAnswer.objects.get(), now + HOUR, channel="email", status="complaint")

    block = Suppression.objects.get()
    assert (block.reason, block.origin) == ("complaint", "recipient")


def test_an_opt_out_reported_of_a_colleagues_answer_blocks(now, carrier, account, make_user):
    robin = person("sms", at=now)
    colleague_answers(account, robin, now, make_user)
    answering.run(now)

    reports(account, AutomaticAnswer.objects.get(), now + HOUR, status="undelivered", code="OPTED_OUT")

    assert Suppression.objects.get().reason == "stop"


def test_any_other_report_blocks_nobody(club, now, carrier, account):
    joins(club, now)
    asks(now)

    reports(account, question(), now + HOUR, status="undelivered", code="ABSENT")

    assert not Suppression.objects.exists()
    assert question().reported == "undelivered ABSENT"


def test_a_receipt_about_a_message_and_an_answer_is_understood_whole(
    club, now, carrier, account, monkeypatch
):
    joins(club, now)
    asks(now)
    message = waiting(sending("sms"), account, now)
    both = [
        Report(str(message.uuid), "m", "sms", "delivered"),
        Report(str(question().uuid), "id-1", "sms", "undelivered", "OPTED_OUT"),
    ]
    monkeypatch.setattr(PROVIDERS["sandbox"], "parse", lambda kind, call: both, raising=False)

    reports(account, question(), now)

    message.refresh_from_db()
    assert message.status == "delivered"
    assert Suppression.objects.get().fact == f"answer {question().pk}"
    assert not PendingReceipt.objects.exists()


def test_that_the_confirmation_of_a_stop_meets_that_stop_is_nothing_new(now, carrier, account):
    robin = person("sms", at=now)
    carrier.answer = lambda: SendResult(False, **GONE_STOP)
    texts(account, robin, "STOP", now)

    answering.run(now)

    assert AutomaticAnswer.objects.get().state == State.REFUSED
    assert Suppression.objects.get().fact.startswith("said ")


@pytest.mark.parametrize("kind", ["confirm", "person"])
def test_a_refusal_because_they_opted_out_blocks(club, now, carrier, account, make_user, kind):
    if kind == "person":
        colleague_answers(account, person("sms", at=now), now, make_user)
    else:
        joins(club, now)
        opt_ins.ask_some(now)
    carrier.answer = lambda: SendResult(False, **GONE_STOP)

    answering.run(now)

    row = AutomaticAnswer.objects.get()
    block = Suppression.objects.get()
    assert (row.kind, row.state) == (kind, State.REFUSED)
    assert (block.reason, block.fact) == ("stop", f"answer {row.pk}")


def test_a_code_table_of_the_account_says_what_a_refusal_means(club, now, carrier):
    joins(club, now)
    opt_ins.ask_some(now)
    Account.objects.update(provider="twilio")
    row = question()
    row.state, row.begun_at = State.SENDING, now
    row.save()
    taken = answering.Taken(row, Account.objects.get(), "")

    answering._store(taken, SendResult(False, native_status="rejected", native_code="21610"), now)

    assert Suppression.objects.get().fact == f"answer {row.pk}"


# ---- What is ours to fix ---------------------------------------------------------------------------------------


def test_a_question_refused_for_our_key_waits_until_it_is_right(club, now, carrier):
    joins(club, now)
    carrier.answer = lambda: SendResult(False, **WRONG_KEY)
    with time_machine.travel(now, tick=False):
        asks(now)
    assert len(carrier.sent) == 1
    row = question()
    assert (row.state, row.until, row.account_id) == (State.WAITING, now + answering.OURS_TO_FIX, 0)
    assert "UNAUTHORIZED" in row.why
    carrier.answer = lambda: SendResult(True, provider_message_id="x")

    asks(now + HOUR)
    asks(now + DAY)

    assert len(carrier.sent) == 2
    assert question().state == State.SENT


# ---- What is not recorded yet ----------------------------------------------------------------------------------


def test_a_stop_that_is_stored_is_heard_before_a_question_leaves(club, now, carrier, account):
    robin = joins(club, now)
    opt_ins.ask_some(now)
    texts(account, robin, "STOP", now)

    answering.run(now)

    assert question().state == State.DROPPED
    assert "asks to confirm" not in [one.body for one in carrier.sent]
    assert Suppression.objects.in_force(now).exists()


def test_and_before_a_colleagues_answer(now, carrier, account, make_user):
    robin = person("sms", at=now)
    row = colleague_answers(account, robin, now, make_user)
    texts(account, robin, "STOP", now + MINUTE)

    answering.run(now + MINUTE)

    row.refresh_from_db()
    assert row.state == State.DROPPED


@pytest.mark.parametrize("when", ["before", "between"])
def test_nothing_leaves_while_what_people_wrote_waits(club, now, carrier, account, monkeypatch, when):
    robin = joins(club, now)
    opt_ins.ask_some(now)
    if when == "before":  # another process has locked it
        texts(account, robin, "STOP", now)
        monkeypatch.setattr(statements, "claim_inbound", lambda limit: [])
    else:
        arrives = lambda now: texts(account, robin, "STOP", now) or True  # noqa: E731
        monkeypatch.setattr(answering, "record_inbound", arrives, raising=False)

    assert answering.run(now) == 0

    assert (carrier.sent, question().state) == ([], State.WAITING)
