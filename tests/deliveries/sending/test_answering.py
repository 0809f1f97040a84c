"""A sure STOP is confirmed once, HELP is answered, and nothing else passes where they pass."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import time, timedelta

import pytest
from django.db import connections

from contacts import gate
from contacts.answering import WITHIN, Asked, Kind, owe
from contacts.consenting import record_opt_in, record_opt_out
from contacts.erased_words import GONE
from contacts.models import Address, AnswerWording, AutomaticAnswer, Suppression
from contacts.models.answers import HELP_TEXT, STOP_TEXT
from contacts.suppressing import suppress
from deliveries.deciding.erasing import erase_person
from deliveries.models import PendingReceipt, Receipt
from deliveries.outcomes.person_data import person_data
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, SendResult
from deliveries.receiving.recording import record_all
from deliveries.receiving.storing import Incoming, store
from deliveries.sending import answering
from tests import factories
from tests.engine import person

pytestmark = pytest.mark.django_db

OURS = "+12125550199"
MINUTE = timedelta(minutes=1)
State = AutomaticAnswer.State


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture(autouse=True)
def our_number(request):
    request.getfixturevalue("db")
    return factories.sender("sms", value=OURS)


@pytest.fixture
def robin(now):
    return person("sms", at=now, name="Robin Doe")


class Carrier:
    """In the place of the sandbox's provider: keeps what it is given, and answers as told."""

    def __init__(self):
        self.sent = []
        self.answer = lambda: SendResult(True, provider_message_id=f"id-{len(self.sent)}")

    async def send(self, message, credentials, client):
        self.sent.append(message)
        return self.answer()


@pytest.fixture
def carrier(monkeypatch):
    made = Carrier()
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", made.send, raising=False)
    return made


@pytest.fixture
def says(account, now):
    """`says(contact, text)`: a text from their phone, recorded, and what is owed sent."""

    def say(contact, text, at=now, then=None, **more):
        number = contact.addresses.get(kind="phone").value
        payload = {
            "channel": "sms",
            "from": number,
            "to": OURS,
            "text": text,
            "occurred_at": at.isoformat(),
            **more,
        }
        store([Incoming(account.pk, "inbound", at, "POST", "", {}, json.dumps(payload).encode())])
        record_all(at)
        answering.run(then or at)

    return say


def states():
    return list(AutomaticAnswer.objects.order_by("pk").values_list("state", flat=True))


# ---- Which words are answered ----------------------------------------------------------------------------------


def test_a_stop_is_confirmed_once_and_blocks_all_the_same(says, robin, carrier, now):
    says(robin, "STOP")

    (sent,) = carrier.sent
    assert (sent.to, sent.sender, sent.body, sent.channel) == (
        robin.addresses.get().value,
        OURS,
        STOP_TEXT,
        "sms",
    )
    assert Suppression.objects.in_force(now).exists()
    assert states() == ["sent"]


@pytest.mark.parametrize("text", ["STOP", "HELP"])
@pytest.mark.parametrize("hours", [10, 90])
def test_the_answer_waits_for_no_hours_of_the_law(says, robin, carrier, now, text, hours):
    robin.addresses.update(region="US-AL")  # where marketing is over by 20:00, and on Sundays

    says(robin, text, at=now + timedelta(hours=hours))

    assert len(carrier.sent) == 1
    assert states() == ["sent"]


def test_told_again_it_is_not_confirmed_again(says, robin, carrier, now):
    says(robin, "STOP", message_id="a")
    says(robin, "STOP", message_id="a")
    says(robin, "STOP", at=now + MINUTE, message_id="b")
    says(robin, "stop!!", at=now + timedelta(days=3))
    answering.run(now + MINUTE)

    assert len(carrier.sent) == 1


def test_after_a_new_opt_in_the_next_stop_is_confirmed(says, robin, carrier, now):
    says(robin, "STOP")
    says(robin, "START", at=now + MINUTE)
    says(robin, "STOP", at=now + 2 * MINUTE)

    assert len(carrier.sent) == 2


def test_help_is_answered_once_an_hour_and_changes_nothing(says, robin, carrier, now):
    for minutes in (0, 1, 2):
        says(robin, "HELP", at=now + minutes * MINUTE)
    says(robin, "HELP", at=now + 61 * MINUTE)

    assert [sent.body for sent in carrier.sent] == [HELP_TEXT, HELP_TEXT]
    assert not Suppression.objects.exists()


def test_help_is_answered_to_somebody_who_opted_out(says, robin, carrier, now):
    says(robin, "STOP")
    says(robin, "HELP", at=now + timedelta(days=1))

    assert [sent.body for sent in carrier.sent] == [STOP_TEXT, HELP_TEXT]


@pytest.mark.parametrize(
    "text",
    ["I moved away last year. STOP", "Stop by the office tomorrow", "yes", "See you there", "9", "START"],
)
def test_what_is_in_doubt_or_asks_for_nothing_is_not_answered(says, robin, carrier, text):
    says(robin, text)

    assert carrier.sent == []
    assert states() == []


def test_two_who_share_the_number_get_one(says, robin, carrier, now):
    number = robin.addresses.get().value
    factories.phone(value=number)

    says(robin, "STOP")

    assert len(carrier.sent) == 1


# ---- Who answers, and in which words ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "by_provider", "answered"),
    [
        ("auto", False, True),
        ("auto", True, False),
        ("us", True, True),
        ("nobody", False, False),
        (None, False, True),
        (None, True, False),
    ],
)
def test_who_answers_is_a_setting(says, robin, carrier, monkeypatch, who, by_provider, answered):
    monkeypatch.setattr(PROVIDERS["sandbox"], "answers_keywords", by_provider, raising=False)
    if who:
        AnswerWording.objects.create(who=who)

    says(robin, "STOP")

    assert bool(carrier.sent) == answered


def test_a_provider_that_names_the_keyword_has_answered_it(says, robin, carrier):
    says(robin, "STOP", opt_out_type="STOP")

    assert carrier.sent == []


@pytest.mark.parametrize("slug", ["twilio", "telnyx"])
def test_providers_that_answer_by_default_are_known(slug):
    assert PROVIDERS[slug].answers_keywords


def test_a_number_may_have_words_of_its_own(says, robin, carrier, now):
    AnswerWording.objects.create(stop_text="Bye from all", help_text="")
    AnswerWording.objects.create(sender_value=OURS, stop_text="Bye from the clinic", help_text="")

    says(robin, "HELP")
    says(robin, "STOP", at=now + MINUTE)

    assert [sent.body for sent in carrier.sent] == ["Bye from the clinic"]


# ---- The gate --------------------------------------------------------------------------------------------------


def ask(contact, answer=None, **fields):
    address = contact.addresses.get(kind="phone")
    given = {
        "key": 1, "contact_id": contact.pk, "address_id": address.pk, "channel": "sms", "sender_value": OURS,
        "window_start": time(0), "window_end": time(23, 59), "campaign_state": "sending", "sender_state": "approved",
        "relevant_until": None, "answer": answer,
    }  # fmt: skip
    return gate.Ask(**{**given, **fields})


def owed(contact, account, now, kind=Kind.STOP):
    """The answer that is owed by this, None where none is."""
    value = contact.addresses.get(kind="phone").value
    before = set(AutomaticAnswer.objects.all())
    owe([Asked(kind, value, "sms", OURS, account.pk, now, by_provider=False)])
    return next(iter(set(AutomaticAnswer.objects.all()) - before), None)


def opts_out(contact, now):
    record_opt_out(value=contact.addresses.get().value, channel="sms", how="Reply", evidence="STOP", at=now)


def test_only_the_answer_itself_passes_the_opt_out(robin, account, now):
    answer = owed(robin, account, now)
    opts_out(robin, now)
    other = person("sms", at=now)
    theirs = owed(other, account, now)
    opts_out(other, now)

    def reason(wanted):
        return gate.check([wanted], now)[1].reason

    assert reason(ask(robin, answer.pk)) == ""
    assert reason(ask(robin)) == "opted_out"
    assert reason(ask(robin, theirs.pk)) == "opted_out"
    assert reason(ask(robin, 10**9)) == "opted_out"
    assert reason(ask(robin, answer.pk, channel="voice")) == "opted_out"
    assert reason(ask(robin, answer.pk, sender_state="pending")) == "sender_not_approved"
    assert gate.check([ask(robin, answer.pk)], now + WITHIN + MINUTE)[1].reason == "opted_out"
    for state in set(State) - {State.WAITING}:
        AutomaticAnswer.objects.filter(pk=answer.pk).update(state=state)
        assert reason(ask(robin, answer.pk)) == "opted_out"


def test_an_answer_that_is_not_owed_any_more_does_not_go_as_a_message_either(robin, account, now):
    answer = owed(robin, account, now, Kind.HELP)

    assert gate.check([ask(robin, answer.pk)], now)[1].allowed
    assert gate.check([ask(robin, answer.pk)], now + WITHIN + MINUTE)[1].reason == "not_relevant"


def test_it_goes_at_night(says, robin, carrier, now):
    says(robin, "STOP", at=now + timedelta(hours=14))

    assert len(carrier.sent) == 1


def blocked_by_staff(contact, now):
    suppress(contact=contact, reason="staff", origin="staff", evidence="x", now=now)


def bad_number(contact, now):
    Address.objects.filter(contact=contact).update(validity="invalid")


def complained(contact, now):
    value = contact.addresses.get().value
    record_opt_out(value=value, channel="sms", how="Complaint", evidence="", at=now, reason="complaint")


@pytest.mark.parametrize("trouble", [blocked_by_staff, bad_number, complained])
def test_whatever_else_stands_against_it_stops_it(says, robin, carrier, now, trouble):
    trouble(robin, now)

    says(robin, "STOP")

    assert carrier.sent == []
    assert AutomaticAnswer.objects.exclude(state=State.DROPPED).count() == 0


def test_too_late_is_never(says, robin, carrier, now):
    says(robin, "STOP", then=now + WITHIN + MINUTE)

    assert carrier.sent == []
    assert states() == ["dropped"]
    assert AutomaticAnswer.objects.get().why.startswith("Not sent: the person opted out")


def test_without_a_sender_of_that_number_nothing_leaves(says, robin, carrier, our_number):
    our_number.delete()

    says(robin, "STOP")

    assert carrier.sent == []
    assert states() == ["dropped"]


# ---- Once or never ---------------------------------------------------------------------------------------------


def test_what_the_provider_did_not_take_is_tried_again_in_time(says, robin, carrier, now):
    carrier.answer = lambda: SendResult(False, retry_after=30)
    says(robin, "STOP")
    assert states() == ["waiting"]

    carrier.answer = lambda: SendResult(True, provider_message_id="b")
    answering.run(now + MINUTE)
    answering.run(now + 2 * MINUTE)

    assert (len(carrier.sent), states()) == (2, ["sent"])


def fails():
    raise LostAnswer("gone")


def breaks():
    raise RuntimeError("a mistake")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (lambda: SendResult(False, native_code="21610", native_text="Unsubscribed"), "refused"),
        (fails, "in_doubt"),
        (breaks, "in_doubt"),
    ],
)
def test_what_was_refused_or_may_have_left_is_not_sent_again(says, robin, carrier, now, answer, state):
    carrier.answer = answer
    says(robin, "STOP")
    for minutes in (1, 2, 10):
        answering.run(now + minutes * MINUTE)

    assert (len(carrier.sent), states()) == (1, [state])


def test_a_process_that_ended_meanwhile_leaves_it_in_doubt(robin, account, carrier, now):
    owed(robin, account, now)
    AutomaticAnswer.objects.update(state=State.SENDING, begun_at=now)

    answering.run(now + MINUTE)
    assert states() == ["sending"]
    answering.run(now + 6 * MINUTE)
    assert (carrier.sent, states()) == ([], ["in_doubt"])


def test_what_the_provider_reports_about_it_is_kept_there(says, robin, account, carrier, now):
    says(robin, "STOP")
    answer = AutomaticAnswer.objects.get()
    query = f"m={answer.uuid}&c=sms"
    assert carrier.sent[0].callback.endswith(query)
    body = {"id": "id-1", "channel": "sms", "status": "delivered", "at": now.isoformat()}
    store([Incoming(account.pk, "status", now, "POST", query, {}, json.dumps(body).encode())])

    record_all(now)

    answer.refresh_from_db()
    assert answer.reported == "delivered"
    assert Receipt.objects.count() == 2
    assert not PendingReceipt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_owed_by_several_processes_at_once_it_is_owed_once(robin, account, carrier, now):
    def work(_):
        try:
            owed(robin, account, now)
            answering.run(now)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, range(8)))
    answering.run(now)

    assert (len(carrier.sent), states()) == (1, ["sent"])


def test_record_opt_in_between_makes_a_new_episode(robin, account, now):
    first = owed(robin, account, now)
    opts_out(robin, now)
    assert owed(robin, account, now) is None
    value = robin.addresses.get().value
    record_opt_in(value=value, channel="sms", how="Reply", evidence="START", at=now + MINUTE)

    assert owed(robin, account, now + 2 * MINUTE).fact != first.fact


def test_erased_with_the_person_it_names_nobody(says, robin, carrier, now):
    says(robin, "HELP")
    number = robin.addresses.get().value

    assert erase_person(robin.pk, by=factories.user("admin"), reason="asked", now=now)

    answer = AutomaticAnswer.objects.get()
    assert person_data(robin)["automatic_answers"][0]["text"] == GONE
    assert number not in (answer.match_key, str(answer.address.value))
    answering.run(now)
    assert len(carrier.sent) == 1
