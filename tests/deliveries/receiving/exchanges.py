"""Requests to a receiver, as tests make them: signed, and answered without a server."""

from __future__ import annotations

import asyncio
import base64
import hmac
from urllib.parse import parse_qsl

import httpx
import pytest
from django.conf import settings as conf
from django.db import connection

from deliveries.receiving import group_commit
from deliveries.receiving import receiver as subject
from deliveries.receiving.receiver import Receiver

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
    monkeypatch.setattr(subject, "note_arrival", closing(subject.note_arrival))
    monkeypatch.setattr(group_commit, "wake", lambda: None)
    monkeypatch.setattr(subject, "REFUSAL_SECONDS", 0.0)


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


def eventually(true, seconds=5.0):
    import time

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.02)
    return False
