"""PostgreSQL: COPY into a temporary table, then one statement that does the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from deliveries.ledger.statements.values import Applied, ClaimedReceipt, EventRow
from deliveries.models import Outbox
from deliveries.statuses import REACHING, SETTLED

CLAIM = """
SELECT p.receipt_id, p.attempts FROM deliveries_pendingreceipt p
WHERE p.state = 'new' {these} ORDER BY p.receipt_id LIMIT %s FOR UPDATE SKIP LOCKED
"""

# Asked for by their ids, so that PostgreSQL sees from the bounds which partitions hold them, and opens no other.
# A join would open all of them.
CLAIMED = """
SELECT id, account_id, kind, received_at, method, query, headers::text, body FROM deliveries_receipt
WHERE id BETWEEN %s AND %s AND id = ANY(%s::bigint[]) ORDER BY id
"""

# One array instead of thousands of parameters, which the ORM, the driver and the parser would each walk through.
BY_REF = "SELECT uuid::text, account_id, id, goal FROM deliveries_message WHERE uuid = ANY(%s::uuid[])"

# The condition of the index is said again: a long array does not prove it.
BY_PROVIDER_ID = """
SELECT provider_message_id, id, goal FROM deliveries_message
WHERE account_id = %s AND provider_message_id = ANY(%s::text[]) AND NOT (provider_message_id = '')
"""

# For the expansion of an audience: ids in advance, so that three tables can be filled without joining back.
# The sub-select asks for the sequence's name once, instead of for every row.
NEXT_ID = "nextval((SELECT pg_get_serial_sequence('{table}', 'id'))::regclass)"

# The same: when the one with this id leaves, where `o` says when it may and over how many seconds that is spread. As
# `contacts.hours.spread` says it.
SPREAD_DUE = "o.due_at + (message_id * o.step %% o.spread_over) * interval '1 second'"

INBOX = """
CREATE TEMPORARY TABLE IF NOT EXISTS inbox (
  message_id bigint, fact bigint, receipt_id bigint, status text, precedence bigint, failure_class text, fault text,
  evidence text, native_status text, native_code text, native_text text, part smallint, parts smallint,
  occurred_at timestamptz, disposition text, reason_code text) ON COMMIT DELETE ROWS
"""

# 1. Write the events; a fact that is known already changes nothing, unless this report of it is earlier.
# 2. Of the new ones take the greatest for each message; messages in parts are projected separately.
# 3. Lock the messages it moves, in order of id, so that two recorders queue up instead of deadlocking. The lock
#    reads the newest version, so the comparison holds when another recorder was faster.
# 4. Move them, append the change of the tallies, and note it for deciding.
APPLY = """
WITH written AS (
  INSERT INTO deliveries_statusevent AS e (
    message_id, fact, receipt_id, status, precedence, failure_class, fault, evidence, native_status, native_code,
    native_text, part, parts, occurred_at, recorded_at, mapping_version)
  SELECT message_id, fact, receipt_id, status, precedence, failure_class, fault, evidence, native_status, native_code,
    native_text, part, parts, occurred_at, %(now)s, %(version)s
  FROM inbox ORDER BY message_id, fact
  ON CONFLICT (message_id, fact) DO UPDATE SET occurred_at = excluded.occurred_at
    WHERE excluded.occurred_at < e.occurred_at
  RETURNING message_id, fact, status, precedence, parts, occurred_at
), best AS (
  SELECT DISTINCT ON (t.message_id) t.message_id, t.precedence, t.status, t.occurred_at,
    i.failure_class, i.fault, i.evidence, i.disposition, i.reason_code,
    CASE WHEN t.status = ANY(%(settled)s) THEN t.occurred_at END AS settled_at
  FROM written t JOIN inbox i USING (message_id, fact)
  WHERE t.parts <= 1 ORDER BY t.message_id, t.precedence DESC
), times AS (
  SELECT message_id, min(occurred_at) FILTER (WHERE status = 'sent') AS sent_at,
    min(occurred_at) FILTER (WHERE status = ANY(%(reaching)s)) AS delivered_at
  FROM written WHERE parts <= 1 GROUP BY message_id
), old AS (
  SELECT m.id, m.campaign_id, m.created_on, m.channel, m.account_id, m.carrier, m.region, m.list_source_id,
    m.status, m.failure_class, m.disposition, m.reason_code, m.parts > 1 AS in_parts,
    b.precedence > m.precedence AND m.parts <= 1 AS wins
  FROM deliveries_message m JOIN best b ON b.message_id = m.id JOIN times t ON t.message_id = m.id
  WHERE m.parts > 1 OR b.precedence > m.precedence OR t.sent_at < coalesce(m.sent_at, 'infinity')
    OR t.delivered_at < coalesce(m.delivered_at, 'infinity')
    OR (b.precedence = m.precedence AND b.settled_at < m.settled_at)
  ORDER BY m.id FOR UPDATE OF m
), new AS (
  UPDATE deliveries_message m SET
    status = CASE WHEN o.wins THEN b.status ELSE m.status END,
    precedence = greatest(m.precedence, b.precedence),
    failure_class = CASE WHEN o.wins THEN b.failure_class ELSE m.failure_class END,
    fault = CASE WHEN o.wins THEN b.fault ELSE m.fault END,
    evidence = CASE WHEN o.wins THEN b.evidence ELSE m.evidence END,
    disposition = CASE WHEN o.wins THEN b.disposition ELSE m.disposition END,
    reason_code = CASE WHEN o.wins THEN b.reason_code ELSE m.reason_code END,
    sent_at = least(m.sent_at, t.sent_at),
    delivered_at = least(m.delivered_at, t.delivered_at),
    settled_at = CASE WHEN o.wins THEN b.settled_at
                      WHEN b.precedence = m.precedence THEN least(m.settled_at, b.settled_at) ELSE m.settled_at END,
    updated_at = CASE WHEN o.wins THEN %(now)s ELSE m.updated_at END
  FROM old o JOIN best b ON b.message_id = o.id JOIN times t ON t.message_id = o.id
  WHERE m.id = o.id AND NOT o.in_parts
  RETURNING m.id, m.campaign_id, m.created_on, m.channel, m.account_id, m.carrier, m.region, m.list_source_id,
    m.status, m.failure_class, m.disposition, m.reason_code, o.in_parts, o.wins
), change AS (
  INSERT INTO deliveries_tallydelta (campaign_id, day, channel, account_id, carrier, region, list_source_id,
    status, failure_class, disposition, reason_code, n)
  SELECT campaign_id, created_on, channel, account_id, carrier, region, list_source_id, status, failure_class,
    disposition, reason_code, sum(n)
  FROM (SELECT old.*, -1 AS n FROM old WHERE wins UNION ALL SELECT new.*, 1 FROM new WHERE wins) both_sides
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 HAVING sum(n) <> 0
), noted AS (
  INSERT INTO deliveries_statuschange (message_id, changed_at) SELECT id, %(now)s FROM new WHERE wins
)
SELECT (SELECT count(*) FROM written), (SELECT count(*) FROM new WHERE wins),
  (SELECT array_agg(id) FROM (SELECT message_id AS id FROM written WHERE parts > 1
                              UNION SELECT id FROM old WHERE in_parts) AS those_in_parts)
"""


# Locked in order of the key first, since an UPDATE that joins takes its rows in whatever order suits it.
REWRITE = """
WITH given AS MATERIALIZED (SELECT * FROM unnest({arrays}) AS given({names})),
locked AS (SELECT t.{key} FROM {table} t JOIN given USING ({key}) ORDER BY t.{key} FOR UPDATE OF t)
UPDATE {table} t SET {sets} FROM given JOIN locked USING ({key}) WHERE t.{key} = given.{key}
"""

DUE = """
SELECT due.* FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS lane(account_id, sender_id, places)
CROSS JOIN LATERAL (
  SELECT * FROM deliveries_outbox o
  WHERE o.account_id = lane.account_id AND o.sender_id = lane.sender_id AND o.urgent = %s AND o.claimed_until IS NULL
    AND o.due_at <= %s AND NOT o.campaign_id = ANY(%s) AND NOT o.message_id = ANY(%s)
  ORDER BY o.due_at, o.message_id LIMIT lane.places FOR UPDATE SKIP LOCKED) AS due
"""


def lock_due(
    shares: Mapping[tuple[int, int], int],
    now: datetime,
    without: Sequence[int],
    taken: Sequence[int],
    *,
    urgent: bool,
) -> list[Outbox]:
    """Up to so many due rows of each (account, sender), the longest waiting first, for this transaction alone."""
    lanes = [list(column) for column in zip(*shares, strict=True)]
    return list(
        Outbox.objects.raw(DUE, [*lanes, list(shares.values()), urgent, now, list(without), list(taken)])
    )


def rewrite(table: str, columns: Mapping[str, str], values: Sequence[Sequence[Any]]) -> None:
    """`columns` are names and types, the key first; `values` has a row for each, in the same order."""
    key, *others = columns
    sql = REWRITE.format(
        table=table,
        key=key,
        names=", ".join(columns),
        arrays=", ".join(f"%s::{kind}[]" for kind in columns.values()),
        sets=", ".join(f"{name} = given.{name}" for name in others),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(column) for column in zip(*values, strict=True)])


def new_reference(moment: str) -> str:
    """SQL that gives every row a reference of its own; `moment` as `references.moment` gives it."""
    return f"overlay(gen_random_uuid()::text PLACING '{moment[:8]}-{moment[8:]}-7' FROM 1 FOR 15)::uuid"


def claim_receipts(
    limit: int, ids: Sequence[int] | None = None, *, inbound: bool = False
) -> list[ClaimedReceipt]:
    these = ("" if ids is None else "AND p.receipt_id = ANY(%s)") + (" AND p.inbound" if inbound else "")
    with connection.cursor() as cursor:
        cursor.execute(CLAIM.format(these=these), [limit] if ids is None else [list(ids), limit])
        attempts = dict(cursor.fetchall())
        if not attempts:
            return []
        cursor.execute(CLAIMED, [min(attempts), max(attempts), list(attempts)])
        return [
            ClaimedReceipt(id, account, kind, at, method, query, json.loads(headers), body, attempts[id])
            for id, account, kind, at, method, query, headers, body in cursor.fetchall()
        ]


def messages_by_ref(refs: Sequence[str]) -> list[tuple[str, int, int, str]]:
    """(reference, account, message, goal)"""
    with connection.cursor() as cursor:
        cursor.execute(BY_REF, [list(refs)])
        return cursor.fetchall()


def messages_by_provider_id(account: int, ids: Sequence[str]) -> list[tuple[str, int, str]]:
    """(provider's id, message, goal)"""
    with connection.cursor() as cursor:
        cursor.execute(BY_PROVIDER_ID, [account, list(ids)])
        return cursor.fetchall()


def apply_events(
    events: Sequence[EventRow], now: datetime, mapping_version: int
) -> tuple[Applied, list[int]]:
    """See `statements.apply_events`; also returns the messages that report in parts."""
    with connection.cursor() as cursor:
        cursor.execute(INBOX)
        cursor.execute("DELETE FROM inbox")  # what an earlier call in this transaction left
        with cursor.copy("COPY inbox FROM STDIN") as copy:
            for event in events:
                copy.write_row(event)
        cursor.execute(
            APPLY,
            {
                "now": now,
                "version": mapping_version,
                "settled": sorted(SETTLED),
                "reaching": sorted(REACHING),
            },
        )
        written, changed, in_parts = cursor.fetchone()
    return Applied(written, changed), in_parts or []
