"""Many receipts in one commit. Those that arrive while a commit runs form the next batch.

So batches grow with the load, and there is no timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections

from deliveries.receiving.storing import POSTGRESQL, Incoming, columns, store_in_sqlite
from deliveries.wake import wake

logger = logging.getLogger(__name__)

# Numbers of our own choice; those of time in seconds.
BATCH_MAX = 1_000  # receipts in one commit
WAKE_SECONDS = 0.5  # between two wake-ups of the workers
PATIENCE = 30.0  # that a commit waits for SQLite's one write lock


class PostgresStore:
    """One connection of its own, opened again after a failure."""

    def __init__(self) -> None:
        self._connection: psycopg.AsyncConnection | None = None

    @staticmethod
    def parameters() -> dict[str, Any]:
        """Django's, but for its classes. The statement is prepared, unless PgBouncer would forget where."""
        parameters = connections["default"].get_connection_params()
        for ours in ("cursor_factory", "context", "prepare_threshold"):
            parameters.pop(ours, None)
        return {**parameters, "prepare_threshold": None} if settings.PGBOUNCER else parameters

    async def write(self, batch: Sequence[Incoming]) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = await psycopg.AsyncConnection.connect(**self.parameters(), autocommit=True)
        try:
            await self._connection.execute(POSTGRESQL, columns(batch))
        except psycopg.OperationalError:
            await self.close()
            raise

    async def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                await self._connection.close()
            self._connection = None


class SqliteStore:
    """Commits reach the disk (synchronous=FULL): what was answered 2xx survives a power cut.

    Where nobody else writes, at once: all who wait, wait for this commit, and to hand it to a thread and take it back
    costs more than the commit. Where somebody does, in a thread, so that the loop goes on meanwhile.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="receipts")
        self._opened: dict[float, sqlite3.Connection] = {}  # by how long it waits for the lock

    async def write(self, batch: Sequence[Incoming]) -> None:
        try:
            self._write(batch, patience=0.0)
        except sqlite3.OperationalError:  # locked, as a rule
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, batch, PATIENCE)

    def _write(self, batch: Sequence[Incoming], patience: float) -> None:
        if patience not in self._opened:
            name = str(connections["default"].settings_dict["NAME"])
            opened = sqlite3.connect(
                name,
                timeout=patience,
                isolation_level=None,
                uri=name.startswith("file:"),
                check_same_thread=False,
            )
            opened.execute("PRAGMA synchronous=FULL")
            self._opened[patience] = opened
        store_in_sqlite(self._opened[patience], batch)

    async def close(self) -> None:
        self._thread.shutdown()
        while self._opened:
            self._opened.popitem()[1].close()


class QueueFull(Exception):
    """More receipts wait for the disk than RECEIPTS_WAITING_MAX."""


class Batcher:
    """Group commit that follows the load: whatever waits when a commit ends is the next batch."""

    def __init__(self, store: PostgresStore | SqliteStore) -> None:
        self.store = store
        self._waiting: list[tuple[Incoming, asyncio.Future]] = []
        self._wake = asyncio.Event()
        self._woken_at = float("-inf")
        self._waits_since: float | None = None
        self._task = asyncio.create_task(self._run())

    async def put(self, incoming: Incoming) -> None:
        """Returns after the commit. Raises QueueFull, or what the database raised for this receipt."""
        if len(self._waiting) >= settings.RECEIPTS_WAITING_MAX:
            raise QueueFull
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((incoming, done))
        self._waits_since = self._waits_since or time.monotonic()
        self._wake.set()
        await done

    def stuck_for(self) -> float:
        """Seconds that receipts have waited without any commit, or failure, in between; 0 when none waits."""
        return 0.0 if self._waits_since is None else time.monotonic() - self._waits_since

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
            if not self._waiting:
                self._wake.clear()
            await self._write(batch)
            self._waits_since = time.monotonic() if self._waiting else None
            self._wake_workers()

    async def _write(self, batch: list[tuple[Incoming, asyncio.Future]]) -> None:
        try:
            await self.store.write([incoming for incoming, _ in batch])
        except Exception as problem:  # noqa: BLE001 - whoever waits gets the exception, and answers 503
            if len(batch) == 1:
                logger.error("A receipt could not be stored: %s", problem)
                self._finish(batch, problem)
            elif isinstance(problem, psycopg.OperationalError | sqlite3.OperationalError | OSError):
                logger.error("%d receipts could not be stored: %s", len(batch), problem)
                self._finish(batch, problem)
            else:  # one bad row must not fail its neighbours
                for one in batch:
                    await self._write([one])
        else:
            self._finish(batch, None)

    @staticmethod
    def _finish(batch: list[tuple[Incoming, asyncio.Future]], problem: Exception | None) -> None:
        for _, done in batch:
            if done.done():  # the client went away; its receipt is stored all the same
                continue
            if problem is None:
                done.set_result(None)
            else:
                done.set_exception(problem)

    def _wake_workers(self) -> None:
        """Wake the workers, at most twice a second. A lost wake-up costs a minute: a schedule wakes them too."""
        now = time.monotonic()
        if now - self._woken_at > WAKE_SECONDS:
            self._woken_at = now
            asyncio.get_running_loop().run_in_executor(None, wake)

    async def close(self) -> None:
        """Write what waits, then end. Called on shutdown, after the server stopped taking requests."""
        while self._waiting:
            await asyncio.sleep(0.01)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.store.close()
