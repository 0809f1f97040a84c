"""No thread waits for a client: bodies are whole before a page hears of them, answers leave it at once."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from config.buffering import CHUNK, IN_MEMORY, Buffered, Limits, Pieces, Room, Spool

LIMITS = Limits(most=300_000, seconds=0.2, rate=1_000_000, room=400_000, waiting=1)
MORE = {"type": "http.request", "more_body": True}
LAST = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


class Page:
    """An application that notes what it was sent, and answers `body` in pieces."""

    def __init__(self, *body: bytes, problem: Exception | None = None):
        self.body, self.problem, self.taken = body, problem, 0
        self.received = None

    async def __call__(self, scope, receive, send):
        self.scope, self.received, more = scope, b"", True
        while more:
            event = await receive()
            self.received += event["body"]
            more = event["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in self.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self.taken += len(piece)
        if self.problem:
            raise self.problem
        await send({"type": "http.response.body", "body": b""})


class Client:
    """What came back. `reads` is awaited before each piece is taken."""

    def __init__(self, reads=None):
        self.events, self.reads = [], reads

    async def send(self, event):
        if self.reads:
            await self.reads()
        self.events.append(event)

    @property
    def status(self):
        return self.events[0]["status"] if self.events else None

    @property
    def body(self):
        return b"".join(event.get("body", b"") for event in self.events[1:])

    @property
    def is_complete(self):
        return bool(self.events) and not self.events[-1].get("more_body", "status" in self.events[-1])


def request(*events, headers=(), then_waits=False):
    """A scope, and a `receive` that gives these events, a float being so many seconds of silence."""
    left = iter(events)

    async def receive():
        for event in left:
            if not isinstance(event, float):
                return event
            await asyncio.sleep(event)
        if then_waits:
            await asyncio.sleep(3600)
        return GONE

    return {"type": "http", "method": "POST", "headers": list(headers)}, receive


def call(page, sent, client=None, limits=LIMITS):
    client = client or Client()
    front = Buffered(page, limits)
    asyncio.run(front(*sent, client.send))
    assert front.shared.room.taken == 0
    return client


@pytest.mark.parametrize(
    "pieces", [[], [b"a=1"], [b"a", b"=", b"1"], [b"x" * 60_000] * 4, [b"x" * 299_999, b"y"]], ids=len
)
def test_a_page_gets_the_body_as_it_came(pieces):
    page = Page(b"hello")

    client = call(page, request(*({**MORE, "body": one} for one in pieces), LAST))

    assert page.received == b"".join(pieces)
    assert (client.status, client.body, client.is_complete) == (200, b"hello", True)


SLOW = {
    "nothing comes": request(then_waits=True),
    "the first half comes": request({**MORE, "body": b"a=1"}, then_waits=True),
    "a byte now and then": request(*itertools.chain(*[({**MORE, "body": b"x"}, 0.05)] * 20)),
    "nothing but empty pieces": request(*itertools.chain(*[({**MORE, "body": b""}, 0.05)] * 20)),
    "less than the rate": request(*itertools.chain(*[({**MORE, "body": b"x" * 4_000}, 0.05)] * 20)),
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_a_body_that_does_not_come_in_time_is_refused_and_no_page_hears_of_it(sent):
    page = Page(b"hello")

    client = call(page, sent)

    assert (client.status, page.received) == (408, None)
    assert (b"connection", b"close") in client.events[0]["headers"]


def test_a_long_body_has_longer_to_come():
    page = Page(b"hello")
    pieces = itertools.chain(*[({**MORE, "body": b"x" * 60_000}, 0.05)] * 5)

    client = call(page, request(*pieces, LAST))

    assert (client.status, len(page.received)) == (200, 300_000)


@pytest.mark.parametrize("length", [b"300001", b"9999999999999999999"])
def test_a_body_that_is_announced_too_long_is_refused_before_it_comes(length):
    client = call(Page(), request(then_waits=True, headers=[(b"content-length", length)]))

    assert client.status == 413


def test_a_body_that_turns_out_too_long_is_refused():
    page = Page()

    client = call(page, request({**MORE, "body": b"x" * 300_000}, {**MORE, "body": b"x"}, LAST))

    assert (client.status, page.received) == (413, None)


def test_half_a_body_is_no_body():
    page = Page(b"hello")

    client = call(page, request({**MORE, "body": b"amount=1"}, GONE))

    assert (client.events, page.received) == ([], None)


@pytest.mark.parametrize("told", [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")])
def test_a_page_is_told_the_length_that_came(told):
    page = Page()

    call(page, request({**MORE, "body": b"a=1"}, LAST, headers=[told, (b"cookie", b"c")]))

    assert sorted(page.scope["headers"]) == [(b"content-length", b"3"), (b"cookie", b"c")]


def test_without_room_for_long_bodies_short_ones_still_come_through():
    front = Buffered(Page(b"hello"), LIMITS)
    front.shared.room.take(LIMITS.room)
    long, short = Client(), Client()

    async def both():
        await front(*request({**MORE, "body": b"x" * 200_000}, LAST), long.send)
        await front(*request({**MORE, "body": b"a=1"}, LAST), short.send)

    asyncio.run(both())

    assert (long.status, short.status) == (503, 200)
    assert (b"retry-after", b"5") in long.events[0]["headers"]


# ---- Answers ---------------------------------------------------------------------------------------------------


def big(size):
    return [bytes([n % 251]) * 10_000 for n in range(size // 10_000)]


def test_a_page_is_done_before_a_client_that_does_not_read_has_anything():
    page, reading = Page(*big(400_000)), asyncio.Event()
    client = Client(reads=reading.wait)

    async def during():
        running = asyncio.create_task(Buffered(page, LIMITS)(*request(LAST), client.send))
        while page.taken < 400_000:
            await asyncio.sleep(0)
        seen = list(client.events)
        reading.set()
        await running
        return seen

    assert asyncio.run(asyncio.wait_for(during(), 5)) == []
    assert (client.body, client.is_complete) == (b"".join(page.body), True)


def test_an_answer_larger_than_all_the_room_comes_through_whole():
    page = Page(*big(2_000_000), b"y" * 1_000_000)

    async def reads():
        await asyncio.sleep(0.001)

    client = call(page, request(LAST), Client(reads))

    assert client.body == b"".join(page.body)
    assert client.is_complete


def test_when_too_many_threads_wait_for_slow_readers_the_next_answer_is_cut_off():
    never = asyncio.Event()
    pages = [Page(*big(2_000_000)) for _ in range(3)]
    clients = [Client(reads=never.wait) for _ in pages]

    async def during():
        front = Buffered(lambda *event: pages[number](*event), LIMITS)
        running = []
        for number in range(3):
            running.append(asyncio.create_task(front(*request(LAST), clients[number].send)))
            await asyncio.sleep(0.05)
        taken = [page.taken for page in pages]
        never.set()
        await asyncio.gather(*running)
        assert front.shared.room.taken == 0
        return taken

    taken = asyncio.run(asyncio.wait_for(during(), 10))

    assert taken[0] < 2_000_000  # waits
    assert taken[1:] == [2_000_000, 2_000_000]  # their threads are free
    assert [client.is_complete for client in clients] == [True, False, False]


def test_half_an_answer_does_not_pass_for_a_whole_one():
    page, client = Page(b"half", problem=ValueError("broken")), Client()

    with pytest.raises(ValueError, match="broken"):
        call(page, request(LAST), client)

    assert not client.is_complete


def test_a_server_that_cannot_send_leaves_no_thread_waiting():
    async def fails():
        raise RuntimeError("Response content longer than Content-Length")

    page = Page(*big(2_000_000))

    with pytest.raises(RuntimeError):
        call(page, request(LAST), Client(fails))

    assert page.taken == 2_000_000


def test_many_small_pieces_leave_the_thread_as_a_few_large_ones():
    class Answer(list):
        closed = False

        def close(self):
            self.closed = True

    answer = Answer([b"", b"ab"] * 50_000)
    pieces = Pieces(answer)

    sent = list(pieces)
    pieces.close()

    assert b"".join(sent) == b"ab" * 50_000
    assert [len(one) for one in sent] == [CHUNK, 100_000 - CHUNK]
    assert answer.closed
    assert list(Pieces([])) == []


# ---- Room ------------------------------------------------------------------------------------------------------


def test_what_fits_into_memory_takes_no_room():
    room = Room(0)
    spool = Spool(room)

    assert spool.write(b"x" * IN_MEMORY)
    assert not spool.write(b"x")
    assert room.taken == 0


def test_bytes_come_out_of_a_spool_in_order_while_others_go_in():
    spool, sent = Spool(Room(10**9)), bytearray()
    read = b""
    for n in range(50):
        piece = bytes([n]) * 7_001
        assert spool.write(piece)
        sent += piece
        if n % 3 == 0:
            read += spool.read()[:CHUNK]
            if spool.is_empty:
                spool.rewind()
    while not spool.is_empty:
        read += spool.read()

    assert read == bytes(sent)
    spool.close()
