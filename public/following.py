"""The short links in what we send: asked for by whoever got a message, answered by where they lead.

A lean ASGI callable in front of Django, as the receiver is: an answer costs a look into memory. Who followed a link is
written a moment later, many at once; `deliveries/receiving/clicks.py` makes clicks of them. While the database is away,
links that were followed lately go on leading where they lead, and what was asked for is written once it is back. No
cookie, and nothing of the visitor is kept but whether it says that it is a machine.

What it answers: 302 to the address that stands in our own table for this link, never to one that came along; 404 with
a plain page for what is no link of ours; 503 with Retry-After where the database is away and the link is not in memory;
405 for anything but GET and HEAD.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections
from django.template.loader import render_to_string
from django.utils import timezone

from campaigns.links import PATH, location
from campaigns.models import TrackedLink
from deliveries import short_links
from deliveries.models import LinkVisit
from deliveries.receiving.machines import by_request

logger = logging.getLogger(__name__)

Send = Callable[[dict], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Answer = tuple[int, Headers, bytes]

PREFIX = f"/{PATH}/"
LINK = re.compile(rf"{PREFIX}([0-9A-Za-z]{{1,40}})/?")
# Numbers of our own choice.
REMEMBERED = 10_000  # links in memory
WAITING_MOST = 10_000  # visits in memory; more come from no people
WRITE_SECONDS = 0.5  # between two writes
# Kept by no cache, found by no search engine; the page that it leads to does not learn which link was followed.
ALWAYS: Headers = [
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-robots-tag", b"noindex, nofollow"),
    (b"x-content-type-options", b"nosniff"),
]
PAGE: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'",
    ),
]


class Visits:
    """What was asked for, until it is written. The same by the same kind of visitor stands here once.

    A process that is killed loses half a second of them.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int, str], datetime] = {}
        self._writing: asyncio.Task | None = None
        self._closing = asyncio.Event()

    def add(self, named: short_links.Named, why: str, at: datetime) -> None:
        if len(self._waiting) < WAITING_MOST:
            self._waiting.setdefault((*named, why), at)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), WRITE_SECONDS)
            last = self._closing.is_set()  # one that was under way when the end came is not the last
            taken, self._waiting = self._waiting, {}
            rows = [LinkVisit(message_id=m, link_id=k, why=why, at=at) for (m, k, why), at in taken.items()]
            try:
                await sync_to_async(keep, thread_sensitive=False)(rows)
            except Exception:
                logger.exception("Visits of links could not be written")
                if last:
                    return
                self._waiting = taken | self._waiting

    async def close(self) -> None:
        """Write what waits, then end."""
        self._closing.set()
        if self._writing is not None:
            await self._writing


def keep(rows: Sequence[LinkVisit]) -> None:
    close_old_connections()
    LinkVisit.objects.bulk_create(rows, batch_size=1_000)


class Targets:
    """Where links lead, by their number. A row never changes, so what is in memory is right."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, str] = OrderedDict()

    async def find(self, link_id: int) -> str:
        """The address, as it stands in a header; '' for none. Raises what the database raises."""
        if link_id not in self._known:
            found = await sync_to_async(target, thread_sensitive=False)(link_id)
            if not found:
                return ""
            self._known[link_id] = found
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(link_id)
        return self._known[link_id]


def target(link_id: int) -> str:
    close_old_connections()
    url = TrackedLink.objects.filter(pk=link_id).values_list("url", flat=True).first() or ""
    return location(url)


@cache
def no_link() -> bytes:
    return render_to_string("public/no_link.html").encode()


class Follower:
    """The ASGI callable, with what it keeps between requests."""

    def __init__(self) -> None:
        self.targets, self.visits = Targets(), Visits()

    async def __call__(self, scope: dict[str, Any], send: Send) -> None:
        status, extra, body = await self._answer(scope)
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*ALWAYS, *extra, length]})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: dict[str, Any]) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            return 405, [(b"allow", b"GET, HEAD")], b""
        match = LINK.fullmatch(scope["path"])
        named = short_links.read(match[1]) if match else None
        if named is None:
            return 404, PAGE, no_link()
        try:
            where = await self.targets.find(named.link_id)
        except Exception as problem:  # noqa: BLE001 - whatever it was, they may try again
            logger.error("A link could not be looked up: %r", problem)
            return 503, [(b"retry-after", b"5")], b""
        if not where:
            return 404, PAGE, no_link()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        address = (scope.get("client") or ("",))[0]
        why = by_request(scope["method"], headers.get(b"user-agent", ""), address)
        if named.message_id != short_links.OF_TEST:
            self.visits.add(named, why, timezone.now())
        return 302, [(b"location", where.encode("ascii"))], b""

    async def close(self) -> None:
        await self.visits.close()
        self.visits = Visits()


follow = Follower()
