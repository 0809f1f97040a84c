"""The receiver over HTTP: what providers are answered, and what is on disk by then."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import sqlite3
import threading
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

import httpx
import psycopg
import pytest
from django.conf import settings as conf
from django.db import connection
from django.utils import timezone

from contacts.models import Suppression
from deliveries.models import Account, Message, PendingReceipt, Receipt
from deliveries.receiving import group_commit
from deliveries.receiving import receiver as subject
from deliveries.receiving.group_commit import Batcher, QueueFull
from deliveries.receiving.receiver import Receiver
from deliveries.receiving.recording import record
from deliveries.receiving.storing import Incoming, store, store_in_sqlite
from deliveries.statuses import Evidence, Status
from tests import factories
from tests.engine import rebuild

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "auth-token-of-a-test"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def no_threads_left(monkeypatch):
    """Threads close their connections, so that the test database can be taken down; nobody is woken."""

    def closing(work):
        def closed(*args):
            try:
                return work(*args)
            finally:
                connection.close()

        return closed

    monkeypatch.setattr(subject.Directory, "read", staticmethod(closing(subject.Directory.read)))
    monkeypatch.setattr(subject, "count_forged", closing(subject.count_forged))
    monkeypatch.setattr(group_commit, "wake", lambda: None)
    monkeypatch.setattr(subject, "REFUSAL_SECONDS", 0.0)


@pytest.fixture
def account():
    return factories.account(
        "twilio", credentials={"account_sid": "AC1", "auth_token": TOKEN}, channels=["sms"]
    )


@pytest.fixture
def message(account):
    made = factories.message(
        account=account, status=Status.SENDING, evidence=Evidence.HANDED_OVER, provider_message_id="SM1"
    )
    Message.objects.filter(pk=made.pk).update(precedence=0)
    rebuild()
    return made


def signature(url: str, body: bytes) -> str:
    fields = sorted(set(parse_qsl(body.decode(), keep_blank_values=True)))
    text = url + "".join(name + value for name, value in fields)
    return base64.b64encode(hmac.digest(TOKEN.encode(), text.encode(), "sha1")).decode()


def signed(path: str, body: bytes) -> dict[str, str]:
    return {"content-type": FORM, "x-twilio-signature": signature(f"{conf.PUBLIC_URL}{path}", body)}


def callback(account, message=None, kind="status"):
    reference = f"?m={message.uuid}&c=sms" if message else ""
    return f"/hooks/{account.token}/{kind}{reference}"


def delivered(message_id="SM1") -> bytes:
    return f"MessageSid={message_id}&MessageStatus=delivered&To=%2B12105550101".encode()


class Exchange:
    """A receiver of its own for each `with`, and a client that speaks HTTP to it."""

    def __call__(self, *requests, receiver=None):
        """(method, path, body, headers) each; the answers in order."""

        async def talk():
            app = receiver or Receiver()
            await app.startup()
            try:
                transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
                async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
                    return [
                        await client.request(method, path, content=body, headers=headers)
                        for method, path, body, headers in requests
                    ]
            finally:
                await app.shutdown()

        return asyncio.run(talk())


@pytest.fixture
def post():
    """`post(path, body, headers)`: one POST; the answer."""
    return lambda path, body=b"", headers=None: Exchange()(("POST", path, body, headers or {}))[0]


def eventually(true, seconds=5.0):
    import time

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False


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


# ---- When it cannot take any more ------------------------------------------------------------------------------


class Broken:
    """A disk that fails as told, then works."""

    def __init__(self, problem, times=1):
        self.problem, self.times = problem, times

    async def write(self, batch):
        if self.times:
            self.times -= 1
            raise self.problem
        store_aside(batch)

    async def close(self):
        pass


def store_aside(batch):
    """Store on a connection of another thread: this one runs the event loop."""

    def work():
        try:
            store(batch)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def broken_receiver(problem, times=1):
    class OnBrokenDisk(Receiver):
        async def startup(self):
            await super().startup()
            self._batcher.store = Broken(problem, times)

    return OnBrokenDisk()


PROBLEMS = [
    psycopg.OperationalError("the server closed the connection"),
    sqlite3.OperationalError("database is locked"),
    OSError("no space left"),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: type(p).__module__)
def test_a_database_that_is_away_asks_the_provider_to_come_again(account, message, problem):
    path, body = callback(account, message), delivered()
    request = ("POST", path, body, signed(path, body))

    first, second = Exchange()(request, request, receiver=broken_receiver(problem))

    assert (first.status_code, first.headers["retry-after"]) == (503, "5")
    assert second.status_code == 204
    assert Receipt.objects.count() == 1


def test_an_account_list_that_cannot_be_read_is_a_503(account, post, monkeypatch):
    def away():
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(subject.Directory, "read", staticmethod(away))

    assert post(callback(account), b"", {}).status_code == 503


def test_a_full_queue_asks_the_provider_to_come_again(account, settings):
    settings.RECEIPTS_WAITING_MAX = 2

    async def fill():
        class Stuck(Broken):
            async def write(self, batch):
                await asyncio.sleep(3600)

        batcher = Batcher(Stuck(None))
        incoming = Incoming(account.pk, "status", datetime.now(UTC), "POST", "", {}, b"")
        waiting = [asyncio.create_task(batcher.put(incoming))]
        await asyncio.sleep(0.05)  # the first is being written
        waiting += [asyncio.create_task(batcher.put(incoming)) for _ in range(2)]
        await asyncio.sleep(0.05)
        app = Receiver()
        app._directory, app._batcher = subject.Directory(), batcher
        with pytest.raises(QueueFull):
            await batcher.put(incoming)
        path, body = callback(account), delivered()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://receiver"
        ) as client:
            answer = await client.post(path, content=body, headers=signed(path, body))
        for task in waiting:
            task.cancel()
        batcher._task.cancel()
        return answer

    answer = asyncio.run(fill())

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_row_the_database_refuses_does_not_fail_its_neighbours(account):
    stored = []

    class Picky(Broken):
        async def write(self, batch):
            await asyncio.sleep(0.02)
            if any(incoming.body == b"bad" for incoming in batch):
                raise ValueError("no")
            stored.extend(incoming.body for incoming in batch)

    async def put_all():
        batcher = Batcher(Picky(None))
        incoming = Incoming(account.pk, "status", datetime.now(UTC), "POST", "", {}, b"good")
        bodies = [b"first", b"good", b"bad", b"fine"]
        done = await asyncio.gather(
            *(batcher.put(incoming._replace(body=body)) for body in bodies), return_exceptions=True
        )
        await batcher.close()
        return done

    done = asyncio.run(put_all())

    assert [isinstance(each, ValueError) for each in done] == [False, False, True, False]
    assert sorted(stored) == [b"fine", b"first", b"good"]


def test_what_arrives_during_a_commit_is_the_next_batch(account):
    sizes = []

    class Slow(Broken):
        async def write(self, batch):
            sizes.append(len(batch))
            await asyncio.sleep(0.05)

    async def put_all():
        batcher = Batcher(Slow(None))
        incoming = Incoming(account.pk, "status", datetime.now(UTC), "POST", "", {}, b"")
        first = asyncio.create_task(batcher.put(incoming))
        await asyncio.sleep(0.01)
        await asyncio.gather(first, *(batcher.put(incoming) for _ in range(25)))
        await batcher.close()

    asyncio.run(put_all())

    assert sizes == [1, 25]


def test_a_client_that_goes_away_does_not_stop_the_others(account):
    class Slow(Broken):
        async def write(self, batch):
            await asyncio.sleep(0.05)

    async def put_all():
        batcher = Batcher(Slow(None))
        incoming = Incoming(account.pk, "status", datetime.now(UTC), "POST", "", {}, b"")
        gone, stays = (asyncio.create_task(batcher.put(incoming)) for _ in range(2))
        await asyncio.sleep(0.01)
        gone.cancel()
        await stays
        await batcher.put(incoming)
        await batcher.close()

    asyncio.run(put_all())


def test_many_at_once_are_all_on_disk(account, message):
    path, body = callback(account, message), delivered()

    async def talk():
        app = Receiver()
        await app.startup()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            answers = await asyncio.gather(
                *(client.post(path, content=body, headers=signed(path, body)) for _ in range(200))
            )
        await app.shutdown()
        return answers

    answers = asyncio.run(talk())

    assert {answer.status_code for answer in answers} == {204}
    assert Receipt.objects.count() == PendingReceipt.objects.count() == 200


# ---- What people write -----------------------------------------------------------------------------------------


def inbound(account, sender: str, text: str) -> Incoming:
    body = f"MessageSid=SM9&From={quote(sender)}&To=%2B12125550100&Body={quote(text)}&NumMedia=0".encode()
    return Incoming(account.pk, "inbound", datetime.now(UTC), "POST", "", {"content-type": FORM}, body)


def test_a_stop_from_a_number_that_no_contact_has_yet_blocks_it_all_the_same(account):
    store([inbound(account, "+12125550142", "STOP")])

    done = record(datetime.now(UTC))

    assert done.parked == 1
    entry = Suppression.objects.get()
    assert (entry.value, entry.origin) == ("+12125550142", "recipient")


def test_a_receipt_for_the_sandbox_is_taken_with_its_own_signature(post):
    account = factories.account("sandbox", credentials={"secret": "s"})
    path = f"/hooks/{account.token}/status"
    body = json.dumps({"id": "x", "status": "sent", "channel": "sms"}).encode()
    signed_text = f"123.{conf.PUBLIC_URL}{path}.".encode() + body
    headers = {
        "x-sandbox-timestamp": "123",
        "x-sandbox-signature": hmac.digest(b"s", signed_text, "sha256").hex(),
    }

    assert post(path, body, headers).status_code == 204
    assert post(path, body, {**headers, "x-sandbox-timestamp": "124"}).status_code == 403


# ---- Providers that sign nothing ---------------------------------------------------------------------------------


def test_an_account_of_a_provider_that_signs_nothing_has_a_secret_from_the_first_moment():
    account = factories.account("kannel", credentials={"username": "u", "password": "p"})
    account.refresh_from_db()

    assert len(account.credentials["url_secret"]) >= 20
    assert account.credentials["username"] == "u"


@pytest.mark.parametrize(("query", "status"), [("&k=right", 200), ("&k=wrong", 403), ("", 403), ("&k=", 403)])
def test_an_unsigned_callback_is_proved_by_our_secret_in_its_address(query, status):
    account = factories.account("kannel", credentials={"url_secret": "right"})

    (answer,) = Exchange()(("GET", f"/hooks/{account.token}/status?id=1&d=1{query}", b"", {}))

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("networks", "status"), [("127.0.0.0/8", 200), ("10.0.0.0/8, 192.0.2.7", 403), ("nonsense", 403)]
)
def test_an_unsigned_callback_may_be_bound_to_addresses(post, networks, status):
    account = factories.account(
        "slybroadcast", credentials={"url_secret": "s", "allowed_addresses": networks}
    )

    answer = post(f"/hooks/{account.token}/status?k=s", b"var=1|2105550101|OK||2026-03-04 12:00:00|Carrier")

    assert answer.status_code == status


def test_a_provider_that_waits_for_words_gets_them(post):
    account = factories.account("slybroadcast", credentials={"url_secret": "s"})

    answer = post(f"/hooks/{account.token}/status?k=s", b"var=1|2105550101|OK||2026-03-04 12:00:00|Carrier")

    assert (answer.status_code, answer.text) == (200, "OK")


def test_a_signed_time_is_compared_with_the_moment_the_call_came_in(post):
    account = factories.account(
        "resend", credentials={"api_key": "k", "signing_secret": "whsec_" + "c2VjcmV0" * 4}
    )
    body = json.dumps({"type": "email.sent", "data": {"email_id": "1", "to": ["a@example.com"]}}).encode()

    def sign(at):
        text = f"msg_1.{at}.".encode() + body
        made = base64.b64encode(hmac.digest(base64.b64decode("c2VjcmV0" * 4), text, "sha256")).decode()
        return {"svix-id": "msg_1", "svix-timestamp": str(at), "svix-signature": f"v1,{made}"}

    now = int(timezone.now().timestamp())
    assert post(f"/hooks/{account.token}/status", body, sign(now)).status_code == 204
    assert post(f"/hooks/{account.token}/status", body, sign(now - 3_600)).status_code == 403


# ---- Being introduced --------------------------------------------------------------------------------------------


def test_a_provider_may_ask_whether_anybody_is_there(account):
    path = callback(account)

    answers = Exchange()(
        ("HEAD", path, b"", {}), ("GET", path, b"", {}), ("HEAD", "/hooks/nobody/status", b"", {})
    )

    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert not Receipt.objects.exists()


@pytest.mark.parametrize(
    ("host", "confirmed"),
    [("sns.us-east-1.amazonaws.com", True), ("sns.us-east-1.amazonaws.com.example.org", False)],
)
def test_a_subscription_is_confirmed_once_its_request_is_proven(post, monkeypatch, host, confirmed):
    fetched = []
    monkeypatch.setattr(subject, "confirm", fetched.append)
    account = factories.account("amazon_ses", credentials={"url_secret": "s"})
    body = json.dumps(
        {
            "Type": "SubscriptionConfirmation", "TopicArn": "arn:aws:sns:us-east-1:123456789012:waybill",
            "SubscribeURL": f"https://{host}/?Action=ConfirmSubscription"
            "&TopicArn=arn:aws:sns:us-east-1:123456789012:waybill&Token=abc",
        }
    ).encode()  # fmt: skip

    assert post(f"/hooks/{account.token}/status?k=wrong", body).status_code == 403
    assert post(f"/hooks/{account.token}/status?k=s", body).status_code in (200, 204)

    eventually(lambda: fetched or not confirmed)
    assert [address.startswith(f"https://{host}/") for address in fetched] == [True] * confirmed


# ---- SQLite's one write lock ---------------------------------------------------------------------------------------


def one_receipt(account) -> list[Incoming]:
    return [Incoming(account.pk, "status", timezone.now(), "POST", "", {}, b"MessageSid=SM1")]


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_while_somebody_else_writes_a_commit_waits_and_the_loop_goes_on(account):
    other = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def during() -> int:
        store = group_commit.SqliteStore()
        writing = asyncio.create_task(store.write(one_receipt(account)))
        turns = 0
        while turns < 20:  # the loop's own turns, while the write lock is taken
            await asyncio.sleep(0.01)
            turns += not writing.done()
        other.execute("ROLLBACK")
        await writing
        await store.close()
        return turns

    assert asyncio.run(during()) == 20
    assert Receipt.objects.count() == 1
    other.close()


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_a_commit_that_fails_leaves_no_transaction_behind(account):
    class Refusing(sqlite3.Connection):
        refuses = True

        def execute(self, sql, *parameters):
            if sql == "COMMIT" and self.refuses:
                self.refuses = False
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *parameters)

    name = str(connection.settings_dict["NAME"])
    database = sqlite3.connect(name, isolation_level=None, factory=Refusing)

    with pytest.raises(sqlite3.OperationalError):
        store_in_sqlite(database, one_receipt(account))
    store_in_sqlite(database, one_receipt(account))

    assert Receipt.objects.count() == PendingReceipt.objects.count() == 1
    database.close()
