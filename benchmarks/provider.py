"""A provider that answers every message after a while and stores nothing.

`python -m benchmarks.provider PORT DELAY [--receipts SECRET]`, DELAY in milliseconds. It takes what is meant for Twilio
and for the sandbox; with a secret it signs receipts as Twilio does and posts them to the callback address, `sent` at
once and `delivered` after ten times the delay. An account whose id ends in a number and `ms` is answered after so
long instead. It counts by our reference in the callback address, and tells:

    GET /counts              {"messages": n, "twice": n}
    GET /rates               {sender: n}: the most that each ever sent within any second
    POST /away/20?seconds=5  answers 503 for so long to the account that is answered after 20 ms
    GET /moments             {reference: when it first came, in seconds since 1970}
    GET /v1/messages?ref=    what the sandbox knows of one message
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import time
from bisect import bisect_right
from collections import Counter, defaultdict
from contextlib import suppress
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

import httptools
import uvloop

from deliveries.providers.facts import LostAnswer
from deliveries.providers.kit.client import HttpClient, NotReached
from deliveries.providers.twilio import signature, signed_fields

REFERENCE = re.compile(rb"(?:[?&]m=|m%3D)([0-9a-f-]{36})")
SENDER = re.compile(rb'(?:^|&)From=([^&]*)|"from":"([^"]*)"')
OWN_DELAY = re.compile(r"/Accounts/\w*?(\d+)ms/")
AWAY = re.compile(r"/away/(\d+)\?seconds=([\d.]+)")
POSTS = 20  # receipts at a time
ANSWER = "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}"


class Counts:
    """What came, since the process began."""

    def __init__(self) -> None:
        self.messages: Counter[str] = Counter()
        self.first: dict[str, float] = {}
        self.by_sender: defaultdict[str, list[float]] = defaultdict(list)
        self.away_until: dict[float, float] = {}

    def note(self, body: bytes) -> None:
        if reference := REFERENCE.search(body):
            self.messages[reference[1].decode()] += 1
            self.first.setdefault(reference[1].decode(), time.time())
        sender = SENDER.search(body)
        name = (sender[1] or sender[2]).decode() if sender else ""
        self.by_sender[name].append(time.monotonic())

    def summary(self) -> dict:
        return {
            "messages": len(self.messages),
            "twice": sum(count > 1 for count in self.messages.values()),
        }

    def rates(self) -> dict[str, int]:
        return {sender: most(moments) for sender, moments in self.by_sender.items()}

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


class Receipts:
    """Posts what became of messages, a few at a time, each until it is acknowledged."""

    def __init__(self, secret: str) -> None:
        self.secret = secret.encode()
        self.waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    def add(self, message: dict[str, str], id: str, status: str) -> None:
        form = urlencode(
            {"MessageSid": id, "MessageStatus": status, "To": message["To"], "From": message["From"]}
        )
        self.waiting.put_nowait((message["StatusCallback"], form.encode()))

    async def run(self) -> None:
        async with HttpClient() as client:
            await asyncio.gather(*(self._post(client) for _ in range(POSTS)))

    async def _post(self, client: HttpClient) -> None:
        while True:
            url, form = await self.waiting.get()
            sign = signature(self.secret, url, signed_fields(form)).decode()
            headers = {"X-Twilio-Signature": sign, "Content-Type": "application/x-www-form-urlencoded"}
            try:
                answer = await client.post(url, content=form, headers=headers)
            except (NotReached, LostAnswer):
                answer = None
            if answer is None or not answer.is_success:  # as providers do: again, later
                asyncio.get_running_loop().call_later(1.0, self.waiting.put_nowait, (url, form))


class Connection(asyncio.Protocol):
    def __init__(self, counts: Counts, delay: float, receipts: Receipts | None) -> None:
        self.counts, self.delay, self.receipts = counts, delay, receipts
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
        own = OWN_DELAY.search(self.url)
        delay = float(own[1]) / 1_000 if own else self.delay
        if away := AWAY.match(self.url):
            self.counts.away_until[float(away[1]) / 1_000] = time.monotonic() + float(away[2])
            self.answer("200 OK", "{}")
            return
        if time.monotonic() < self.counts.away_until.get(delay, 0.0):
            self.answer("503 Service Unavailable", "{}")
            return
        self.counts.note(body)
        id = uuid4().hex
        said = f'{{"sid":"SM{id}","id":"{id}","status":"queued","num_segments":"1","segments":1}}'
        if self.receipts:
            self.report(dict(parse_qsl(body.decode())), f"SM{id}", delay)
        if delay:
            asyncio.get_running_loop().call_later(delay, self.answer, "201 Created", said)
        else:
            self.answer("201 Created", said)

    def report(self, message: dict[str, str], id: str, delay: float) -> None:
        assert self.receipts
        later = asyncio.get_running_loop().call_later
        later(delay, self.receipts.add, message, id, "sent")
        later(10 * delay, self.receipts.add, message, id, "delivered")

    def tell(self) -> None:
        if self.url.startswith("/counts"):
            self.answer("200 OK", json.dumps(self.counts.summary()))
        elif self.url.startswith("/rates"):
            self.answer("200 OK", json.dumps(self.counts.rates()))
        elif self.url.startswith("/moments"):
            self.answer("200 OK", json.dumps(self.counts.first))
        else:
            status, known = self.counts.known(self.url.rpartition("ref=")[2])
            self.answer(status, json.dumps(known))

    def answer(self, status: str, said: str) -> None:
        if not self.transport.is_closing():
            self.transport.write(ANSWER.format(status, len(said), said).encode())


async def serve(port: int, delay: float, secret: str) -> None:
    counts, loop = Counts(), asyncio.get_running_loop()
    receipts = Receipts(secret) if secret else None
    server = await loop.create_server(
        lambda: Connection(counts, delay, receipts), "127.0.0.1", port, backlog=2_048
    )
    async with server:
        await (receipts.run() if receipts else server.serve_forever())


if __name__ == "__main__":
    with suppress(PermissionError):  # as if on a machine of its own: it has to see when each message comes
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("delay", type=int)
    parser.add_argument("--receipts", default="")
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.delay / 1_000, given.receipts))
