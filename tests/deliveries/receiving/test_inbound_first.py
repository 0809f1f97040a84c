"""An acknowledged STOP waits behind nothing, and nothing is sent while one waits."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from contacts.keywords import classify, pressed
from contacts.models import Suppression
from deliveries.ledger import statements
from deliveries.meaning.payloads import adapter_of, call_of
from deliveries.meaning.translation import shipped
from deliveries.models import Engagement, Message, Outbox, PendingReceipt
from deliveries.providers.facts import Act, Inbound, Report
from deliveries.receiving import recording
from deliveries.receiving.recording import record
from deliveries.receiving.storing import Incoming, store
from deliveries.sending.dispatch import dispatch
from deliveries.statuses import Status
from tests import factories
from tests.deliveries.meaning.test_payloads import AT, EXPECTED, RECORDED
from tests.engine import Fake, agree, rebuild, sending, waiting

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def queued(account, now):
    """Six messages that wait for their handover."""
    campaign = sending()
    return [waiting(campaign, account, now) for _ in range(6)]


def stop(account, message, now, text="STOP") -> Incoming:
    payload = {"channel": "sms", "from": message.address.value, "to": "+12125550199", "text": text,
            "occurred_at": now.isoformat()}  # fmt: skip
    return Incoming(account.pk, "inbound", now, "POST", "c=sms", {}, json.dumps(payload).encode())


def status(account, now, n) -> Incoming:
    body = json.dumps(
        {"channel": "sms", "id": f"unknown-{n}", "status": "delivered", "occurred_at": now.isoformat()}
    ).encode()  # fmt: skip
    return Incoming(account.pk, "status", now, "POST", "c=sms", {}, body)


def test_what_people_wrote_is_recorded_before_a_backlog(account, queued, now):
    store([status(account, now, n) for n in range(30)])
    store([stop(account, message, now) for message in queued[:2]])

    record(now, limit=10)

    assert Suppression.objects.filter(reason="stop").count() == 2
    assert PendingReceipt.objects.filter(state="new").count() == 30


def test_nobody_who_said_stop_before_a_launch_is_written_to(account, queued, now):
    store([status(account, now, n) for n in range(30)])
    store([stop(account, message, now) for message in queued])
    carriers = Fake()

    while dispatch(now, carriers).looked_at:
        pass

    assert carriers.left == []
    assert PendingReceipt.objects.filter(state="new").count() == 30  # the backlog was not waited for


def test_nobody_whose_no_a_provider_reported_is_written_to_though_decisions_wait(account, queued, now):
    store([status(account, now, n) for n in range(30)])
    for message in queued:
        before = factories.message(
            factories.recipient(contact=message.contact), address=message.address, account=account
        )
        payload = {"channel": "sms", "id": before.provider_message_id, "status": "undelivered",
                "code": "OPTED_OUT", "occurred_at": now.isoformat()}  # fmt: skip
        store([Incoming(account.pk, "status", now, "POST", "c=sms", {}, json.dumps(payload).encode())])
    carriers = Fake()

    while dispatch(now, carriers).looked_at:
        pass

    assert carriers.left == []
    assert Suppression.objects.filter(origin="recipient").count() == 6


def test_who_says_stop_while_others_are_handed_over_is_not_written_to(account, queued, now):
    said = iter([queued[2:]])
    carriers = Fake(during=lambda: store([stop(account, message, now) for message in next(said, [])]))

    while dispatch(now, carriers, limit=2).looked_at:
        pass

    assert {out.to for out in carriers.left} == {message.address.value for message in queued[:2]}


def test_nothing_is_claimed_while_another_process_records_what_people_wrote(
    account, queued, now, monkeypatch
):
    store([stop(account, queued[0], now)])
    monkeypatch.setattr(statements, "claim_inbound", lambda limit: [])  # the other one has locked it
    carriers = Fake()

    done = dispatch(now, carriers)

    assert carriers.left == []
    assert done.looked_at  # so that the loop comes round again
    assert Outbox.objects.filter(claimed_until=None).count() == 6


def test_a_stop_that_comes_between_recording_and_claiming_is_waited_for(account, queued, now, monkeypatch):
    monkeypatch.setattr(
        "deliveries.sending.dispatch.record_inbound",
        lambda now: store([stop(account, queued[0], now)]) or True,
    )
    carriers = Fake()

    dispatch(now, carriers)

    assert carriers.left == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'{"channel": "sms", "from": "", "text": "STOP"}'])
def test_what_cannot_be_read_holds_up_nothing(account, queued, now, body):
    store([Incoming(account.pk, "inbound", now, "POST", "c=sms", {}, body)])
    carriers = Fake()

    dispatch(now, carriers)

    assert len(carriers.left) == 6
    assert PendingReceipt.objects.get().state == "parked"


def test_a_text_that_breaks_us_is_parked_alone(account, queued, now, monkeypatch):
    handle_inbound = recording.handle_inbound

    def fragile(inbound):
        if any(text.text == "boom" for _, _, text in inbound):
            raise ZeroDivisionError("boom")
        return handle_inbound(inbound)

    monkeypatch.setattr(recording, "handle_inbound", fragile)
    store([stop(account, queued[0], now, "boom"), *(stop(account, message, now) for message in queued[1:])])
    carriers = Fake()

    dispatch(now, carriers)

    assert [out.to for out in carriers.left] == [queued[0].address.value]
    assert PendingReceipt.objects.get().reason == "ZeroDivisionError: boom"


LETTER = b"From: Robin <robin@example.org>\nTo: bounces@example.com\nSubject: Re: Hello\n\nSTOP\n"


@pytest.mark.parametrize(
    ("kind", "body", "is_first"),
    [
        ("inbound", b"{}", True),
        ("keys", b"Digits=9", True),
        ("status", b'{"status": "delivered"}', False),
        ("status", b'{"data": {"event_type": "message.received"}}', True),
        ("status", b'[{"type": "message-received"}]', True),
        ("status", b'{"type": "sms.received"}', True),
        ("status", b'{"event": "contact.msg.opt_out"}', True),
        ("status", b'{"dnc": true}', True),
        ("status", b'[{"event": "unsubscribe", "email": "robin@example.org"}]', True),
        ("status", b'{"headers": {"List-Unsubscribe": "<https://example.com>"}, "event": "delivered"}', False),
        ("answer", b"", False),
        ("dsn", LETTER, True),
        ("dsn", b"Return-Path: <>\n" + LETTER, False),
        ("dsn", b"From: MAILER-DAEMON@mail.example.net\nSubject: Undelivered\n\nNo.\n", False),
        ("dsn", b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n" + LETTER, False),
        ("dsn", b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n" + LETTER, True),
        ("dsn", b"Auto-Submitted: auto-replied\n" + LETTER, False),
        ("dsn", b"Auto-Submitted: auto-generated\nTo: unsubscribe+6f1c@example.com\n" + LETTER, True),
        ("dsn", LETTER + b"\nForwarded:\nReturn-Path: <>\n", True),
        ("status", b'{"Message": "{\\"eventType\\":\\"Delivery\\"}", "UnsubscribeURL": "https://example.com"}', False),
        ("status", b'{"Message": "{\\"eventType\\":\\"Complaint\\"}", "UnsubscribeURL": "https://example.com"}', True),
        ("status", b'{"status": "success", "dnc": false, "spam": false}', False),
        ("status", b'{"call_quality_stats": {"inbound": {"mos": 4}}}', False),
        ("status", b'[{"event": "unsub", "agent": "List-Unsubscribe"}]', True),
        ("status", b"mandrill_events=%5B%7B%22event%22%3A+%22inbound%22%7D%5D", True),
        ("status", b'{"payload": {"digits": "9"}}', True),
        ("status", b'{"payload": {"digits": ""}}', False),
    ],
)  # fmt: skip
def test_what_a_person_may_have_written_comes_first(account, now, kind, body, is_first):
    store([Incoming(account.pk, kind, now, "POST", "", {}, body)])

    assert PendingReceipt.objects.get().inbound is is_first
    assert statements.inbound_waits() is is_first


@pytest.mark.parametrize("state", ["parked", "dead"])
def test_what_was_tried_already_holds_up_nothing(state):
    factories.receipt(kind="inbound", state=state)
    PendingReceipt.objects.update(inbound=True)

    assert not statements.inbound_waits()


def test_what_people_wrote_is_found_by_an_index(account, now):
    store([status(account, now, n) for n in range(300)])
    with connection.cursor() as cursor, transaction.atomic():
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE deliveries_pendingreceipt")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {statements.INBOUND_WAITS}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {statements.INBOUND_WAITS}")
        plan = str(cursor.fetchall())

    assert "receipt_inbound" in plan


def test_only_the_inbound_ones_are_claimed_as_long_as_there_are_some(account, queued, now):
    store([status(account, now, 1), stop(account, queued[0], now), status(account, now, 2)])

    with transaction.atomic():
        first = statements.claim_receipts(10)
        statements.finish_receipts([waiting.id for waiting in first])
        rest = statements.claim_receipts(10)

    assert [each.kind for each in first] == ["inbound"]
    assert [each.kind for each in rest] == ["status", "status"]


def test_the_books_agree_after_a_stop_in_the_middle(account, queued, now):
    rebuild()
    store([stop(account, queued[3], now)])

    dispatch(now, Fake())

    assert Message.objects.get(pk=queued[3].pk).canceled_at
    assert agree()


@pytest.mark.parametrize(
    ("texts", "blocked"),
    [
        (["STOP", "START"], False),
        (["START", "STOP"], True),
        (["STOP", "yes"], False),
        (["STOP", "START", "STOP"], True),
        (["yes", "STOP"], True),
    ],
)
def test_texts_that_came_together_count_in_their_order(account, queued, now, texts, blocked):
    seconds = [now + timedelta(seconds=n) for n in range(len(texts))]
    store([stop(account, queued[0], at, text) for at, text in zip(seconds, texts, strict=True)])

    record(now + timedelta(minutes=1))

    assert Suppression.objects.filter(released_at=None).exists() is blocked
    assert Engagement.objects.count() == len(texts)


def test_many_opt_outs_cost_little_more_than_few(account, now):
    messages = [waiting(sending(), account, now) for _ in range(24)]

    def recorded(some) -> int:
        store([stop(account, message, now) for message in some])
        with CaptureQueriesContext(connection) as queries:
            record(now)
        return len(queries)

    few, many = recorded(messages[:4]), recorded(messages[4:])

    assert many - few <= 3 * 16
    assert Suppression.objects.count() == 24
    assert not Outbox.objects.exists()


def no_of(fact, provider):
    """Whether a person says no by this: in a text, by a key, or as their provider or mail program passes it on."""
    if isinstance(fact, Inbound):
        return classify(fact.text, fact.opt_out_type).kind == "stop"
    if isinstance(fact, Act):
        return fact.kind == "key_press" and pressed(fact.text) == "stop"
    if not isinstance(fact, Report) or fact.native_code:
        return False
    return shipped().translate(provider, fact).meaning.status in (Status.COMPLAINED, Status.OPTED_OUT)


def is_first(line):
    call = call_of({"at": AT, **line}, adapter_of(line))
    return Incoming(1, line.get("kind", "status"), None, call.method, call.query, {}, call.body).inbound


A_NO = re.compile(r"stop|complain|opted_out|key_press")


def test_every_recorded_no_comes_first():
    behind = []
    for line in RECORDED:
        if A_NO.search(json.dumps(EXPECTED[line["id"]])) and not is_first(line):
            adapter = adapter_of(line)
            facts = adapter.parse(line.get("kind", "status"), call_of({"at": AT, **line}, adapter))
            behind += [line["id"] for fact in facts if no_of(fact, adapter.slug)]

    assert behind == []


def test_hardly_any_other_recorded_receipt_comes_first():
    ordinary = [
        line
        for line in RECORDED
        if line.get("kind", "status") == "status" and not A_NO.search(json.dumps(EXPECTED[line["id"]]))
    ]

    assert sum(map(is_first, ordinary)) < len(ordinary) / 50
