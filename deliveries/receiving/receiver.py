"""The receiver: `/hooks/<account-token>/<kind>/` in, 2xx once the receipt is on disk.

A lean ASGI callable in front of Django. A request costs a signature check and a place in the next commit, and
nothing else: no look-up, no parsing that can fail. Commits are shared (`group_commit.py`).

What it answers, to the provider: 204 taken (also for messages we do not know), or 200 where it waits for words;
403 the signature is wrong; 404 no such account; 405 neither GET nor POST; 413 too large; 503 with Retry-After when
the queue is full or the database is away, so that the provider comes again. One that does not come whole in time is
ended by the server (config/protocol.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import close_old_connections, connections
from django.db.models import Case, F, When
from django.db.models.functions import Least
from django.utils import timezone

from deliveries.models import Account
from deliveries.providers import PROVIDERS
from deliveries.providers.base import Provider
from deliveries.providers.facts import Call
from deliveries.providers.kit.signatures import without_secret
from deliveries.receiving.callback_tests import TEST_KIND, note_arrival
from deliveries.receiving.group_commit import Batcher, PostgresStore, QueueFull, SqliteStore
from deliveries.receiving.storing import Incoming

logger = logging.getLogger(__name__)

Send = Callable[[dict], Awaitable[None]]
Receive = Callable[[], Awaitable[dict]]

PATH = re.compile(r"/hooks/([\w-]{1,40})/([a-z][a-z-]{0,15})/?")
# Numbers of our own choice; those of time in seconds.
DIRECTORY_SECONDS = 10.0  # how old the accounts in memory may be
CONFIRM_SECONDS = 10.0  # for an address that a provider asks us to fetch
FORGERIES_SECONDS = 1.0  # between two writes of how many were refused
FORGED_MAX = 2**31 - 1  # what the column holds
# Whoever is refused waits so long for the answer, so that a flood takes its connections, not our processor. No provider
# is hurt: it is refused as well only where its account is set up wrong.
REFUSAL_SECONDS = 0.25


# Status, further headers, body.
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


def taken(provider: Provider, kind: str, call: Call) -> Answer:
    """What the provider is answered when its callback is on disk: 204, or 200 with the words it waits for."""
    content_type, body = provider.reply(kind, call)
    if not body:
        return 204, [], b""
    return 200, [(b"content-type", content_type.encode())], body


class Directory:
    """Account by token, kept in memory. A change in the database is seen within ten seconds."""

    def __init__(self) -> None:
        self._accounts: dict[str, tuple[int, Provider, dict]] = {}
        self._loaded_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, token: str) -> tuple[int, Provider, dict] | None:
        """(account id, adapter, credentials), or None. Raises what the database raises on the first look-up."""
        if time.monotonic() - self._loaded_at > DIRECTORY_SECONDS:
            async with self._lock:
                if time.monotonic() - self._loaded_at > DIRECTORY_SECONDS:
                    await self._load()
        return self._accounts.get(token)

    async def _load(self) -> None:
        try:
            self._accounts = await sync_to_async(self.read)()
        except Exception:
            if not self._accounts:
                raise
            # Signatures can still be checked with what we know; the store will say 503 by itself.
            logger.exception("Could not refresh the provider accounts")
        self._loaded_at = time.monotonic()

    @staticmethod
    def read() -> dict[str, tuple[int, Provider, dict]]:
        """Token -> (the account's id, its provider, its credentials), in a thread of its own."""
        close_old_connections()
        known = [account for account in Account.objects.all() if account.provider in PROVIDERS]
        return {a.token: (a.pk, PROVIDERS[a.provider], a.credentials) for a in known}


class Forgeries:
    """Callbacks refused for their signature, counted in memory and written once a second, however many there are.

    Holds one number for each account. A process that is killed loses a second of them.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._writing: asyncio.Task | None = None
        self._closing = asyncio.Event()

    def add(self, account_id: int) -> None:
        self._counts[account_id] += 1
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._counts:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), FORGERIES_SECONDS)
            counts, self._counts = self._counts, Counter()
            try:
                await asyncio.get_running_loop().run_in_executor(None, count_forged, counts)
            except Exception:
                logger.exception("Forged callbacks could not be counted")
                if self._closing.is_set():
                    return
                self._counts.update(counts)

    async def close(self) -> None:
        """Write what is counted, then end."""
        self._closing.set()
        if self._writing is not None:
            await self._writing


def count_forged(counts: Mapping[int, int]) -> None:
    """So many more forged callbacks for each of these accounts, by one statement and one line of the log each."""
    close_old_connections()
    for account_id, count in counts.items():
        logger.warning("Refused %d callbacks for account %d: their signatures are wrong", count, account_id)
    more = Case(*(When(pk=pk, then=min(count, FORGED_MAX)) for pk, count in counts.items()), default=0)
    # Room is made before the sum: PostgreSQL refuses one that is too large for the column on its way.
    Account.objects.filter(pk__in=counts).update(
        forged=Least(F("forged"), FORGED_MAX - more) + more, forged_at=timezone.now()
    )


class Receiver:
    """The ASGI callable, with what it keeps between requests."""

    def __init__(self) -> None:
        self._directory: Directory | None = None
        self._batcher: Batcher | None = None
        self._forgeries: Forgeries | None = None
        self._public = settings.PUBLIC_URL

    async def startup(self) -> None:
        on_postgres = connections["default"].vendor == "postgresql"
        self._directory, self._forgeries = Directory(), Forgeries()
        self._batcher = Batcher(PostgresStore() if on_postgres else SqliteStore())

    async def shutdown(self) -> None:
        if self._forgeries is not None:
            await self._forgeries.close()
        if self._batcher is not None:
            await self._batcher.close()
            self._batcher = None

    def makes_progress(self) -> bool:
        """Whether receipts get to the disk, or are turned away, or none has come."""
        return self._batcher is None or self._batcher.stuck_for() < settings.WORKER_STALL_SECONDS

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if self._batcher is None or self._directory is None:
            await self.startup()
        status, extra, body = await self._answer(scope, receive)
        if status in (403, 404):
            await asyncio.sleep(REFUSAL_SECONDS)
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [length, *extra]})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: dict[str, Any], receive: Receive) -> Answer:
        """The answer to one request: see `_take` for a callback; 400, 404, 405 or 413 for what cannot be one."""
        match = PATH.fullmatch(scope["path"])
        if not match:
            return 404, [], b""
        if scope["method"] not in ("POST", "GET", "HEAD"):
            return 405, [(b"allow", b"GET, HEAD, POST")], b""
        try:
            body = await read_body(receive, settings.RECEIPT_MAX_BYTES)
        except CallerWentAway:
            return 400, [], b""  # nobody reads it
        if body is None:
            return 413, [(b"connection", b"close")], b""
        return await self._take(match[1], match[2], scope, body)

    async def _take(self, token: str, kind: str, scope: dict[str, Any], body: bytes) -> Answer:
        """2xx once the callback is on disk; 404 for no account of ours, 403 forged, 503 for trouble of our own."""
        assert self._directory is not None
        assert self._batcher is not None
        try:
            account = await self._directory.find(token)
            if account is None:
                return 404, [], b""
            account_id, provider, credentials = account
            if is_probe(scope):
                return 200, [], b""
            call = self._call(scope, body)
            if not provider.verify(call, credentials):
                self._refused(account_id)
                return 403, [], b""
            if kind == TEST_KIND:
                arrived = await sync_to_async(note_arrival)(account_id, call.query, call.at)
                return (204 if arrived else 404), [], b""
            kept = {name: value for name, value in call.headers.items() if name in provider.headers_kept}
            query = without_secret(call.query)
            await self._batcher.put(Incoming(account_id, kind, call.at, call.method, query, kept, body))
        except Exception as problem:  # noqa: BLE001 - whatever it was, the provider must come again
            if not isinstance(problem, QueueFull):
                logger.error("A receipt was turned away for now: %r", problem)
            return 503, [(b"retry-after", b"5")], b""
        if address := provider.confirmation(call):
            asyncio.get_running_loop().run_in_executor(None, confirm, address)
        return taken(provider, kind, call)

    def _call(self, scope: dict[str, Any], body: bytes) -> Call:
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        url = f"{self._public}{path}?{query}" if query else f"{self._public}{path}"
        peer = (scope.get("client") or ("",))[0]
        return Call(scope["method"], url, query, headers, body, at=timezone.now(), peer=peer)

    def _refused(self, account_id: int) -> None:
        if self._forgeries is not None:
            self._forgeries.add(account_id)


def is_probe(scope: dict[str, Any]) -> bool:
    """Some providers ask whether anybody is there before they take an address. It says nothing: nothing is kept."""
    return scope["method"] == "HEAD" or (scope["method"] == "GET" and not scope["query_string"])


def confirm(address: str) -> None:
    """Fetch what a provider asks us to fetch before it calls us; the adapter has checked whose address it is."""
    try:
        httpx.get(address, timeout=CONFIRM_SECONDS, follow_redirects=False).raise_for_status()
    except httpx.HTTPError as problem:
        logger.error("A subscription could not be confirmed; open its address by hand: %s", problem)


class CallerWentAway(Exception):
    """The client broke off in the middle of its request."""


async def read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None when it is longer than `limit` bytes. Raises WentAway: half a body proves nothing."""
    body = b""
    while len(body) <= limit:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise CallerWentAway
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    return body if len(body) <= limit else None


receive = Receiver()
startup = receive.startup
shutdown = receive.shutdown
