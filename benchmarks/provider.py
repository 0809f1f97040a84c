"""A provider that answers every message after a while and stores nothing: `python -m benchmarks.provider PORT DELAY`.

DELAY in milliseconds. It takes what is meant for Twilio and for the sandbox, counts by our reference in the callback
address, and tells:

    GET /told                {"messages": n, "twice": n, "in_a_second": {sender: n}}: the last is the most that a sender
                             ever sent within any second
    GET /moments             {reference: when it first came, in seconds since 1970}
    GET /v1/messages?ref=    what the sandbox knows of one message
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from contextlib import suppress
from uuid import uuid4

import httptools
import uvloop

REFERENCE = re.compile(rb"(?:[?&]m=|m%3D)([0-9a-f-]{36})")
SENDER = re.compile(rb'(?:^|&)From=([^&]*)|"from":"([^"]*)"')
ANSWER = "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"


class Counts:
    """What came, since the process began."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.first: dict[str, float] = {}
        self.by_sender: defaultdict[str, list[float]] = defaultdict(list)

    def note(self, body: bytes) -> None:
        if reference := REFERENCE.search(body):
            self.messages[reference[1].decode()] += 1
            self.first.setdefault(reference[1].decode(), time.time())
        sender = SENDER.search(body)
        name = (sender[1] or sender[2]).decode() if sender else ""
        self.by_sender[name].append(time.monotonic())

    def told(self) -> dict:
        return {
            "messages": len(self.messages),
            "twice": sum(count > 1 for count in self.messages.values()),
            "in_a_second": {sender: most(moments) for sender, moments in self.by_sender.items()},
        }

    def known(self, reference: str) -> tuple[str, dict]:
        if reference not in self.messages:
            return "404 Not Found", {"submissions": 0}
        return "200 OK", {
            "submissions": self.messages[reference],
            "messages": [{"id": reference, "segments": 1}],
        }


def most(moments: list[float]) -> int:
    """The most of them within any second."""
    return max(bisect_right(moments, at + 1.0) - index for index, at in enumerate(moments))


class Connection(asyncio.Protocol):
    def __init__(self, counts: Counts, delay: float) -> None:
        self.counts, self.delay = counts, delay
        self.parser = httptools.HttpRequestParser(self)
        self.url, self.body = "", b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url = url.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        if self.parser.get_method() == b"GET":
            self.tell()
            return
        self.counts.note(body)
        id = uuid4().hex
        said = f'{{"sid":"SM{id}","id":"{id}","status":"queued","num_segments":"1","segments":1}}'
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.answer, "201 Created", said)
        else:
            self.answer("201 Created", said)

    def tell(self) -> None:
        if self.url.startswith("/told"):
            self.answer("200 OK", json.dumps(self.counts.told()))
        elif self.url.startswith("/moments"):
            self.answer("200 OK", json.dumps(self.counts.first))
        else:
            status, known = self.counts.known(self.url.rpartition("ref=")[2])
            self.answer(status, json.dumps(known))

    def answer(self, status: str, said: str) -> None:
        if not self.transport.is_closing():
            self.transport.write(ANSWER.format(status, len(said), said).encode())


async def serve(port: int, delay: float) -> None:
    counts = Counts()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(counts, delay), "127.0.0.1", port, backlog=2_048)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    with suppress(PermissionError):  # as if on a machine of its own: it has to see when each message comes
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    port, milliseconds = sys.argv[1:]
    uvloop.run(serve(int(port), int(milliseconds) / 1_000))
