"""Calling the providers: in a thread with an event loop of its own, while whoever claimed sees to the database."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NamedTuple, Self

import uvloop
from django.conf import settings

from deliveries.models import Account, Message
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, OutboundMessage, SendResult
from deliveries.providers.kit.client import HttpClient
from deliveries.providers.kit.moment import Moment, TooLate, set_moment

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=settings.HANDOVER_LEASE_SECONDS)
# A call begins in the first half of its lease and lasts a third of it at most, so that nobody takes the lease over
# and finds that the message "never left" while it is about to leave.
BEGIN_WITHIN = min(LEASE.total_seconds() / 2, 6.0)
# What was claimed for a place that would be free in a moment is given back where none is: whoever says no meanwhile, as
# when a provider turns slow, is asked about again.
IN_LINE = 0.5  # seconds
CALL_LIMIT = min(LEASE.total_seconds() / 3, 16.0)
THREADS = 200
STARTS_WITHIN = 10.0  # seconds, for the thread
# Seconds. A call with a moment of its own is made ready so long before, its connection opened; what could not leave by
# so long after it (`Claimed.late`, at least this) leaves its moment unused.
EARLY, LATE = 0.2, 0.05


class Claimed(NamedTuple):
    """A message that is ours to hand over until `until`. `began`: when its handover in doubt did, else None: the
    provider is then asked about it. `begin_by`: no call begins after it, on the monotonic clock. `begin_at`: its own
    moment on that clock, where its sender keeps to a rate, and how many seconds `late` it may leave; 0 for at once."""

    message: Message
    outgoing: OutboundMessage
    account: Account
    until: datetime
    began: datetime | None = None
    begin_by: float = float("inf")
    begin_at: float = 0.0
    late: float = LATE


class Answered(NamedTuple):
    """What became of a handover: the provider's answer, or None when the answer was lost."""

    claimed: Claimed
    answer: SendResult | None


NOT_BEGUN = SendResult(False, native_text="Its lease was too short for another call.", retry_after=0.0)
NOT_SET_UP = SendResult(False, native_text="The account lacks its credentials.", retry_after=30.0)


async def call(claimed: Claimed, client: HttpClient) -> Answered:
    """One call to a provider. Raises nothing: whatever goes wrong concerns this message alone, and one that was never
    answered would keep its place for ever."""
    try:
        if not claimed.account.is_ready:
            return Answered(claimed, NOT_SET_UP)
        if time.monotonic() > claimed.begin_by:
            return Answered(claimed, NOT_BEGUN)
        if claimed.begin_at:
            set_moment(Moment(claimed.begin_at, claimed.begin_at + claimed.late))
        adapter = PROVIDERS[claimed.account.provider]
        act = adapter.find if claimed.began else adapter.send
        async with asyncio.timeout(CALL_LIMIT):
            return Answered(claimed, await act(claimed.outgoing, claimed.account.credentials, client))
    except TooLate:
        return Answered(claimed, NOT_BEGUN)
    except (LostAnswer, TimeoutError) as lost:
        logger.warning("The answer for message %d was lost: %r", claimed.message.pk, lost)
    except Exception:  # an adapter's mistake: whether it left is not known
        logger.exception("Handing over message %d failed", claimed.message.pk)
    return Answered(claimed, None)


class Transport:
    """How messages reach providers: `with Transport() as transport`. The demo's simulated clock puts its own in this
    place, which needs `hand_over` alone.

    `calls` counts those begun and not taken back as answers, by account. One thread begins and takes answers; the
    calls run in another, at each account as many at a time as it allows: the others wait in line until one is answered.
    """

    def __init__(self) -> None:
        self.calls: Counter[int] = Counter()
        self._answers: list[Answered] = []
        self._enough = 1
        self._there = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task] = set()
        self._running: Counter[int] = Counter()
        self._lines: defaultdict[int, deque[Claimed]] = defaultdict(deque)

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="calls", daemon=True)
        self._thread.start()
        if not started.wait(STARTS_WITHIN):
            raise RuntimeError("The thread that calls providers did not start.")
        return self

    def __exit__(self, *_: object) -> None:
        """Calls that are still under way are broken off: their messages keep their claims, and are looked up."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def begin(self, claimed: Sequence[Claimed]) -> None:
        """Make these calls: all at once, where their accounts have room for them."""
        if not claimed:
            return
        assert self._loop is not None
        with self._there:
            self.calls.update(each.account.pk for each in claimed)
        self._loop.call_soon_threadsafe(self._begin, claimed)

    def answers(self, wait: float, enough: int = 1) -> list[Answered]:
        """What was answered since the last time, once `enough` are there, or after `wait` seconds whatever there is."""
        with self._there:
            self._enough = min(enough, self.calls.total() or 1)
            self._there.wait_for(lambda: len(self._answers) >= self._enough, wait)
            answers, self._answers = self._answers, []
            self.calls.subtract(answer.claimed.account.pk for answer in answers)
            self.calls += Counter()  # drops what is zero
        return answers

    def hand_over(self, claimed: Sequence[Claimed]) -> list[Answered]:
        """Call the providers about all of these and wait for every answer."""
        if not claimed:
            return []
        with Transport() as calls:
            calls.begin(claimed)
            return calls.answers(BEGIN_WITHIN + CALL_LIMIT * 2, len(claimed))

    # ---- In the thread of the calls ----

    def _run(self, started: threading.Event) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        # For adapters whose library waits: in asyncio's own few threads, messages would wait for each other.
        self._loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="call"))
        async with HttpClient() as self._client:
            started.set()
            await self._stop.wait()
            for task in self._tasks:
                task.cancel()

    def _begin(self, claimed: Sequence[Claimed]) -> None:
        for each in claimed:
            account = each.account
            if self._running[account.pk] < account.calls_at_a_time:
                self._start(each)
            else:
                begin_by = min(each.begin_by, time.monotonic() + IN_LINE)
                self._lines[account.pk].append(each._replace(begin_by=begin_by))

    def _start(self, claimed: Claimed) -> None:
        self._running[claimed.account.pk] += 1
        task = asyncio.create_task(self._one(claimed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self, account: int) -> None:
        self._running[account] -= 1
        if line := self._lines[account]:
            self._start(line.popleft())

    async def _one(self, claimed: Claimed) -> None:
        if claimed.begin_at:
            await asyncio.sleep(max(claimed.begin_at - EARLY - time.monotonic(), 0.0))
        answer = await call(claimed, self._client)
        self._end(claimed.account.pk)
        with self._there:
            self._answers.append(answer)
            # To wake whoever waits for each of them would cost as much as the call.
            if len(self._answers) >= self._enough:
                self._there.notify()
