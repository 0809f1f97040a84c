"""A call leaves at its own moment, or not at all: the promises of `deliveries/providers/kit/moment.py`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deliveries.providers.kit.client import HttpClient
from deliveries.providers.kit.moment import Moment, TooLate, set_moment


@pytest.fixture
def server() -> Iterator[tuple[str, list[float]]]:
    """Its address, and when each request came to it, on the monotonic clock."""
    came: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append(time.monotonic())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/", came
        running.shutdown()


def moment_in(seconds: float) -> float:
    """A moment of the monotonic clock that lies so far ahead."""
    return time.monotonic() + seconds


async def post(url: str, moment: Moment | None, times: int = 1) -> None:
    async with HttpClient() as client:
        set_moment(moment)
        for _ in range(times):
            await client.post(url, data={"a": "b"})


def test_a_call_leaves_at_its_moment_and_not_before(server):
    url, came = server
    at = moment_in(0.3)

    asyncio.run(post(url, Moment(at, at + 5)))

    assert came[0] >= at


def test_a_call_whose_moment_has_passed_does_not_leave(server):
    url, came = server
    at = moment_in(-1)

    with pytest.raises(TooLate):
        asyncio.run(post(url, Moment(at, at + 0.05)))

    assert came == []


def test_only_the_first_request_of_a_call_waits_for_its_moment(server):
    url, came = server
    at = moment_in(0.1)

    asyncio.run(post(url, Moment(at, at + 5), times=2))

    assert len(came) == 2


def test_a_call_without_a_moment_leaves_at_once(server):
    url, came = server

    asyncio.run(post(url, None))

    assert len(came) == 1
