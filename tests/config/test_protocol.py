"""Connections end by themselves when their clients do not go on."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from config import protocol
from config.protocol import BoundedProtocol

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"


@pytest.fixture(autouse=True)
def quick(monkeypatch, settings):
    settings.REQUEST_SECONDS = 0.1
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "LATER", 0.1)
    monkeypatch.setattr(protocol, "CLOSING_SECONDS", 0.1)


async def echo(scope, receive, send):
    """Answers with what it was sent, or 100 MB to `/much`."""
    body, more = b"", True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        body, more = body + event["body"], event["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1_000 if scope["path"] == "/much" else 0):
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
    await send({"type": "http.response.body", "body": body})


def talk(conversation):
    """Run `conversation(reader, writer, state)` against a server of its own."""

    async def serve():
        config, state = uvicorn.Config(echo, ws="none", lifespan="off", log_config=None), ServerState()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: BoundedProtocol(config, state, {}), "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                return await asyncio.wait_for(conversation(reader, writer, state), 10)
            finally:
                writer.close()

    return asyncio.run(serve())


def said(*pieces):
    """All that the server says to these pieces, a float being a pause, until it ends the connection."""

    async def conversation(reader, writer, state):
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                writer.write(piece)
        return await reader.read()

    return talk(conversation)


LATE = {
    "nothing": [],
    "a method": [b"GET"],
    "half a line": [b"GET / HTTP/1.1\r\nHos"],
    "all but the last line": [GET[:-2]],
    "a header now and then": [b"GET / HTTP/1.1\r\n", *[b"A: b\r\n", 0.05] * 3],
    "blank lines": [b"\r\n", 0.1, b"\r\n", 0.1, b"\r\n"],
}


@pytest.mark.parametrize("pieces", LATE.values(), ids=LATE)
def test_headers_that_do_not_come_in_time_are_refused(pieces):
    assert said(*pieces).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "pieces", [one for name, one in LATE.items() if one], ids=[name for name in LATE if LATE[name]]
)
def test_so_are_those_of_a_second_request(pieces):
    answers = said(GET, 0.05, *pieces)

    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answers


HALF = {
    "no byte of it": [POST[:-4]],
    "half of it": [POST[:-2]],
    "a byte now and then": [POST[:-4], 0.08, b"b", 0.08, b"o"],
    "half a piece": [b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbo"],
    "no last piece": [b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n"],
}


@pytest.mark.parametrize("pieces", HALF.values(), ids=HALF)
def test_so_is_a_body_that_does_not_come_in_time(pieces):
    assert said(*pieces).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_goes_on_coming_has_longer():
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 20000\r\n\r\n"

    assert said(head, *[b"x" * 2_500, 0.08] * 8).startswith(b"HTTP/1.1 200 ")


def test_requests_that_come_whole_are_answered_however_they_are_cut_up():
    async def conversation(reader, writer, state):
        for request in (POST, GET, POST[:9], POST[9:], POST[:60], POST[60:]):
            writer.write(request)
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)  # idle between two requests, for longer than headers may take
        writer.write(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        return await reader.read()

    answers = talk(conversation)

    assert answers.count(b"HTTP/1.1 200 ") == 5
    assert answers.count(b"body") == 3
    assert b"408" not in answers


def test_an_answer_that_nobody_reads_is_dropped_with_its_connection():
    async def conversation(reader, writer, state):
        writer.transport.pause_reading()
        writer.write(GET.replace(b"/ ", b"/much "))
        while not state.connections:
            await asyncio.sleep(0.01)
        while state.connections or state.tasks:
            await asyncio.sleep(0.05)
        return True

    assert talk(conversation)


def test_headers_have_a_length():
    assert said(b"GET / HTTP/1.1\r\n" + b"X: yz\r\n" * 12_000).startswith(b"HTTP/1.1 431 ")


def test_a_long_body_is_no_long_head():
    text = (
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    )

    assert said(text).startswith(b"HTTP/1.1 200 ")
