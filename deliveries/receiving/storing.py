"""Receipts onto disk, many at once. What returns has been committed.

The receiver calls `store` from its one batch task; the demo's simulated clock calls it too, so that history
comes in by the same door.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection, transaction

from deliveries.models import PendingReceipt, Receipt


class Incoming(NamedTuple):
    """One verified callback, word for word. `query` is the raw query string."""

    account_id: int
    kind: str
    received_at: datetime
    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes


# One statement for any number of receipts: arrays in, both rows out. Binary arrays (%b), because the driver quotes
# each value of a text array on its own, which cost more than the rest of a request.
POSTGRESQL = """
WITH arrived AS (
  INSERT INTO deliveries_receipt (account_id, kind, received_at, method, query, headers, body)
  SELECT * FROM unnest(
    %b::bigint[], %b::text[], %b::timestamptz[], %b::text[], %b::text[], %b::text[]::jsonb[], %b::bytea[])
  RETURNING id)
INSERT INTO deliveries_pendingreceipt (receipt_id, state, attempts, reason) SELECT id, 'new', 0, '' FROM arrived
"""


def columns(batch: Sequence[Incoming]) -> list[list]:
    """The batch as one list per column, ready for `POSTGRESQL`."""
    accounts, kinds, times, methods, queries, headers, bodies = zip(*batch, strict=True)
    return [
        list(accounts),
        list(kinds),
        list(times),
        list(methods),
        list(queries),
        [json.dumps(dict(h)) for h in headers],
        list(bodies),
    ]


def store(batch: Sequence[Incoming]) -> None:
    """Insert the batch through Django's connection, in the caller's transaction or one of its own."""
    if not batch:
        return
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(POSTGRESQL, columns(batch))
        else:
            rows = Receipt.objects.bulk_create([Receipt(**i._asdict()) for i in batch], batch_size=100)
            PendingReceipt.objects.bulk_create(
                [PendingReceipt(receipt_id=r.pk) for r in rows], batch_size=300
            )


def sqlite_text(moment: datetime) -> str:
    """A moment as Django writes it into SQLite: UTC without its zone."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ")


def store_in_sqlite(database: sqlite3.Connection, batch: Sequence[Incoming]) -> None:
    """The same on a plain connection, for the receiver's writer thread.

    The write lock is taken first, so the ids it hands out cannot be taken by anybody else.
    """
    database.execute("BEGIN IMMEDIATE")
    try:
        (last,) = database.execute("SELECT coalesce(max(id), 0) FROM deliveries_receipt").fetchone()
        database.executemany(
            "INSERT INTO deliveries_receipt (id, account_id, kind, received_at, method, query, headers, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (last + n, i.account_id, i.kind, sqlite_text(i.received_at), i.method, i.query,
                 json.dumps(dict(i.headers)), i.body)
                for n, i in enumerate(batch, start=1)
            ],
        )  # fmt: skip
        database.executemany(
            "INSERT INTO deliveries_pendingreceipt (receipt_id, state, attempts, reason) VALUES (?, 'new', 0, '')",
            [(last + n,) for n in range(1, len(batch) + 1)],
        )
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # some errors roll it back by themselves
            database.execute("ROLLBACK")
        raise
