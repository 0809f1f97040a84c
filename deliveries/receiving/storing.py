"""Receipts onto disk, many at once. What returns has been committed.

The receiver calls `store` from its one batch task; the demo's simulated clock calls it too, so that history
comes in by the same door.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection, transaction

from deliveries.ledger.statements.sqlite import sqlite_text
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

    @property
    def inbound(self) -> bool:
        """Whether a person may have written it, or pressed a key: judged by its address and a look at its words.

        Such receipts are recorded before all others, so one too many costs next to nothing.
        """
        if self.kind in PERSONS_KINDS:
            return True
        if self.kind == MAIL_KIND:
            end = END_OF_HEADERS.search(self.body, 0, MAIL_HEADERS)
            head = self.body[: end.start() if end else MAIL_HEADERS]
            by_a_machine = BY_A_MACHINE.search(head) and not TO_UNSUBSCRIBE.search(head)
            return not by_a_machine or COMPLAINT in self.body
        words = self.body.lower()
        return any(hint in words for hint in HINTS) and PERSONS_WORDS.search(words) is not None


PERSONS_KINDS = frozenset({"inbound", "keys"})
# Events of providers that have one address for everything, in lower case. Not what stands in every callback of some:
# the header List-Unsubscribe, Amazon's UnsubscribeURL, "dnc": false.
PERSONS_WORDS = re.compile(
    rb"(?:message|msg|sms)[.-](?:received|opt)|fromfull|opt[-_ ]?(?:ed[-_ ]?)?out|subscriptionchange|%22inbound%22"
    rb"|(?<!list-)(?<!action=)unsubscri(?!beurl)|\bdnc\b(?!\"?\s*[:=]\s*\"?(?:false|0|no|null))"
    rb"|(?:[:\[]\s*\\?\"|%22|=)(?:email\.|activity\.)?(?:unsub|complain(?:t|ed)|spam(?:[-_ ]?(?:complaint|report))?)"
    rb"(?:\\?\"|%22|&|$)"
    rb"|menuresult|(?:dtmf\w*|digits)\"\s*:\s*\"[\d*#]",  # keys pressed in a call: one ends them
)
# One of these stands in whatever matches: looking for them takes a tenth of the time.
HINTS = (
    b"received", b"msg", b"fromfull", b"opt", b"subscri", b"unsub", b"inbound", b"dnc", b"complain", b"spam",
    b"menuresult", b"dtmf", b"digits",
)  # fmt: skip
MAIL_KIND, MAIL_HEADERS = "dsn", 8_192
END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
COMPLAINT = b"feedback-report"
BY_A_MACHINE = re.compile(
    rb"^(?:return-path:\s*<>|content-type:\s*multipart/report|auto-submitted:\s*auto|from:.*(?:mailer-daemon|postmaster)@)",
    re.I | re.M,
)
# A mail program writes it for its user, and may say so.
TO_UNSUBSCRIBE = re.compile(rb"^(?:to|delivered-to|x-original-to):.*\bunsubscribe[+@]", re.I | re.M)

# One statement for any number of receipts: arrays in, both rows out. Binary arrays (%b), because the driver quotes
# each value of a text array on its own, which cost more than the rest of a request.
POSTGRESQL = """
WITH arrived AS (
  SELECT nextval((SELECT pg_get_serial_sequence('deliveries_receipt', 'id'))::regclass) AS id, each.* FROM unnest(
    %b::bigint[], %b::text[], %b::timestamptz[], %b::text[], %b::text[], %b::text[]::jsonb[], %b::bytea[], %b::bool[])
    AS each (account_id, kind, received_at, method, query, headers, body, inbound)
), stored AS (
  INSERT INTO deliveries_receipt (id, account_id, kind, received_at, method, query, headers, body)
  SELECT id, account_id, kind, received_at, method, query, headers, body FROM arrived)
INSERT INTO deliveries_pendingreceipt (receipt_id, state, attempts, reason, inbound)
SELECT id, 'new', 0, '', inbound FROM arrived
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
        [each.inbound for each in batch],
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
                [
                    PendingReceipt(receipt_id=r.pk, inbound=i.inbound)
                    for r, i in zip(rows, batch, strict=True)
                ],
                batch_size=300,
            )


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
            "INSERT INTO deliveries_pendingreceipt (receipt_id, state, attempts, reason, inbound)"
            " VALUES (?, 'new', 0, '', ?)",
            [(last + n, i.inbound) for n, i in enumerate(batch, start=1)],
        )
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # some errors roll it back by themselves
            database.execute("ROLLBACK")
        raise
