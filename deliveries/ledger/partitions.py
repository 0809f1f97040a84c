"""Receipts and status events stand in partitions by id on PostgreSQL: made ahead of the ids, dropped as a whole.

A partition holds a range of ids. The last one has no end, so that a row is never refused: long before the ids reach it
a step gives it one and makes the next. Without a partition for "everything else" PostgreSQL also knows that the
partitions follow each other in order, and reads the newest rows from the last of them alone.

SQLite has one table for each, and nothing here is asked of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg.errors import UndefinedObject

from deliveries.models import Message, Receipt, StatusEvent

logger = logging.getLogger(__name__)

# Everybody who comes after us waits as long as we wait for a table: a moment, then the step gives up until later.
LOCK_TIMEOUT = "2s"

PARTITIONS = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), greatest(c.reltuples, 0)::bigint
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass
"""
BOUNDS = re.compile(r"FROM \((?:MINVALUE|'?(\d+)'?)\) TO \((?:MAXVALUE|'?(\d+)'?)\)")
LAST_ID = "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence(%s, 'id')::regclass), 0)"


@dataclass(frozen=True)
class Partitioned:
    """A table in partitions: by which column, and the table whose sequence gives its ids."""

    table: str
    key: str
    ids_of: str

    @property
    def last_id(self) -> int:
        """The newest id that was given out; 0 as long as there is none."""
        with connection.cursor() as cursor:
            cursor.execute(LAST_ID, [self.ids_of])
            return int(cursor.fetchone()[0])

    def partitions(self) -> list[Partition]:
        """In order of their ids; none on SQLite."""
        if connection.vendor != "postgresql":
            return []
        with connection.cursor() as cursor:
            cursor.execute(PARTITIONS, [self.table])
            found = [Partition(name, *_bounds(bound), rows) for name, bound, rows in cursor.fetchall()]
        return sorted(found, key=lambda one: one.low)


@dataclass(frozen=True)
class Partition:
    """The ids from `low` on and below `end`; the last one has no end. `rows` is PostgreSQL's estimate."""

    name: str
    low: int
    end: int | None
    rows: int


RECEIPTS = Partitioned(Receipt._meta.db_table, "id", Receipt._meta.db_table)
# By message and not by an id of their own: PostgreSQL can only hold (message, fact) unique within a partition.
EVENTS = Partitioned(StatusEvent._meta.db_table, "message_id", Message._meta.db_table)


def make_ahead(now: datetime) -> int:
    """Keep at least one partition's worth of ids free before the one without end; return how many were made."""
    return sum(_make_ahead(those) for those in (RECEIPTS, EVENTS))


def _make_ahead(those: Partitioned) -> int:
    made, size = 0, settings.PARTITION_ROWS
    while found := those.partitions():
        last = found[-1]
        newest = _newest(those, last)
        if last.low >= newest + size:
            break
        full = newest >= last.low
        end = (max(last.low, newest) // size + (2 if full else 1)) * size
        if not _give_end(those, last, end, full):
            break
        logger.info("%s: the next partition begins at %d", those.table, end)
        made += 1
    return made


def _newest(those: Partitioned, last: Partition) -> int:
    """The greatest id given out, or stored in the last partition with an id of its own."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max({those.key}), 0) FROM {last.name}")  # noqa: S608 - our own names
        return max(those.last_id, cursor.fetchone()[0])


def _give_end(those: Partitioned, last: Partition, end: int, full: bool) -> bool:
    """Let the last partition end before `end`, and another one begin there. False: another process was faster.

    Where it has rows already, because this step did not run for long, they are proved to lie below `end` before
    the table is locked. They stay where they are.
    """
    if not full:
        return _split(those, last, end)
    proved = f"{last.name}_below"
    drop = f"ALTER TABLE {last.name} DROP CONSTRAINT IF EXISTS {proved}"
    check = f"CHECK ({those.key} >= {last.low} AND {those.key} < {end})"
    try:
        _at_once(drop, f"ALTER TABLE {last.name} ADD CONSTRAINT {proved} {check} NOT VALID")
        _at_once(f"ALTER TABLE {last.name} VALIDATE CONSTRAINT {proved}")
        return _split(those, last, end)
    except ProgrammingError as problem:
        if isinstance(problem.__cause__, UndefinedObject):
            return False  # the other has dropped the constraint of this name, and goes on
        raise
    finally:
        _at_once(drop)  # left behind, it would refuse rows in the end


def _split(those: Partitioned, last: Partition, end: int) -> bool:
    with locked(those) as cursor:
        if those.partitions()[-1].name != last.name:
            return False
        for statement in (
            f"ALTER TABLE {those.table} DETACH PARTITION {last.name}",
            f"ALTER TABLE {those.table} ATTACH PARTITION {last.name} FOR VALUES FROM ({last.low}) TO ({end})",
            f"CREATE TABLE {those.table}_p{end} PARTITION OF {those.table} FOR VALUES FROM ({end}) TO (MAXVALUE)",
        ):
            cursor.execute(statement)
    return True


def drop_below(those: Partitioned, bound: int, keep: str, values: list[Any]) -> int:
    """Drop the partitions of ids below `bound`, the end of one of them; return about how many rows that were.

    One partition stays for all ids below, as what comes late may still belong there. It begins with the rows of which
    the condition `keep` (with `values`) holds. Call with the table `locked`.
    """
    old = [one for one in those.partitions() if one.end is not None and one.end <= bound]
    aside = [f"{those.table}_old{number}" for number in range(len(old))]
    first = f"{those.table}_p0"
    with connection.cursor() as cursor:
        for one, name in zip(old, aside, strict=True):
            cursor.execute(f"ALTER TABLE {those.table} DETACH PARTITION {one.name}")
            cursor.execute(f"ALTER TABLE {one.name} RENAME TO {name}")
            _rename_indexes(cursor, name)
        cursor.execute(
            f"CREATE TABLE {first} PARTITION OF {those.table} FOR VALUES FROM (MINVALUE) TO ({bound})"
        )
        for name in aside:
            cursor.execute(f"INSERT INTO {first} SELECT * FROM {name} WHERE {keep}", values)  # noqa: S608 - our own names
            cursor.execute(f"DROP TABLE {name}")
    return sum(one.rows for one in old)


def _rename_indexes(cursor: CursorWrapper, table: str) -> None:
    """So that those of a new partition find their names free."""
    cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass", [table])
    for number, (name,) in enumerate(cursor.fetchall()):
        cursor.execute(f"ALTER INDEX {name} RENAME TO {table}_{number}")


@contextmanager
def locked(those: Partitioned) -> Iterator[CursorWrapper]:
    """A transaction that has the table to itself, for a moment: everybody else waits for it to end.

    Raises OperationalError when somebody keeps the table for longer than LOCK_TIMEOUT.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        _wait_briefly(cursor)
        cursor.execute(f"LOCK TABLE ONLY {those.table} IN ACCESS EXCLUSIVE MODE")
        yield cursor


def _at_once(*statements: str) -> None:
    """These in one transaction, or none of them if a table cannot be had."""
    with transaction.atomic(), connection.cursor() as cursor:
        _wait_briefly(cursor)
        for statement in statements:
            cursor.execute(statement)


def _wait_briefly(cursor: CursorWrapper) -> None:
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])


def _bounds(text: str) -> tuple[int, int | None]:
    """(from, to) of what PostgreSQL says of a partition's bounds; 0 and None where it is open."""
    found = BOUNDS.search(text)
    assert found is not None, text
    return int(found[1] or 0), int(found[2]) if found[2] else None
