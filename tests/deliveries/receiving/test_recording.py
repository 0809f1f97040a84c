"""Receipts in, rows out: the promises of `deliveries/receiving/recording.py`."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.models import Suppression
from deliveries.ledger import tallies
from deliveries.ledger.events import apply, event
from deliveries.models import Account, Engagement, Message, PendingReceipt, Receipt, StatusChange, StatusEvent
from deliveries.providers import PROVIDERS
from deliveries.receiving import recording
from deliveries.receiving.recording import record, unpark
from deliveries.receiving.storing import Incoming, store
from deliveries.statuses import (
    REACHING,
    Evidence,
    FailureClass,
    Fault,
    Meaning,
    Precedence,
    Status,
    disposition,
    project,
)
from tests import factories

pytestmark = pytest.mark.django_db


def twilio_form(message, status, **fields):
    form = {
        "MessageSid": message.provider_message_id,
        "MessageStatus": status,
        "To": "+12105550101",
        **fields,
    }
    return urlencode(form).encode()


def twilio_receipt(message, status, at, *, ref=True, **fields):
    query = f"m={message.uuid}&c=sms" if ref else ""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Incoming(
        message.account_id, "status", at, "POST", query, headers, twilio_form(message, status, **fields)
    )


@pytest.fixture
def message():
    account = factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})
    made = factories.message(
        account=account, status=Status.SENDING, evidence=Evidence.HANDED_OVER, provider_message_id="SM1"
    )
    Message.objects.filter(pk=made.pk).update(precedence=0)
    for tally in tallies.ALL_TALLIES:
        tallies.rebuild(tally)
    return made


def test_a_receipt_moves_its_message_and_the_tallies(message, now):
    store([twilio_receipt(message, "delivered", now)])

    batch = record(now)

    message.refresh_from_db()
    assert (batch.recorded, batch.changed) == (1, 1)
    assert (message.status, message.disposition, message.delivered_at) == ("delivered", "DELIVERED", now)
    assert StatusChange.objects.filter(message_id=message.pk).exists()
    tallies.fold_all()
    assert not any(tallies.differences(tally) for tally in tallies.ALL_TALLIES)


def test_the_same_receipt_again_changes_nothing(message, now):
    store([twilio_receipt(message, "delivered", now)])
    record(now)
    before = Message.objects.values().get(pk=message.pk)
    StatusChange.objects.all().delete()

    store([twilio_receipt(message, "delivered", now + timedelta(minutes=5))] * 3)
    batch = record(now + timedelta(hours=1))

    assert batch.recorded == 3
    assert batch.changed == 0
    assert Message.objects.values().get(pk=message.pk) == before
    assert StatusEvent.objects.filter(message_id=message.pk).count() == 1
    assert not StatusChange.objects.exists()


def test_a_receipt_without_our_reference_is_matched_by_the_providers_id(message, now):
    store([twilio_receipt(message, "undelivered", now, ref=False, ErrorCode="30003")])

    record(now)

    message.refresh_from_db()
    assert (message.status, message.failure_class, message.fault) == ("undelivered", "temporary", "recipient")
    assert message.reason_code == "30003"


def test_a_reference_of_another_account_moves_nothing(message, now):
    stranger = factories.account("twilio", credentials={"account_sid": "AC2", "auth_token": "u"})
    receipt = twilio_receipt(message, "delivered", now)._replace(account_id=stranger.pk)
    store([receipt])

    batch = record(now)

    message.refresh_from_db()
    assert message.status == "sending"
    assert batch.parked == 1


def test_an_unknown_message_is_parked_and_recorded_once_it_is_known(message, now):
    Message.objects.filter(pk=message.pk).update(provider_message_id="")
    store([twilio_receipt(message, "delivered", now, ref=False)])
    assert record(now).parked == 1
    assert record(now).parked == 0

    Message.objects.filter(pk=message.pk).update(provider_message_id="SM1")
    unpark(now + timedelta(seconds=3))
    batch = record(now + timedelta(seconds=3))

    message.refresh_from_db()
    assert batch.recorded == 1
    assert message.status == "delivered"
    assert not PendingReceipt.objects.exists()


def test_a_receipt_that_never_finds_its_message_becomes_a_dead_letter_with_its_reason(message, now):
    store(
        [
            twilio_receipt(message, "delivered", now, ref=False)._replace(
                body=b"MessageSid=SM404&MessageStatus=sent"
            )
        ]
    )

    moment = now
    for _ in range(20):
        unpark(moment)
        record(moment)
        moment += timedelta(days=2)

    pending = PendingReceipt.objects.get()
    assert pending.state == PendingReceipt.State.DEAD
    assert "No message" in pending.reason
    assert Receipt.objects.count() == 1


def test_one_poison_receipt_does_not_hold_up_its_neighbours(message, now):
    poison = Incoming(message.account_id, "status", now, "POST", "", {}, b"\xff\xfe\x00 not a form")
    store([poison, twilio_receipt(message, "delivered", now), poison])

    batch = record(now)

    message.refresh_from_db()
    assert message.status == "delivered"
    assert (batch.recorded, batch.parked) == (1, 2)


@pytest.mark.parametrize(
    "mistake", [KeyError("to"), AttributeError("metadata"), TypeError("None"), IndexError("0")]
)
def test_a_mistake_in_an_adapter_is_logged_with_its_traceback(message, now, monkeypatch, caplog, mistake):
    def fail(kind, call):
        raise mistake

    monkeypatch.setattr(PROVIDERS["twilio"], "parse", fail)
    store([twilio_receipt(message, "delivered", now)])

    record(now)

    reason = PendingReceipt.objects.get().reason
    assert reason.startswith(type(mistake).__name__)
    (logged,) = [each for each in caplog.records if each.name == recording.__name__]
    assert logged.exc_info[1] is mistake


def test_a_receipt_of_an_account_whose_provider_is_gone_says_so(message, now, caplog):
    store([twilio_receipt(message, "delivered", now)])
    Account.objects.update(provider="discontinued")

    record(now)

    assert "No adapter" in PendingReceipt.objects.get().reason
    assert not caplog.records


def test_a_batch_the_database_refuses_is_split_until_the_culprit_stands_alone(message, now, monkeypatch):
    other = factories.message(account=message.account, status=Status.SENDING)
    honest = recording.apply

    def refuse_other(events, moment, version):
        if any(e.message_id == other.pk for e in events):
            from django.db import DataError

            raise DataError("no")
        return honest(events, moment, version)

    monkeypatch.setattr(recording, "apply", refuse_other)
    store([twilio_receipt(other, "delivered", now), twilio_receipt(message, "delivered", now)])

    batch = record(now)

    message.refresh_from_db()
    assert message.status == "delivered"
    assert (batch.recorded, batch.parked) == (1, 1)
    assert "refused" in PendingReceipt.objects.get().reason


def test_text_the_database_cannot_hold_is_cleaned(message, now):
    store([twilio_receipt(message, "undelivered", now, ErrorCode="30003", ErrorMessage="a\x00b" * 400)])

    record(now)

    message.refresh_from_db()
    assert message.status == "undelivered"
    assert "\x00" not in StatusEvent.objects.get(message_id=message.pk).native_text


# ---- Any order, any number of times, any parts ----------------------------------------------------------------

MEANINGS = [
    Meaning(Status.QUEUED),
    Meaning(Status.SENT),
    Meaning(Status.DELAYED, FailureClass.TEMPORARY, Fault.CARRIER),
    Meaning(Status.TIMED_OUT, evidence=Evidence.CLOCK),
    Meaning(Status.DELIVERED, evidence=Evidence.ASSUMED),
    Meaning(Status.DELIVERED),
    Meaning(Status.DELIVERED, evidence=Evidence.HANDSET),
    Meaning(Status.UNDELIVERED, FailureClass.TEMPORARY, Fault.RECIPIENT),
    Meaning(Status.UNDELIVERED, FailureClass.PERMANENT, Fault.RECIPIENT),
    Meaning(Status.FAILED, FailureClass.UNKNOWN),
    Meaning(Status.BLOCKED, FailureClass.CONTENT, Fault.CONTENT),
    Meaning(Status.ANSWERED),
    Meaning(Status.VOICEMAIL),
    Meaning(Status.BOUNCED, FailureClass.PERMANENT, Fault.RECIPIENT),
    Meaning(Status.UNKNOWN, FailureClass.UNKNOWN),
]

facts = st.lists(
    st.tuples(
        st.sampled_from(MEANINGS),
        st.sampled_from(["", "30003", "30005"]),
        st.sampled_from([(0, 0), (0, 0), (1, 1), (1, 3), (2, 3), (3, 3)]),
        st.integers(0, 600),
    ),
    min_size=1,
    max_size=8,
)

SHOWN = (
    "status", "precedence", "failure_class", "fault", "evidence", "disposition", "reason_code", "parts",
    "sent_at", "delivered_at", "settled_at",
)  # fmt: skip


def tell(message, reported, order, cuts, now):
    """Record the facts in this order, in batches cut at these places; return what the message shows."""
    events = [
        event(
            message.pk, message.goal, meaning, at=now + timedelta(seconds=second),
            native=(meaning.status, code, ""), part=part, parts=parts,
            fact=f"{meaning.evidence}{meaning.failure_class}",
        )
        for meaning, code, (part, parts), second in reported
    ]  # fmt: skip
    batch = []
    for place, number in enumerate(order):
        batch.append(events[number])
        if place in cuts or place == len(order) - 1:
            apply(batch, now)
            batch = []
    return Message.objects.values(*SHOWN).get(pk=message.pk), events


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reported=facts, data=st.data())
def test_any_order_and_repetition_of_receipts_gives_the_same_row(message, reported, data, now):
    numbers = list(range(len(reported)))
    shuffled = data.draw(st.permutations(numbers))
    repeated = shuffled + data.draw(st.lists(st.sampled_from(numbers), max_size=6))
    cuts = data.draw(st.sets(st.integers(0, len(repeated))))
    results = []

    for order, cut in ((numbers, set()), (shuffled, cuts), (repeated, cuts)):
        with transaction.atomic():
            results.append(tell(message, reported, order, cut, now))
            left = Counter(Message.objects.filter(pk=message.pk).values_list("disposition", flat=True))
            tallies.fold_all()
            assert not any(tallies.differences(t) for t in tallies.MESSAGE_TALLIES), left
            transaction.set_rollback(True)

    assert results[0][0] == results[1][0] == results[2][0]
    expected = project([Precedence(e.precedence, e.status, e.part, e.parts) for e in results[0][1]])
    assert results[0][0]["precedence"] == expected.precedence
    assert results[0][0]["status"] == expected.status


def test_delivered_in_parts_needs_every_part(message, now):
    def part(n):
        return event(
            message.pk,
            message.goal,
            Meaning(Status.DELIVERED),
            at=now,
            native=("delivered", "", ""),
            part=n,
            parts=3,
        )

    with transaction.atomic():
        apply([part(1), part(3)], now)
    message.refresh_from_db()
    assert (message.status, message.disposition) == ("sent", "PENDING")

    with transaction.atomic():
        apply([part(2)], now)
    message.refresh_from_db()
    assert (message.status, message.parts) == ("delivered", 3)


@pytest.mark.django_db(transaction=True)
def test_two_recorders_on_the_same_messages_count_each_fact_once(now):
    from concurrent.futures import ThreadPoolExecutor

    account = factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})
    campaign = factories.campaign(state="sending")
    sender, address = factories.sender(), factories.phone()
    messages = [
        factories.message(
            factories.recipient(campaign, factories.contact()), account=account, address=address, sender=sender,
            status=Status.SENDING, evidence=Evidence.HANDED_OVER, provider_message_id=f"SM{n}",
        )
        for n in range(40)
    ]  # fmt: skip
    for tally in tallies.ALL_TALLIES:
        tallies.rebuild(tally)
    stories = [
        twilio_receipt(m, status, now + timedelta(seconds=s), **({"ErrorCode": "30003"} if s == 2 else {}))
        for m in messages
        for s, status in enumerate(["queued", "sent", "undelivered", "delivered"])
        for _ in range(2)
    ]
    random.Random(7).shuffle(stories)
    store(stories)

    def work():
        try:
            while batch := record(now, limit=37).recorded:
                assert batch
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(work) for _ in range(3)]:
            future.result()

    assert not PendingReceipt.objects.exists()
    assert StatusEvent.objects.count() == 4 * len(messages)
    assert set(Message.objects.values_list("status", flat=True)) == {"delivered"}
    tallies.fold_all()
    assert not any(tallies.differences(tally) for tally in tallies.MESSAGE_TALLIES)


def test_every_disposition_follows_from_status_class_fault_and_goal():
    for status in Status:
        for failure_class in FailureClass:
            for fault in Fault:
                bucket = disposition(status, failure_class, fault, "exposure")
                assert (bucket == "DELIVERED") == (status in REACHING)
                if bucket == "BOUNCED_HARD":
                    assert fault in (Fault.RECIPIENT, Fault.CARRIER)


def test_a_text_told_once_more_counts_no_second_time(message, now):
    """A START whose callback is repeated after a later STOP must not lift it."""
    sender = message.address.value

    def written(text, sid, at):
        body = urlencode({"MessageSid": sid, "From": sender, "To": "+12105550100", "Body": text}).encode()
        return Incoming(
            message.account_id,
            "inbound",
            at,
            "POST",
            "",
            {"content-type": "application/x-www-form-urlencoded"},
            body,
        )

    hour = timedelta(hours=1)
    store(
        [
            written("START", "SM1", now),
            written("STOP", "SM2", now + hour),
            written("START", "SM1", now + 2 * hour),
        ]
    )
    recording.record_all(now + 2 * hour)

    assert Suppression.objects.filter(value=sender, released_at=None).exists()
    assert Engagement.objects.count() == 2
