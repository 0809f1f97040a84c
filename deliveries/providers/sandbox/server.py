"""The simulated carriers as an HTTP server, run by `manage.py carriers`. It never touches the application's database.

    POST /v1/messages          hand a message over; the bearer secret signs its callbacks
    GET  /v1/messages?ref=     what was handed over under a reference, and how often
    GET  /v1/truth?ref=        what really happened; without a reference, all of it, from `after` on
    GET  /healthz              callbacks waiting

What was taken and the callbacks still to come stand in one SQLite file, written before the answer, so that a killed
server goes on where it was. Callbacks are repeated until the receiver takes them, as providers do.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import httpx

from deliveries.providers.sandbox.attempt import Callback, Submission
from deliveries.providers.sandbox.channel_outcomes import FATES
from deliveries.providers.sandbox.network import CarrierPlan, plan

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

logger = logging.getLogger(__name__)

BODY_MAX = 1_000_000
TEXTS = ("ref", "channel", "to", "from", "body", "subject", "media_url", "callback")
FREE_TEXTS = {"body", "subject"}
AT_ONCE = 100  # callbacks under way together
LONGEST_PAUSE, GIVE_UP_AFTER = 300.0, 40  # seconds between two tries, and tries
LISTED = 5_000

SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS submission (
    id INTEGER PRIMARY KEY, ref TEXT, channel TEXT, address TEXT, at TEXT,
    message_id TEXT, code TEXT, text TEXT, segments INTEGER, lost INTEGER,
    reached INTEGER, reached_at TEXT, by_what TEXT
);
CREATE INDEX IF NOT EXISTS submission_ref ON submission (ref);
CREATE INDEX IF NOT EXISTS submission_address ON submission (channel, address);
CREATE TABLE IF NOT EXISTS callback (
    id INTEGER PRIMARY KEY, due REAL, url TEXT, body BLOB, headers TEXT, tries INTEGER DEFAULT 0
);
CREATE INDEX IF NOT EXISTS callback_due ON callback (due);
"""


class PendingCallback(NamedTuple):
    """A callback that is due."""

    id: int
    url: str
    body: bytes
    headers: str
    tries: int


class Store:
    """The file. Every method is one short transaction."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        self._db.close()

    def attempts(self, channel: str, address: str) -> int:
        query = "SELECT count(*) FROM submission WHERE channel = ? AND address = ?"
        return int(self._db.execute(query, (channel, address)).fetchone()[0])

    def add(self, submitted: Submission, planned: CarrierPlan) -> None:
        answer, truth, callbacks = planned
        row = (
            *(submitted.ref, submitted.channel, submitted.to, submitted.at.isoformat()),
            *(answer.id, answer.code, answer.text, answer.segments, answer.lost),
            *(truth.reached, truth.at.isoformat() if truth.at else None, truth.by_what),
        )
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(f"INSERT INTO submission VALUES (NULL{', ?' * len(row)})", row)  # noqa: S608
        self._db.executemany(
            "INSERT INTO callback (due, url, body, headers) VALUES (?, ?, ?, ?)",
            [(each.at.timestamp(), each.url, each.body, json.dumps(each.headers)) for each in callbacks],
        )
        self._db.execute("COMMIT")

    def adopt(self, callbacks: Iterable[Callback]) -> None:
        """Take over what a simulated network had still to say."""
        rows = [(c.at.timestamp(), c.url, c.body, json.dumps(c.headers)) for c in callbacks]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO callback (due, url, body, headers) VALUES (?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def submissions(self, ref: str) -> list[sqlite3.Row]:
        return self._db.execute("SELECT * FROM submission WHERE ref = ? ORDER BY id", (ref,)).fetchall()

    def submissions_after(self, after: int) -> list[sqlite3.Row]:
        query = "SELECT * FROM submission WHERE id > ? ORDER BY id LIMIT ?"
        return self._db.execute(query, (after, LISTED)).fetchall()

    def due(self, now: float) -> list[PendingCallback]:
        query = "SELECT id, url, body, headers, tries FROM callback WHERE due <= ? ORDER BY due, id LIMIT ?"
        return [PendingCallback(*row) for row in self._db.execute(query, (now, AT_ONCE))]

    def next_due(self) -> float | None:
        found: float | None = self._db.execute("SELECT min(due) FROM callback").fetchone()[0]
        return found

    def waiting(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM callback").fetchone()[0])

    def settle(self, done: Iterable[int], again: Iterable[tuple[float, int]]) -> None:
        """Forget the callbacks `done` (their ids); put those of `again`, as (due, id), off."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("DELETE FROM callback WHERE id = ?", [(each,) for each in done])
        self._db.executemany("UPDATE callback SET due = ?, tries = tries + 1 WHERE id = ?", again)
        self._db.execute("COMMIT")


class SubmissionRefused(Exception):
    """A request that the server answers with an error: HTTP status, code and text."""

    def __init__(self, http: int, code: str, text: str) -> None:
        super().__init__(text)
        self.http, self.code, self.text = http, code, text


class Carriers:
    """The ASGI application. `speed` divides every delay of the network."""

    def __init__(self, seed: int, speed: float, state: Path | str) -> None:
        self.seed = seed
        self.speed = speed
        self.state = state
        self._store: Store | None = None
        self._wake = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = Store(self.state)
        return self._store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await answer(send, *await self._respond(scope, receive))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._telling = asyncio.create_task(self._tell_forever())
        self._telling.add_done_callback(report_end)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._telling.cancel()
        await asyncio.wait([self._telling])
        self.store.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _respond(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, Any]]:
        query = dict(parse_qsl(scope["query_string"].decode("utf-8", "replace")))
        try:
            match scope["method"], scope["path"].rstrip("/"):
                case "POST", "/v1/messages":
                    return self._take(secret_of(scope), await read(receive))
                case "GET", "/v1/messages":
                    return self._known(query.get("ref", ""))
                case "GET", "/v1/truth":
                    return self._truth(query)
                case "GET", "/healthz":
                    telling = self._telling is not None and not self._telling.done()
                    return 200 if telling else 503, {"ok": telling, "waiting": self.store.waiting()}
            return 404, {"code": "NOT_FOUND", "text": "No such address."}
        except SubmissionRefused as refused:
            return refused.http, {"code": refused.code, "text": refused.text}

    # ---- taking ------------------------------------------------------------------------------------------

    def _take(self, secret: str, body: bytes) -> tuple[int, dict[str, Any]]:
        submitted = submission(secret, body)
        nth = self.store.attempts(submitted.channel, submitted.to) + 1
        planned = plan(self.seed, submitted, nth, self.speed)
        self.store.add(submitted, planned)
        self._wake.set()
        if planned.answer.lost:
            return 504, {"text": "The answer got lost on the way."}
        if planned.answer.code:
            return 422, {"code": planned.answer.code, "text": planned.answer.text}
        return 202, {"id": planned.answer.id, "segments": planned.answer.segments}

    def _known(self, ref: str) -> tuple[int, dict[str, Any]]:
        found = self.store.submissions(ref)
        messages = [
            {"id": row["message_id"], "code": row["code"], "text": row["text"], "segments": row["segments"]}
            for row in found
        ]
        return 200 if found else 404, {"submissions": len(found), "messages": messages}

    def _truth(self, query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if "ref" in query:
            rows = self.store.submissions(query["ref"])
        else:
            after = query.get("after", "0")
            if not (after.isascii() and after.isdigit() and len(after) < 19):
                raise SubmissionRefused(400, "BAD_REQUEST", f"after: {after!r} is not a number.")
            rows = self.store.submissions_after(int(after))
        truth = [
            {
                "ref": row["ref"],
                "channel": row["channel"],
                "to": row["address"],
                "reached": bool(row["reached"]),
                "at": row["reached_at"],
                "by_what": row["by_what"],
            }
            for row in rows
        ]
        return 200, {"truth": truth, "next": rows[-1]["id"] if len(rows) == LISTED else None}

    # ---- telling -----------------------------------------------------------------------------------------

    async def _tell_forever(self) -> None:
        async with httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=AT_ONCE)) as client:
            while True:
                self._wake.clear()
                batch = self.store.due(now())
                if not batch:
                    await self._rest()
                    continue
                pauses = await asyncio.gather(*(tell(client, each) for each in batch))
                later = [(now() + pause, each.id) for each, pause in zip(batch, pauses, strict=True) if pause]
                self.store.settle(
                    [each.id for each, pause in zip(batch, pauses, strict=True) if not pause], later
                )

    async def _rest(self) -> None:
        """Until the next callback is due or something was handed over."""
        due = self.store.next_due()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), None if due is None else max(0.01, due - now()))


def report_end(telling: asyncio.Task[None]) -> None:
    """Say so when callbacks stopped by an error: nothing else would."""
    problem = None if telling.cancelled() else telling.exception()
    if problem:
        logger.critical("Callbacks are no longer sent.", exc_info=problem)


async def tell(client: httpx.AsyncClient, callback: PendingCallback) -> float:
    """Make one callback: seconds until it should be tried again, 0 when it is done with."""
    try:
        answered = await client.post(
            callback.url, content=callback.body, headers=json.loads(callback.headers)
        )
    except httpx.InvalidURL:
        return 0.0
    except httpx.HTTPError:
        status, asked = 0, ""
    except Exception:
        # Such as an AttributeError of httpx's when the other side ends just then: no reason to end as well.
        logger.exception("A callback could not be sent, and is tried again")
        status, asked = 0, ""
    else:
        status, asked = answered.status_code, answered.headers.get("retry-after", "")
    worth_it = status in (0, 408, 429) or status >= 500
    if not worth_it or callback.tries + 1 >= GIVE_UP_AFTER:
        return 0.0
    pause = float(asked) if asked.isascii() and asked.isdigit() else 2.0 ** min(callback.tries, 20)
    return min(max(pause, 1.0), LONGEST_PAUSE)


def now() -> float:
    return datetime.now(UTC).timestamp()


def secret_of(scope: Scope) -> str:
    header = dict(scope["headers"]).get(b"authorization", b"").decode("utf-8", "replace")
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise SubmissionRefused(401, "UNAUTHORIZED", "authorization: a bearer secret is needed.")
    return secret.strip()


def submission(secret: str, body: bytes) -> Submission:
    """The message in a request. Raises Refused, naming the field."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise SubmissionRefused(400, "BAD_REQUEST", "body: not JSON.") from problem
    if not isinstance(fields, dict):
        raise SubmissionRefused(400, "BAD_REQUEST", "body: not a JSON object.")
    texts = {name: fields.get(name) or "" for name in TEXTS}
    for name, text in texts.items():
        if not isinstance(text, str) or (name not in FREE_TEXTS and not text.isprintable()):
            raise SubmissionRefused(400, "BAD_REQUEST", f"{name}: not a text.")
    if texts["channel"] not in FATES:
        raise SubmissionRefused(
            400, "BAD_REQUEST", f"channel: {texts['channel']!r} is not one of {', '.join(FATES)}."
        )
    if not texts["callback"].startswith(("http://", "https://")):
        raise SubmissionRefused(400, "BAD_REQUEST", "callback: not an http address.")
    return Submission(
        ref=texts["ref"],
        channel=texts["channel"],
        to=texts["to"],
        sender=texts["from"],
        body=texts["body"],
        callback=texts["callback"],
        at=datetime.now(UTC),
        secret=secret,
        media_url=texts["media_url"],
    )


async def read(receive: Receive) -> bytes:
    """The whole body. Raises Refused when it is too large."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_MAX:
            raise SubmissionRefused(413, "BAD_REQUEST", f"body: more than {BODY_MAX} bytes.")
        if not message.get("more_body"):
            return body


async def answer(send: Send, status: int, fields: dict[str, Any]) -> None:
    body = json.dumps(fields).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
