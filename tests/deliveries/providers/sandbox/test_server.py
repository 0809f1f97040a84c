import asyncio
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Call, LostAnswer, OutboundMessage
from deliveries.providers.sandbox.server import GIVE_UP_AFTER, Carriers, PendingCallback, Store, tell
from tests.ports import free_ports

SANDBOX = PROVIDERS["sandbox"]
SECRET = {"secret": "sandbox-secret"}
ROOT = Path(__file__).resolve().parents[4]
LONG = 60  # seconds that a loaded machine may need


def message(number=0, *, to=None, callback="http://127.0.0.1:1/hooks/tok/status", **changes):
    ref = f"00000000-0000-4000-8000-{number:012d}"
    to = to or f"+1312{5_550_000 + number}"
    payload = {"ref": ref, "channel": "sms", "to": to, "sender": "+13125550100", "body": "See you at ten."}
    return OutboundMessage(**{**payload, "callback": f"{callback}?m={ref}&c=sms", **changes})


def with_server(tmp_path, act, seed=7):
    async def run():
        carriers = Carriers(seed, 1.0, tmp_path / "carriers.sqlite3")
        try:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=carriers)) as client:
                return await act(client)
        finally:
            carriers.store.close()

    return asyncio.run(run())


def test_what_was_handed_over_can_be_looked_up(tmp_path):
    async def act(client):
        before = await SANDBOX.find(message(), SECRET, client)
        sent = await SANDBOX.send(message(), SECRET, client)
        return before, sent, await SANDBOX.find(message(), SECRET, client)

    before, sent, after = with_server(tmp_path, act)

    assert before.native_status == "never_received"
    assert sent.accepted
    assert after == sent


def test_a_second_handover_is_another_submission(tmp_path, settings):
    async def act(client):
        answers = [await SANDBOX.send(message(), SECRET, client) for _ in range(2)]
        known = await client.get(f"{settings.SANDBOX_URL}/v1/messages", params={"ref": message().ref})
        return answers, known.json()

    answers, known = with_server(tmp_path, act)

    assert known["submissions"] == 2
    assert [each["id"] for each in known["messages"]] == [each.provider_message_id for each in answers]


def test_a_refusal_names_its_reason(tmp_path):
    async def act(client):
        return [
            await SANDBOX.send(message(to="12"), SECRET, client),
            await SANDBOX.send(message(channel="pigeon"), SECRET, client),
            await SANDBOX.send(message(callback="ftp://example.com/"), SECRET, client),
            await SANDBOX.send(message(), {"secret": " "}, client),
        ]

    answers = with_server(tmp_path, act)

    assert [answer.native_code for answer in answers] == [
        "INVALID_NUMBER",
        "BAD_REQUEST",
        "BAD_REQUEST",
        "UNAUTHORIZED",
    ]
    assert answers[1].native_text.startswith("channel: 'pigeon'")


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"to": 1}', b"x" * 2_000_000])
def test_a_request_that_cannot_be_read_is_refused(tmp_path, settings, body):
    async def act(client):
        return await client.post(
            f"{settings.SANDBOX_URL}/v1/messages", content=body, headers={"authorization": "Bearer x"}
        )

    answer = with_server(tmp_path, act)

    assert answer.status_code in (400, 413)
    assert answer.json()["code"] == "BAD_REQUEST"


def test_the_truth_can_be_asked_for_one_message_or_all(tmp_path, settings):
    async def act(client):
        for number in range(3):
            await SANDBOX.send(message(number), SECRET, client)
        one = await client.get(f"{settings.SANDBOX_URL}/v1/truth", params={"ref": message(1).ref})
        rest = await client.get(f"{settings.SANDBOX_URL}/v1/truth", params={"after": "1"})
        wrong = await client.get(f"{settings.SANDBOX_URL}/v1/truth", params={"after": "x"})
        return one.json(), rest.json(), wrong.status_code

    one, rest, wrong = with_server(tmp_path, act)

    assert [each["ref"] for each in one["truth"]] == [message(1).ref]
    assert [each["ref"] for each in rest["truth"]] == [message(1).ref, message(2).ref]
    assert rest["next"] is None
    assert wrong == 400


def test_an_answer_is_lost_now_and_then_but_the_message_is_not(tmp_path):
    async def act(client):
        for number in range(6_000):
            try:
                await SANDBOX.send(message(number), SECRET, client)
            except LostAnswer:
                return await SANDBOX.find(message(number), SECRET, client)
        return None

    found = with_server(tmp_path, act)

    assert found.accepted


# ---- callbacks -------------------------------------------------------------------------------------------


def pause_after(answer, tries=0):
    async def run():
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return await tell(
                client, PendingCallback(1, "http://app.example.com/hooks/tok/status", b"{}", "{}", tries)
            )

    return asyncio.run(run())


def refused_connection(request):
    raise httpx.ConnectError("refused", request=request)


def test_a_callback_is_repeated_while_the_receiver_is_in_trouble():
    assert pause_after(lambda request: httpx.Response(204)) == 0
    assert pause_after(lambda request: httpx.Response(403)) == 0
    assert pause_after(lambda request: httpx.Response(503)) == 1
    assert pause_after(lambda request: httpx.Response(500), tries=5) == 32
    assert pause_after(lambda request: httpx.Response(503, headers={"retry-after": "7"})) == 7
    assert pause_after(refused_connection, tries=20) == 300
    assert pause_after(refused_connection, tries=GIVE_UP_AFTER - 1) == 0


def test_whatever_the_client_trips_over_ends_no_other_callbacks():
    def hung_up(request):
        raise AttributeError("'NoneType' object has no attribute 'getpeername'")

    assert pause_after(hung_up) == 1


def test_a_callback_that_is_put_off_waits_and_one_that_was_taken_is_forgotten(tmp_path):
    store = Store(tmp_path / "carriers.sqlite3")
    store._db.executemany(
        "INSERT INTO callback (id, due, url, body, headers) VALUES (?, ?, 'u', x'', '{}')",
        [(1, 10.0), (2, 20.0)],
    )

    first = store.due(15)
    store.settle([], [(30.0, 1)])
    store.settle([2], [])

    assert [each.id for each in first] == [1]
    assert store.due(15) == []
    assert store.next_due() == 30.0
    assert [each.tries for each in store.due(40)] == [1]


# ---- the process -----------------------------------------------------------------------------------------


class Receiver(BaseHTTPRequestHandler):
    """Takes callbacks; refuses the first few with 503."""

    protocol_version = "HTTP/1.1"
    calls: list[Call] = []
    refusals = 0

    def do_POST(self):
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # whoever called was killed in the middle of it
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        refused = type(self).refusals > 0
        if refused:
            type(self).refusals -= 1
        else:
            url = f"http://{headers['host']}{self.path}"
            self.calls.append(Call("POST", url, self.path.partition("?")[2], headers, body))
        self.send_response(503 if refused else 204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@contextmanager
def receiver():
    Receiver.calls, Receiver.refusals = [], 3
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hooks/tok/status"
    finally:
        server.shutdown()


def start(port, state, speed):
    command = [
        sys.executable,
        "manage.py",
        "carriers",
        "--port",
        str(port),
        "--seed",
        "7",
        "--speed",
        str(speed),
    ]
    process = subprocess.Popen([*command, "--state", str(state)], cwd=ROOT, env=os.environ)
    wait_until(lambda: healthy(port))
    return process


def healthy(port):
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").is_success
    except httpx.HTTPError:
        return False


def wait_until(condition):
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@pytest.mark.processes
def test_a_killed_server_goes_on_where_it_was(tmp_path, settings):
    port, state, count = *free_ports(), tmp_path / "carriers.sqlite3", 150
    settings.SANDBOX_URL = f"http://127.0.0.1:{port}"

    async def hand_over(callback):
        async with httpx.AsyncClient() as client:
            return [await SANDBOX.send(message(n, callback=callback), SECRET, client) for n in range(count)]

    with receiver() as callback:
        process = start(port, state, speed=2)
        try:
            answers = asyncio.run(hand_over(callback))
            wait_until(lambda: len(Receiver.calls) >= 5)
        finally:
            process.kill()
            process.wait()
        heard = {call.query for call in Receiver.calls}
        process = start(port, state, speed=2)
        try:
            known = httpx.get(f"{settings.SANDBOX_URL}/v1/messages", params={"ref": message(3).ref}).json()
            wait_until(lambda: len({call.query for call in Receiver.calls}) >= count * 0.9)
        finally:
            process.terminate()
            process.wait(LONG)

    assert all(answer.accepted for answer in answers)
    assert known["submissions"] == 1
    assert len(heard) < count
    assert all(SANDBOX.verify(call, SECRET) for call in Receiver.calls)
