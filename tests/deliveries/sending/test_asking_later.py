"""Who is asked to confirm later on, or not any more, and which yes counts."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from contacts import opt_ins
from contacts.lists import add_member, remove_member
from contacts.models import AutomaticAnswer
from contacts.suppressing import release, suppress
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import SendResult
from deliveries.receiving.recording import record_all
from deliveries.receiving.storing import Incoming, store
from deliveries.sending import answering
from tests import factories
from tests.deliveries.sending.test_answering import Carrier
from tests.deliveries.sending.test_double_opt_in import FROM, OURS, asks, confirmed, joins

pytestmark = pytest.mark.django_db
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
OTHER = "+12125550198"
State = AutomaticAnswer.State
BAD_NUMBER = {"native_status": "rejected", "native_code": "INVALID_NUMBER"}


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


def texts(account, contact, text, at, to=OURS):
    number = contact.addresses.get(kind="phone", preferred=True).value
    payload = {"channel": "sms", "from": number, "to": to, "text": text, "occurred_at": at.isoformat()}
    store([Incoming(account.pk, "inbound", at, "POST", "", {}, json.dumps(payload).encode())])


def question():
    return AutomaticAnswer.objects.get(kind="confirm", channel="sms")


# ---- Who is asked later on -------------------------------------------------------------------------------------


def test_a_number_that_was_refused_is_not_asked_again_but_their_new_one_is(club, now, carrier):
    robin = joins(club, now)
    carrier.answer = lambda: SendResult(False, **BAD_NUMBER)
    asks(now)
    asks(now + DAY)
    asks(now + 2 * DAY)
    assert (len(carrier.sent), question().state) == (1, State.REFUSED)
    robin.addresses.filter(kind="phone").update(value=OTHER, match_key=OTHER)
    carrier.answer = lambda: SendResult(True, provider_message_id="x")

    asks(now + 3 * DAY)
    asks(now + 3 * DAY)

    assert [one.to for one in carrier.sent[1:]] == [OTHER]


def test_who_was_dropped_is_asked_once_nothing_stands_against_it(club, now, carrier, make_user):
    robin = joins(club, now)
    admin = make_user("admin")
    block = suppress(contact=robin, reason="staff", origin="staff", evidence="x", by=admin, now=now)
    asks(now)
    assert (carrier.sent, question().state) == ([], State.DROPPED)
    release(block, by=admin, note="By mistake", now=now + HOUR)

    for days in (2, 2, 3, 4):
        asks(now + days * DAY)

    assert len(carrier.sent) == 1
    assert AutomaticAnswer.objects.count() == 1


def test_who_left_before_the_question_and_joins_again_is_asked(club, now, carrier):
    robin = joins(club, now)
    opt_ins.ask_some(now)
    remove_member(club, robin, now)
    answering.run(now)
    assert carrier.sent == []
    add_member(club, robin, now + MINUTE)

    asks(now + HOUR)

    assert len(carrier.sent) == 1


def test_who_joins_with_a_number_that_was_asked_long_ago_is_asked(club, now, carrier):
    robin = joins(club, now)
    asks(now)
    later = now + 30 * DAY
    other = joins(club, later)
    number = robin.addresses.get(kind="phone").value
    other.addresses.filter(kind="phone").update(value=number, match_key=number)

    for days in (0, 0, 1, 8, 16):
        asks(later + days * DAY)

    assert len(carrier.sent) == 2


def test_one_text_for_all_who_joined_with_a_number(club, now, carrier):
    one, other = joins(club, now), joins(club, now)
    number = one.addresses.get(kind="phone").value
    other.addresses.filter(kind="phone").update(value=number, match_key=number)

    for days in (0, 0, 1, 8, 9, 20):
        asks(now + days * DAY)

    assert len(carrier.sent) == 1


# ---- What a yes answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "after", "counts"),
    [
        (OTHER, HOUR, False),
        (OURS, -MINUTE, False),
        (OURS, HOUR, True),
        ("1 (212) 555-0199", HOUR, True),
        ("", HOUR, True),
    ],
)
def test_a_yes_counts_for_the_number_that_asked_and_once_it_did(
    club, now, carrier, account, to, after, counts
):
    robin = joins(club, now)
    asks(now)

    texts(account, robin, "YES", now + after, to=to)
    record_all(now + HOUR)

    assert bool(confirmed(robin)) == counts


# ---- Asking no more --------------------------------------------------------------------------------------------


def test_a_list_that_asks_no_more_sends_nothing_that_waits(club, now, carrier):
    joins(club, now)
    opt_ins.ask_some(now)
    opt_ins.change(club, "sms", "", now)

    answering.run(now)

    assert carrier.sent == []
    assert (question().state, question().why) == (
        State.DROPPED,
        "Not sent: the list does not ask any more.",
    )
