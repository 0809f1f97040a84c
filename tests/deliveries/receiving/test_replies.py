"""Every reply is kept once, with what it was read as and the message that it answers."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from contacts.models import Reply
from deliveries.ledger import engagement
from deliveries.models import EngagedPerson, PendingReceipt
from deliveries.receiving.inbox import judge
from deliveries.receiving.recording import record_all
from deliveries.receiving.replies import ANSWERS_WITHIN
from deliveries.receiving.storing import Incoming, store
from tests import factories
from tests.engine import person

pytestmark = pytest.mark.django_db

OURS, OTHER = "+12125550199", "+12125550198"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def ours(db):
    return factories.sender("sms", value=OURS)


@pytest.fixture
def robin(now):
    return person("sms", at=now, name="Robin Doe")


@pytest.fixture
def number(robin):
    return robin.addresses.get().value


@pytest.fixture
def sent(robin, ours, now):
    """`sent(at, ...)`: a text to Robin that was handed over then."""

    def send(at=None, **fields):
        defaults = {
            "contact": robin,
            "sender": ours,
            "address": robin.addresses.get(kind="phone"),
            "channel": "sms",
        }
        return factories.message(**{**defaults, "handed_over_at": at or now - HOUR, **fields})

    return send


@pytest.fixture
def incoming(account, now):
    """`incoming((from, text), ...)`: that these came in together as texts, recorded."""

    def come(*texts, to=OURS, channel="sms", at=now, **more):
        store(
            [
                Incoming(account.pk, "inbound", at, "POST", "", {}, json.dumps({
                    "channel": channel, "from": sender, "to": to, "text": text, "occurred_at": at.isoformat(), **more,
                }).encode())
                for sender, text in texts
            ]
        )  # fmt: skip
        record_all(at)

    return come


@pytest.mark.parametrize(
    ("text", "reading", "doubtful", "acted"),
    [
        ("STOP", "stop", False, True),
        ("I moved away last year. STOP", "stop", True, True),
        ("START", "start", False, False),
        ("HELP", "help", False, False),
        ("bus stop", "unsure", True, False),
        ("See you at 9", "other", False, False),
        ("", "other", False, False),
    ],
)
def test_a_reply_is_kept_as_what_it_was_read_as(incoming, number, text, reading, doubtful, acted):
    incoming((number, text))

    reply = Reply.objects.get()
    assert (reply.text, reply.reading, reply.doubtful, reply.acted) == (text, reading, doubtful, acted)


def test_the_same_reply_reported_twice_is_kept_once(incoming, number):
    incoming((number, "See you at 9"))
    incoming((number, "See you at 9"))

    assert Reply.objects.count() == 1


def test_a_reply_of_a_number_that_nobody_has_is_kept_as_well(incoming, now):
    incoming(("+12125550142", "Who is this?"), ("20100", "No sender\x00 at all"))

    kept = Reply.objects.order_by("pk").values_list("value", "text")
    assert list(kept) == [("+12125550142", "Who is this?"), ("20100", "No sender at all")]
    assert not PendingReceipt.objects.filter(state="quarantined").exists()


def test_a_text_that_names_no_message_counts_for_whoever_got_the_one_it_answers(incoming, number, sent):
    answered = sent()
    incoming((number, "Can I stop by tomorrow?"))
    reply = Reply.objects.get()

    def deeds():
        while engagement.fold():
            pass
        assert not engagement.miscounted()
        theirs = EngagedPerson.objects.filter(recipient_id=answered.recipient_id)
        return set(theirs.values_list("deed", flat=True))

    assert deeds() == {"replied", "any"}
    judge(reply.pk, "opt_out", "", by=factories.user(), now=reply.at)
    assert deeds() == {"replied", "opted_out"}


def test_it_answers_the_last_message_handed_over_before_it(incoming, number, sent, now):
    sent(now - 3 * HOUR)
    answered = sent(now - HOUR)
    sent(now + MINUTE)
    sent(None, status="queued", handed_over_at=None)

    incoming((number, "See you at 9"))

    reply = Reply.objects.get()
    assert (reply.message_id, reply.campaign_id) == (answered.pk, answered.campaign_id)


def test_what_was_sent_from_another_number_of_ours_is_not_answered(incoming, number, sent):
    here = sent()
    sent(sender=factories.sender("sms", value=OTHER))

    incoming((number, "See you at 9"))
    assert Reply.objects.latest("pk").message_id == here.pk

    incoming((number, "And who are you?"), to="+12125550197")
    assert Reply.objects.latest("pk").message_id is None


def test_where_the_provider_names_none_of_our_numbers_any_is_answered(incoming, number, sent):
    message = sent(sender=factories.sender("sms", value=OTHER))

    incoming((number, "See you at 9"), to="")

    assert Reply.objects.get().message_id == message.pk


@pytest.mark.parametrize(
    ("written", "stands"), [("1 212 555 0199", OURS), ("20100", "20100"), ("(212) 555-0199", OURS)]
)
def test_our_number_is_known_however_the_provider_writes_it(incoming, number, sent, written, stands):
    sender = factories.sender("sms", value=stands) if stands != OURS else None
    message = sent(sender=sender) if sender else sent()

    incoming((number, "See you at 9"), to=written)

    reply = Reply.objects.get()
    assert (reply.sender_value, reply.message_id) == (stands, message.pk)


def test_a_message_of_long_ago_or_to_somebody_else_or_by_mail_is_not_answered(
    incoming, robin, number, sent, now
):
    sent(now - ANSWERS_WITHIN)
    sent(contact=factories.contact(), address=factories.phone())
    sent(channel="email", address=factories.email(robin), sender=factories.sender("email"))

    incoming((number, "See you at 9"))

    assert Reply.objects.get().message_id is None


def test_a_picture_text_answers_a_text(incoming, number, sent):
    message = sent()

    incoming((number, "See you at 9"), channel="mms")

    assert Reply.objects.get().message_id == message.pk


def test_of_a_shared_number_it_answers_the_last_message_to_whomever(incoming, number, sent, now):
    sent(now - 2 * HOUR)
    sam = factories.contact()
    last = sent(now - HOUR, contact=sam, address=factories.phone(sam, value=number))

    incoming((number, "See you at 9"))

    assert Reply.objects.get().message_id == last.pk


def test_what_many_replies_answer_is_found_in_a_fixed_number_of_queries(
    incoming, ours, now, django_assert_max_num_queries
):
    from deliveries.receiving import replies

    def some(n, start):
        made = []
        for each in range(n):
            address = factories.phone()
            factories.message(
                contact=address.contact, address=address, sender=ours, handed_over_at=now - HOUR
            )
            made.append(
                Reply(
                    value=address.value, values=[address.value], channel="sms", text="Yes", at=now,
                    fact=f"reply {start + each}", sender_value=OURS,
                )
            )  # fmt: skip
        return made

    for rows in (some(2, 0), some(40, 10)):
        with django_assert_max_num_queries(4):  # senders, the rows, what they answer; a savepoint
            replies.keep(rows)

    assert Reply.objects.filter(message_id=None).count() == 0
