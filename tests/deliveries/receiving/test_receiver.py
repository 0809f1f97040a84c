"""The receiver over HTTP: what providers are answered, and what is on disk by then."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from deliveries.models import Account, PendingReceipt, Receipt
from deliveries.receiving import receiver as subject
from deliveries.receiving.receiver import Receiver
from deliveries.receiving.recording import record
from tests import factories
from tests.deliveries.receiving.exchanges import (
    FORM,
    Exchange,
    callback,
    delivered,
    eventually,
    no_threads_left,  # noqa: F401 - a fixture that works by itself
    signed,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_signed_callback_is_on_disk_when_it_is_answered_and_moves_its_message(account, message, post, now):
    path, body = callback(account, message), delivered()

    answer = post(path, body, signed(path, body))

    assert (answer.status_code, answer.content) == (204, b"")
    stored = Receipt.objects.get()
    assert (stored.account_id, stored.kind, stored.method) == (account.pk, "status", "POST")
    assert (bytes(stored.body), stored.query) == (body, f"m={message.uuid}&c=sms")
    assert stored.headers["content-type"] == FORM
    assert "x-twilio-signature" not in stored.headers
    assert record(datetime.now(UTC)).changed == 1
    message.refresh_from_db()
    assert message.status == "delivered"


def test_the_same_callback_again_is_taken_and_changes_nothing(account, message, now):
    path, body = callback(account, message), delivered()
    request = ("POST", path, body, signed(path, body))

    answers = Exchange()(request, request, request)
    done = record(datetime.now(UTC))

    assert [answer.status_code for answer in answers] == [204] * 3
    assert (Receipt.objects.count(), done.recorded, done.events, done.changed) == (3, 3, 1, 1)


def test_a_forged_callback_changes_nothing_and_is_counted(account, message, post):
    path = callback(account, message)
    headers = signed(path, delivered())

    answer = post(path, delivered("SM2"), headers)

    assert answer.status_code == 403
    assert not Receipt.objects.exists()
    assert eventually(lambda: Account.objects.get(pk=account.pk).forged == 1)
    assert Account.objects.get(pk=account.pk).forged_at is not None


def test_a_flood_of_forged_callbacks_costs_one_statement(account, monkeypatch):
    written = []
    monkeypatch.setattr(subject, "count_forged", written.append)
    other = factories.account("kannel", credentials={"url_secret": "right"})
    forged = ("POST", callback(account), delivered(), {"x-twilio-signature": "no"})

    answers = Exchange()(*[forged] * 50, ("GET", callback(other, kind="status?k=wrong"), b"", {}))

    assert {answer.status_code for answer in answers} == {403}
    assert written == [{account.pk: 50, other.pk: 1}]


def test_who_is_refused_waits_for_the_answer_and_nobody_else_does(account, message, monkeypatch):
    """Else whoever makes callbacks up, or guesses tokens, takes as much of the processor as there is."""
    path = callback(account, message)
    monkeypatch.setattr(subject, "REFUSAL_SECONDS", 60.0)
    forged = ("POST", path, delivered(), {"x-twilio-signature": "no"})
    nobody = ("POST", "/hooks/nobody/status", delivered(), {})
    longer = ("PUT", path, b"", {})
    valid = ("POST", path, delivered(), signed(path, delivered()))

    async def talk():
        app = Receiver()
        await app.startup()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            asked = [
                asyncio.create_task(client.request(method, target, content=body, headers=headers))
                for method, target, body, headers in (forged, nobody, longer, valid)
            ]
            _, waiting = await asyncio.wait(asked, timeout=2)
            for task in waiting:
                task.cancel()
        await app.shutdown()
        return [None if task in waiting else task.result().status_code for task in asked]

    assert asyncio.run(talk()) == [None, None, 405, 204]


def test_forged_callbacks_are_added_to_those_of_before_as_far_as_the_column_goes(account):
    other, third = factories.account("kannel"), factories.account("kannel")
    Account.objects.filter(pk=account.pk).update(forged=5)
    Account.objects.filter(pk=other.pk).update(forged=subject.FORGED_MAX - 1)

    subject.count_forged({account.pk: 7, other.pk: 3, 987_654: 1})

    counts = dict(Account.objects.values_list("pk", "forged"))
    assert counts == {account.pk: 12, other.pk: subject.FORGED_MAX, third.pk: 0}


def test_forged_callbacks_that_could_not_be_counted_are_counted_later(monkeypatch):
    written, problems = [], [psycopg.OperationalError("away")]
    monkeypatch.setattr(subject, "FORGERIES_SECONDS", 0.01)

    def count(counts):
        if problems:
            raise problems.pop()
        written.append(dict(counts))

    monkeypatch.setattr(subject, "count_forged", count)

    async def talk():
        forgeries = subject.Forgeries()
        forgeries.add(1)
        await asyncio.sleep(0.05)
        forgeries.add(1)
        await forgeries.close()

    asyncio.run(talk())

    assert sum(counts[1] for counts in written) == 2


@pytest.mark.parametrize("header", ["", "x", "é", "=" * 5_000])
def test_a_signature_that_is_none_is_refused(account, post, header):
    path = callback(account)

    answer = post(path, delivered(), {"content-type": FORM, "x-twilio-signature": header.encode("latin-1")})

    assert answer.status_code == 403


def test_a_callback_for_a_message_nobody_knows_is_taken_and_parked(account, post):
    path, body = callback(account), delivered("SM404")

    answer = post(path, body, signed(path, body))
    record(datetime.now(UTC))

    assert answer.status_code == 204
    assert PendingReceipt.objects.get().state == "parked"


def test_the_signature_covers_the_reference_in_the_address(account, message, post):
    other = factories.message(account=account)
    body = delivered()
    headers = signed(callback(account, message), body)

    assert post(callback(account, other), body, headers).status_code == 403


ODD = {
    "garbage": b"\x00\x01\xff\xfe garbage",
    "truncated": b"MessageSid=SM1&MessageSta",
    "no text": "MessageSid=ümläut".encode("latin-1"),
    "nothing": b"",
    "json": b'{"MessageSid": "SM1"}',
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_whatever_comes_is_no_error_of_ours(account, message, post, body):
    path = callback(account, message)

    assert post(path, body, {"content-type": FORM, "x-twilio-signature": "no"}).status_code == 403


PATHS = {
    "/hooks/": 404,
    "/hooks/nobody/status": 404,
    "/hooks/nobody/": 404,
    "/hooks/{token}": 404,
    "/hooks/{token}/status/more/": 404,
    "/hooks/{token}/STATUS": 404,
    "/hooks/{token}/%2e%2e/admin": 404,
    "/hooks/{token}/%ff%fe/": 404,
    "/hooks/" + "x" * 5_000 + "/status": 404,
    "/hooks/{token}/status?m=%00%ff": 403,
    "/hooks/{token}/status/": 403,
}


@pytest.mark.parametrize(("path", "status"), PATHS.items())
def test_odd_addresses_are_answered_plainly(account, post, path, status):
    assert post(path.format(token=account.token)).status_code == status


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused_with_those_that_are_not(account, method):
    answer = Exchange()((method, callback(account), b"", {}))[0]

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_a_callback_longer_than_the_limit_is_refused(account, post, settings):
    settings.RECEIPT_MAX_BYTES = 2_000
    path = callback(account)
    long, longest = b"a=" + b"b" * 1_999, b"a=" + b"b" * 1_998

    assert post(path, long, signed(path, long)).status_code == 413
    assert post(path, longest, signed(path, longest)).status_code == 204
    assert Receipt.objects.count() == 1


def test_half_a_body_is_neither_stored_nor_called_a_forgery(account):
    path = callback(account)
    told = []

    async def talk():
        app = Receiver()
        events = iter(
            [
                {"type": "http.request", "body": b"MessageSid=SM1", "more_body": True},
                {"type": "http.disconnect"},
            ]
        )

        async def receive():
            return next(events)

        async def send(event):
            told.append(event)

        await app.startup()
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
        await app(scope, receive, send)
        await app.shutdown()

    asyncio.run(talk())

    assert told[0]["status"] == 400
    assert not Receipt.objects.exists()
    assert not eventually(lambda: Account.objects.get(pk=account.pk).forged, seconds=0.3)
