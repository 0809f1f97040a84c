"""Between the network and the threads that make pages: whole requests go in, and answers are taken at once.

There are few threads, and a client can be as slow as it likes. So nobody's thread waits for one: a request's body is
read on the event loop, against a deadline, before a thread is given it; and an answer is put aside as fast as the page
makes it, and sent on as fast as the client reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

IN_MEMORY = 64 * 1024  # bytes of one body or answer; what is more goes to a temporary file
CHUNK = 64 * 1024
RATE = 4_096  # bytes of a body that earn it a second more


@dataclass(frozen=True)
class Limits:
    """What a body may be, and how slowly it may come: `seconds`, and one more for every `rate` bytes that came."""

    most: int
    seconds: float
    rate: int = RATE
    room: int = 512 * 1024 * 1024  # bytes in temporary files, of all requests and answers together
    waiting: int = 5  # threads that may wait for slow readers once there is no room


class RequestRefused(Exception):
    """A request that does not come to a page; status, and a sentence for whoever sent it."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class ClientWentAway(Exception):
    """The client broke off in the middle of its request: half a form is no form."""


class Room:
    """How many bytes may stand in temporary files, and how many do."""

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0

    def take(self, count: int) -> bool:
        """Whether there was room for so many more; if so it is taken."""
        if self.taken + count > self.most:
            return False
        self.taken += count
        return True


class Shared:
    """What all who stand in front of the same threads count together: bytes in temporary files, and threads that wait
    for slow readers."""

    def __init__(self, room: Room, most: int) -> None:
        self.room, self.most = room, most
        self._waiting = 0

    def may_wait(self) -> bool:
        return self._waiting < self.most

    async def wait(self, event: asyncio.Event) -> None:
        self._waiting += 1
        try:
            await event.wait()
        finally:
            self._waiting -= 1


class Spool:
    """Bytes in the order they came: in memory, then in a temporary file as far as there is room."""

    def __init__(self, room: Room) -> None:
        self._room, self._held = room, 0
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - `close` closes it
        self._read = self.size = 0

    def write(self, data: bytes) -> bool:
        """Whether there was room for it."""
        more = max(self.size + len(data) - IN_MEMORY - self._held, 0)
        if more and not self._room.take(more):
            return False
        self._held += more
        self._file.seek(self.size)
        self._file.write(data)
        self.size += len(data)
        return True

    def read(self) -> bytes:
        """The next CHUNK bytes, or what there is."""
        self._file.seek(self._read)
        data = self._file.read(CHUNK)
        self._read += len(data)
        return data

    @property
    def is_empty(self) -> bool:
        return self._read == self.size

    def rewind(self) -> None:
        """From the start again, once everything has been read: an endless answer needs no endless file."""
        self._file.seek(0)
        self._file.truncate()
        self._read = self.size = 0

    def close(self) -> None:
        self._room.taken -= self._held
        self._held = 0
        self._file.close()


class Buffered:
    """The ASGI application `app`, behind a buffer. `app` is called with whole requests only."""

    def __init__(self, app: App, limits: Limits, beside: Buffered | None = None) -> None:
        """`beside`: another one in front of the same threads, which shares its room and its count of those that wait
        with this one: it is not as if there were twice as many threads."""
        self.app, self.limits = app, limits
        self.shared: Shared = beside.shared if beside else Shared(Room(limits.room), limits.waiting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = Spool(self.shared.room)
        try:
            await read(scope, receive, body, self.limits)
            answer = BufferedAnswer(send, self.shared)
            await answer.of(self.app, with_length(scope, body.size), replay(body, receive))
        except ClientWentAway:
            return
        except RequestRefused as problem:
            await refuse(send, problem)
        finally:
            body.close()


class Pieces:
    """What a WSGI application answers, in pieces of CHUNK bytes or more: each costs the way from thread to event loop,
    and a file or an export comes in thousands of small ones."""

    def __init__(self, answer: Iterable[bytes]) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        held: list[bytes] = []
        size = 0
        for data in self._answer:
            held.append(data)
            size += len(data)
            if size >= CHUNK:
                yield b"".join(held)
                held, size = [], 0
        if held:
            yield b"".join(held)

    def close(self) -> None:
        getattr(self._answer, "close", lambda: None)()


# ---- Requests ------------------------------------------------------------------------------------------------


async def read(scope: Scope, receive: Receive, into: Spool, limits: Limits) -> None:
    """The whole body. Raises Refused when it is too long, too slow or one too many, and WentAway."""
    too_long = RequestRefused(413, f"The request is longer than {limits.most:,} bytes.")
    if announced(scope) > limits.most:
        raise too_long
    loop = asyncio.get_running_loop()
    began = loop.time()
    more = True
    while more:
        try:
            async with asyncio.timeout_at(began + limits.seconds + into.size / limits.rate):
                event = await receive()
        except TimeoutError:
            raise RequestRefused(408, "The request did not come in time.") from None
        if event["type"] == "http.disconnect":
            raise ClientWentAway
        data, more = event.get("body", b""), event.get("more_body", False)
        if into.size + len(data) > limits.most:
            raise too_long
        if data and not into.write(data):
            raise RequestRefused(503, "Too many large requests at once. Try again in a moment.")


def announced(scope: Scope) -> int:
    """The length that the headers give; 0 where they give none. The server has refused what is no number."""
    given = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(given) if given.isdigit() and len(given) < 20 else 0


def may_be_longer_than(most: int, scope: Scope) -> bool:
    """Whether the headers announce more, or a body whose length they do not tell."""
    return announced(scope) > most or any(name == b"transfer-encoding" for name, _ in scope["headers"])


def with_length(scope: Scope, length: int) -> Scope:
    """The request with the length that it turned out to have, as a page only reads as much as is announced."""
    replaced = {b"content-length", b"transfer-encoding"}
    if not any(name in replaced for name, _ in scope["headers"]):
        return scope
    headers = [(name, value) for name, value in scope["headers"] if name not in replaced]
    return {**scope, "headers": [*headers, (b"content-length", str(length).encode())]}


def replay(body: Spool, receive: Receive) -> Receive:
    """`receive` of a request that has been read already. After it only the end of the connection can come."""
    over = False

    async def again() -> Any:
        nonlocal over
        if over:
            return await receive()
        data = body.read()
        over = body.is_empty
        return {"type": "http.request", "body": data, "more_body": not over}

    return again


async def refuse(send: Send, problem: RequestRefused) -> None:
    text = f"{problem.sentence}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),  # the rest of the request may still be on its way
        *([(b"retry-after", b"5")] if problem.status == 503 else []),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


# ---- Answers -------------------------------------------------------------------------------------------------


class BufferedAnswer:
    """What a page says, taken off its thread at once.

    Where there is no room the thread waits for the client; where too many wait already the answer is cut off, and its
    connection with it.
    """

    def __init__(self, send: Send, shared: Shared) -> None:
        self._send, self._shared = send, shared
        self._spool = Spool(shared.room)
        self._start: Any = None
        self._over = self._cut = False
        self._news, self._taken = asyncio.Event(), asyncio.Event()

    async def of(self, app: App, scope: Scope, receive: Receive) -> None:
        """Let `app` answer, and return when the client has all of it. Raises what `app` raises."""
        sending = asyncio.create_task(self._pass_on())
        try:
            await app(scope, receive, self._put)
        except BaseException:
            self._cut = True  # half an answer must not pass for a whole one
            raise
        finally:
            self._over = True
            self._news.set()
            try:
                await sending
            finally:
                self._spool.close()

    async def _put(self, message: Any) -> None:
        """Never raises: the thread that says it would wait for ever."""
        if message["type"] == "http.response.start":
            self._start = message
            return  # goes out with the first of the body
        data = message.get("body", b"")
        for start in range(
            0, len(data), IN_MEMORY
        ):  # so much has room in any case once the client has the rest
            await self._store(data[start : start + IN_MEMORY])
        self._over = not message.get("more_body", False)
        self._news.set()

    async def _store(self, data: bytes) -> None:
        while not self._cut and not self._spool.write(data):
            if not self._shared.may_wait():
                self._cut = True
                return
            self._news.set()
            self._taken.clear()
            await self._shared.wait(self._taken)

    async def _pass_on(self) -> None:
        try:
            await self._send_all()
        finally:  # whatever is said from now on has nobody to go to
            self._cut = True
            self._taken.set()

    async def _send_all(self) -> None:
        started = False
        while True:
            await self._news.wait()
            self._news.clear()
            if self._start and not started:
                started = True
                await self._send(self._start)
            while not self._spool.is_empty and not self._cut:
                data = self._spool.read()
                if self._spool.is_empty:
                    self._spool.rewind()
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
                self._taken.set()
            if self._cut:
                return  # unfinished, so that the server ends the connection
            if self._over and self._spool.is_empty:
                break
        if started:
            await self._send({"type": "http.response.body", "body": b""})
