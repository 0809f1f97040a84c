"""The receiver when the database is away, busy or full of work: what it answers, and what it stores."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from datetime import UTC, datetime

import httpx
import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from deliveries.models import PendingReceipt, Receipt
from deliveries.receiving import group_commit
from deliveries.receiving import receiver as subject
from deliveries.receiving.group_commit import Batcher, QueueFull
from deliveries.receiving.receiver import Receiver
from deliveries.receiving.storing import Incoming, store, store_in_sqlite
from tests.deliveries.receiving.exchanges import (
    Exchange,
    callback,
    delivered,
    no_threads_left,  # noqa: F401 - a fixture that works by itself
    signed,
)

pytestmark = pytest.mark.django_db(transaction=True)


# ---- When it cannot take any more ------------------------------------------------------------------------------


class Broken:
    """A disk that fails as told, then works."""

    def __init__(self, problem, times=1):
        self.problem, self.times = problem, times

    async def write(self, batch):
        if self.times:
            self.times -= 1
            raise self.problem
        store_aside(batch)

    async def close(self):
        pass


def store_aside(batch):
    """Store on a connection of another thread: this one runs the event loop."""

    def work():
        try:
            store(batch)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def broken_receiver(problem, times=1):
    class OnBrokenDisk(Receiver):
        async def startup(self):
            await super().startup()
            self._batcher.store = Broken(problem, times)

    return OnBrokenDisk()


PROBLEMS = [
    psycopg.OperationalError("the server closed the connection"),
    sqlite3.OperationalError("database is locked"),
    OSError("no space left"),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: type(p).__module__)
def test_a_database_that_is_away_asks_the_provider_to_come_again(account, message, problem):
    path, body = callback(account, message), delivered()
    request = ("POST", path, body, signed(path, body))

    first, second = Exchange()(request, request, receiver=broken_receiver(problem))

    assert (first.status_code, first.headers["retry-after"]) == (503, "5")
    assert second.status_code == 204
    assert Receipt.objects.count() == 1


def test_an_account_list_that_cannot_be_read_is_a_503(account, post, monkeypatch):
    def away():
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(subject.Directory, "read", staticmethod(away))

    assert post(callback(account), b"", {}).status_code == 503


def test_a_full_queue_asks_the_provider_to_come_again(account, settings):
    settings.RECEIPTS_WAITING_MAX = 2

    async def fill():
        class Stuck(Broken):
            async def write(self, batch):
                await asyncio.sleep(3600)

        batcher = Batcher(Stuck(None))
        incoming = Incoming(account.pk, "status", datetime.now(UTC), "POST", "", {}, b"")
        waiting = [asyncio.create_task(batcher.put(incoming))]
        await asyncio.sleep(0.05)  # the first is being written
        waiting += [asyncio.create_task(batcher.put(incoming)) for _ in range(2)]
        await asyncio.sleep(0.05)
        app = Receiver()
        app._directory, app._batcher = subject.Directory(), batcher
        with pytest.raises(QueueFull):
            await batcher.put(incoming)
        path, body = callback(account), delivered()
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://receiver"
        ) as client:
            answer = await client.post(path, content=body, headers=signed(path, body))
        for task in waiting:
            task.cancel()
        batcher._task.cancel()
        return answer

    answer = asyncio.run(fill())

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_a_row_the_database_refuses_does_not_fail_its_neighbours(account):
    stored = []

    class Picky(Broken):
        async def write(self, batch):
            await asyncio.sleep(0.02)
            if any(incoming.body == b"bad" for incoming in batch):
                raise ValueError("no")
            stored.extend(incoming.body for incoming in batch)

    async def put_all():
        batcher = Batcher(Picky(None))
        incoming = Incoming(account.pk, "status", datetime.now(UTC), "POST", "", {}, b"good")
        bodies = [b"first", b"good", b"bad", b"fine"]
        done = await asyncio.gather(
            *(batcher.put(incoming._replace(body=body)) for body in bodies), return_exceptions=True
        )
        await batcher.close()
        return done

    done = asyncio.run(put_all())

    assert [isinstance(each, ValueError) for each in done] == [False, False, True, False]
    assert sorted(stored) == [b"fine", b"first", b"good"]


def test_what_arrives_during_a_commit_is_the_next_batch(account):
    sizes = []

    class Slow(Broken):
        async def write(self, batch):
            sizes.append(len(batch))
            await asyncio.sleep(0.05)

    async def put_all():
        batcher = Batcher(Slow(None))
        incoming = Incoming(account.pk, "status", datetime.now(UTC), "POST", "", {}, b"")
        first = asyncio.create_task(batcher.put(incoming))
        await asyncio.sleep(0.01)
        await asyncio.gather(first, *(batcher.put(incoming) for _ in range(25)))
        await batcher.close()

    asyncio.run(put_all())

    assert sizes == [1, 25]


def test_a_client_that_goes_away_does_not_stop_the_others(account):
    class Slow(Broken):
        async def write(self, batch):
            await asyncio.sleep(0.05)

    async def put_all():
        batcher = Batcher(Slow(None))
        incoming = Incoming(account.pk, "status", datetime.now(UTC), "POST", "", {}, b"")
        gone, stays = (asyncio.create_task(batcher.put(incoming)) for _ in range(2))
        await asyncio.sleep(0.01)
        gone.cancel()
        await stays
        await batcher.put(incoming)
        await batcher.close()

    asyncio.run(put_all())


def test_many_at_once_are_all_on_disk(account, message):
    path, body = callback(account, message), delivered()

    async def talk():
        app = Receiver()
        await app.startup()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            answers = await asyncio.gather(
                *(client.post(path, content=body, headers=signed(path, body)) for _ in range(200))
            )
        await app.shutdown()
        return answers

    answers = asyncio.run(talk())

    assert {answer.status_code for answer in answers} == {204}
    assert Receipt.objects.count() == PendingReceipt.objects.count() == 200


# ---- SQLite's one write lock ---------------------------------------------------------------------------------------


def one_receipt(account) -> list[Incoming]:
    return [Incoming(account.pk, "status", timezone.now(), "POST", "", {}, b"MessageSid=SM1")]


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_while_somebody_else_writes_a_commit_waits_and_the_loop_goes_on(account):
    other = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def during() -> int:
        store = group_commit.SqliteStore()
        writing = asyncio.create_task(store.write(one_receipt(account)))
        turns = 0
        while turns < 20:  # the loop's own turns, while the write lock is taken
            await asyncio.sleep(0.01)
            turns += not writing.done()
        other.execute("ROLLBACK")
        await writing
        await store.close()
        return turns

    assert asyncio.run(during()) == 20
    assert Receipt.objects.count() == 1
    other.close()


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_a_commit_that_fails_leaves_no_transaction_behind(account):
    class Refusing(sqlite3.Connection):
        refuses = True

        def execute(self, sql, *parameters):
            if sql == "COMMIT" and self.refuses:
                self.refuses = False
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *parameters)

    name = str(connection.settings_dict["NAME"])
    database = sqlite3.connect(name, isolation_level=None, factory=Refusing)

    with pytest.raises(sqlite3.OperationalError):
        store_in_sqlite(database, one_receipt(account))
    store_in_sqlite(database, one_receipt(account))

    assert Receipt.objects.count() == PendingReceipt.objects.count() == 1
    database.close()
