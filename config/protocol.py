"""HTTP/1.1 as uvicorn speaks it, with an end to every wait for the client.

What uvicorn leaves open: a connection that never says what it wants, headers (or trailers) without end, a body that
does not come, and an answer that nobody reads. A page's body has the same deadline once more where it is read.
"""

from __future__ import annotations

import asyncio
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config.buffering import RATE

HEAD_SECONDS = (
    15.0  # from the opening of a connection, or the first byte of a request, to the end of its headers
)
HEAD_BYTES = 64 * 1024
LATER = 1.0  # seconds that whoever reads a body has before us to say that it is late
UNREAD_SECONDS = 60.0  # in which the client must take what is written to it, before we let go
CLOSING_SECONDS = 10.0


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Times cost nothing while the client is quick: a request that comes at once starts no timer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_head, self._head_bytes = True, 0
        self._in_body, self._body_bytes, self._body_began = False, 0, 0.0
        self._unread: asyncio.TimerHandle | None = None
        self._late: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head_bytes > HEAD_BYTES:
            self._end(b"431 Request Header Fields Too Large", b"The headers are too long.\n")
        elif self._late is None and self._in_head:
            self._late = self.loop.call_later(HEAD_SECONDS, self._head_is_late)
        elif self._late is None and self._in_body:
            self._body_began = self.loop.time()
            self._late = self.loop.call_later(self._patience(), self._body_is_late)

    def on_message_begin(self) -> None:
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body, self._body_bytes = False, True, 0
        self._in_time()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        self._in_body = False
        self._in_time()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._in_head = (
            self.cycle.response_complete
        )  # whatever comes now, blank lines too, is of the next head
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.loop.call_later(CLOSING_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._late, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _patience(self) -> float:
        """Seconds that a body may take in all, by what came of it."""
        return settings.REQUEST_SECONDS + LATER + self._body_bytes / RATE

    def _body_is_late(self) -> None:
        self._late = None
        if not self._in_body or self.transport.is_closing():
            return
        left = self._body_began + self._patience() - self.loop.time()
        if left > 0:
            self._late = self.loop.call_later(left, self._body_is_late)
        else:
            self._end(b"408 Request Timeout", b"The request did not come in time.\n")

    def _head_is_late(self) -> None:
        self._late = None
        if self._in_head and not self.transport.is_closing():
            self._end(b"408 Request Timeout", b"The request did not come in time.\n")

    def _end(self, status: bytes, text: bytes) -> None:
        """Say why, unless an answer is under way, and end the connection."""
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            head = (
                b"HTTP/1.1 %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head % (status, len(text)) + text)
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()
        self.loop.call_later(CLOSING_SECONDS, self.transport.abort)
