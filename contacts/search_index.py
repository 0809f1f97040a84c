"""The trigram indexes of the search: pg_trgm on PostgreSQL, FTS5 tables kept by triggers on SQLite.

They are made after every migration where they are missing: SQLite forgets the triggers of a table whenever a migration
has to rebuild it, and a search that finds only older contacts would look like one that works.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, connections, transaction

logger = logging.getLogger(__name__)

INDEXED = (
    ("contacts_folded_search", "contacts_contact", "search_name"),
    ("contacts_address_search", "contacts_address", "value"),
    ("contacts_reply_search", "contacts_reply", "text"),
)
ACTS = ("insert", "delete", "update")
# Addresses and replies in upper case, because that is what Django's case-insensitive look-ups compare.
POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS contact_folded_trigram ON contacts_contact USING gin (search_name gin_trgm_ops)",
    "CREATE INDEX IF NOT EXISTS address_value_trigram ON contacts_address USING gin (UPPER(value::text) gin_trgm_ops)",
    "CREATE INDEX IF NOT EXISTS reply_text_trigram ON contacts_reply USING gin (UPPER(text) gin_trgm_ops)",
)
SQLITE = """
DROP TABLE IF EXISTS {index}
;
CREATE VIRTUAL TABLE {index} USING fts5({column}, content='{table}', content_rowid='id', tokenize='trigram')
;
CREATE TRIGGER {index}_insert AFTER INSERT ON {table} BEGIN
  INSERT INTO {index}(rowid, {column}) VALUES (new.id, new.{column});
END
;
CREATE TRIGGER {index}_delete AFTER DELETE ON {table} BEGIN
  INSERT INTO {index}({index}, rowid, {column}) VALUES ('delete', old.id, old.{column});
END
;
CREATE TRIGGER {index}_update AFTER UPDATE OF {column} ON {table} BEGIN
  INSERT INTO {index}({index}, rowid, {column}) VALUES ('delete', old.id, old.{column});
  INSERT INTO {index}(rowid, {column}) VALUES (new.id, new.{column});
END
;
INSERT INTO {index}({index}) VALUES ('rebuild')
"""


def unmake() -> None:
    """Without them, for whoever fills the tables with millions of rows: `make` then makes them in one go."""
    with connections["default"].cursor() as cursor:
        if connections["default"].vendor == "postgresql":
            cursor.execute(
                "DROP INDEX IF EXISTS contact_folded_trigram, address_value_trigram, reply_text_trigram"
            )
            return
        for index, _, _ in INDEXED:
            for act in ACTS:
                cursor.execute(f"DROP TRIGGER IF EXISTS {index}_{act}")
            cursor.execute(f"DROP TABLE IF EXISTS {index}")


def make(using: str = "default", **kwargs: Any) -> None:
    """Make what is missing; a signal's receiver. A database that cannot have an index goes on without, and says so."""
    connection = connections[using]
    if connection.vendor not in ("postgresql", "sqlite"):
        return
    try:
        with transaction.atomic(using=using), connection.cursor() as cursor:
            described = connection.introspection.get_table_description(cursor, "contacts_contact")
            known = set(connection.introspection.table_names(cursor))
            if "search_name" not in {column.name for column in described} or "contacts_reply" not in known:
                return  # migrated back to before these, with the indexes of that time
            for statement in POSTGRESQL if connection.vendor == "postgresql" else _missing(cursor):
                cursor.execute(statement)
    except DatabaseError as problem:
        logger.warning("Contact search goes on without its index, and will be slow: %s", problem)


def _missing(cursor: Any) -> list[str]:
    """The statements that make SQLite's indexes anew, for each that lacks its table or one of its triggers."""
    cursor.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'trigger')")
    there = {name for (name,) in cursor.fetchall()}
    statements: list[str] = []
    for index, table, column in INDEXED:
        parts = {index, *(f"{index}_{act}" for act in ACTS)}
        if table in there and not parts <= there:
            statements += [f"DROP TRIGGER IF EXISTS {index}_{act}" for act in ACTS]
            statements += SQLITE.format(index=index, table=table, column=column).split("\n;\n")
    return statements
