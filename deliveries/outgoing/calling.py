"""The calls: in a thread with an event loop of its own, which also stores what came of each.

So a slow endpoint holds up neither the other steps of the worker nor other endpoints: each has so many places, and what
is not answered in time counts as failed.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import aiohttp
from django.db import connections
from standardwebhooks import Webhook
from yarl import URL

from deliveries.outgoing.where import NotAllowed, connector, wrong_with

logger = logging.getLogger(__name__)

SECONDS = 10.0  # for a call, with its answer
PLACES = 8  # calls to one endpoint at a time, in each process
ANSWER_KEPT = 2_000  # bytes
STARTS_WITHIN = 10.0  # seconds, for the thread
STORED_WITHIN = 0.1  # seconds that answers wait for others, to be stored together


class Call(NamedTuple):
    """One attempt. `at`: when it was claimed; `attempt` tells it from a later one of the same delivery."""

    delivery_id: int
    endpoint_id: int
    attempt: int
    webhook_id: str
    url: str
    secrets: Sequence[str]
    body: str
    at: datetime


class Outcome(NamedTuple):
    """What came of it: a status with the beginning of its answer, or a `trouble` in words. `pause`: what it asked for,
    in seconds."""

    call: Call
    seconds: float
    status: int | None = None
    answer: str = ""
    trouble: str = ""
    pause: float = 0.0

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def over_at(self) -> datetime:
        return self.call.at + timedelta(seconds=self.seconds)


def signed(call: Call, at: datetime) -> dict[str, str]:
    """The headers by which a receiver knows that it is from us."""
    signatures = [Webhook(secret).sign(call.webhook_id, at, call.body) for secret in call.secrets]
    return {
        "webhook-id": call.webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
        "user-agent": "Waybill",
    }


async def make(call: Call, session: aiohttp.ClientSession) -> Outcome:
    """Raises nothing: whatever goes wrong concerns this delivery alone."""
    began = time.monotonic()
    if wrong := wrong_with(call.url):
        return Outcome(call, 0.0, trouble=wrong)
    if not call.secrets:
        return Outcome(call, 0.0, trouble="Its secret cannot be read: rotate it.")
    headers = signed(call, datetime.now(UTC))
    try:
        async with session.post(
            URL(call.url), data=call.body.encode(), headers=headers, allow_redirects=False
        ) as answer:
            text = await _beginning(answer.content)
            pause = answer.headers.get("retry-after", "")
            return Outcome(
                call,
                time.monotonic() - began,
                answer.status,
                text,
                "It answered with a redirect, which is not followed." if 300 <= answer.status < 400 else "",
                float(pause) if pause.isascii() and pause.isdigit() else 0.0,
            )
    except TimeoutError:
        trouble = f"No answer within {SECONDS:.0f} seconds."
    except (aiohttp.ClientError, OSError, ValueError) as problem:
        trouble = _words(problem)
    except Exception as problem:  # a mistake of ours must not keep its place for ever
        logger.exception("A webhook failed")
        trouble = type(problem).__name__
    return Outcome(call, time.monotonic() - began, trouble=trouble[:300])


def _words(problem: BaseException) -> str:
    inner = getattr(problem, "os_error", None) or problem.__cause__ or problem
    if isinstance(inner, NotAllowed):
        return str(inner)
    return f"It could not be reached: {problem}" if str(problem) else type(problem).__name__


async def _beginning(content: aiohttp.StreamReader) -> str:
    found = b""
    while len(found) < ANSWER_KEPT and (part := await content.read(ANSWER_KEPT - len(found))):
        found += part
    return found.decode("utf-8", "replace").replace("\0", "")


class Caller:
    """Makes calls, and gives what came of them to `store`, in a thread with a connection to the database of its own.

    `free` says how many places an endpoint has; `finish` waits until nothing is under way.
    """

    def __init__(self, store: Callable[[Sequence[Outcome]], None]) -> None:
        self._store = store
        self._there = threading.Condition()
        self._under_way: Counter[int] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._answered: list[Outcome] = []
        self._tasks: set[asyncio.Task] = set()

    def free(self, endpoint_id: int) -> int:
        with self._there:
            return PLACES - self._under_way[endpoint_id]

    def begin(self, calls: Sequence[Call]) -> None:
        if not calls:
            return
        loop = self._start()
        with self._there:
            self._under_way.update(call.endpoint_id for call in calls)
        loop.call_soon_threadsafe(self._begin, list(calls))

    def finish(self, seconds: float) -> bool:
        """Whether everything is stored by then."""
        with self._there:
            return self._there.wait_for(lambda: not self._under_way.total(), seconds)

    def _start(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            started = threading.Event()
            threading.Thread(target=self._run, args=(started,), name="webhooks", daemon=True).start()
            if not started.wait(STARTS_WITHIN) or self._loop is None:
                raise RuntimeError("The thread that calls webhooks did not start.")
        return self._loop

    # ---- In the thread of the calls ----

    def _run(self, started: threading.Event) -> None:
        asyncio.run(self._serve(started))

    async def _serve(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        storing = ThreadPoolExecutor(1, thread_name_prefix="webhook answers")
        timeout = aiohttp.ClientTimeout(total=SECONDS, connect=SECONDS / 2)
        async with aiohttp.ClientSession(
            connector=connector(),
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        ) as self._session:
            started.set()
            while True:
                await asyncio.sleep(STORED_WITHIN)
                answered, self._answered = self._answered, []
                if answered:
                    await self._loop.run_in_executor(storing, self._keep, answered)

    def _begin(self, calls: list[Call]) -> None:
        for call in calls:
            task = asyncio.create_task(self._one(call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _one(self, call: Call) -> None:
        outcome = await make(call, self._session)  # the list may be another one by then
        self._answered.append(outcome)

    def _keep(self, outcomes: list[Outcome]) -> None:
        """What cannot be stored is delivered again: its claim runs out."""
        try:
            self._store(outcomes)
        except Exception:
            logger.exception("What came of %d webhooks could not be stored", len(outcomes))
        finally:
            connections.close_all()
            with self._there:
                self._under_way.subtract(one.call.endpoint_id for one in outcomes)
                self._under_way += Counter()
                self._there.notify_all()
