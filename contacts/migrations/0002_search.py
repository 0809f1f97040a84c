"""A trigram index on names and addresses, so that a part of either is found among a million contacts at once."""

import logging

from django.db import DatabaseError, migrations, transaction

logger = logging.getLogger(__name__)

# Upper case, because that is what Django's case-insensitive look-ups compare.
POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS contact_name_trigram ON contacts_contact USING gin (UPPER(name::text) gin_trgm_ops)",
    "CREATE INDEX IF NOT EXISTS address_value_trigram ON contacts_address USING gin (UPPER(value::text) gin_trgm_ops)",
)
SQLITE = """
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
INDEXED = (
    ("contacts_name_search", "contacts_contact", "name"),
    ("contacts_address_search", "contacts_address", "value"),
)


def make(apps, schema_editor):
    connection = schema_editor.connection
    statements = POSTGRESQL if connection.vendor == "postgresql" else sqlite_steps()
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    except DatabaseError as problem:
        logger.warning("Contact search goes on without its index, and will be slow: %s", problem)


def unmake(apps, schema_editor):
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("DROP INDEX IF EXISTS contact_name_trigram, address_value_trigram")
            return
        for index, _, _ in INDEXED:
            for act in ("insert", "delete", "update"):
                cursor.execute(f"DROP TRIGGER IF EXISTS {index}_{act}")
            cursor.execute(f"DROP TABLE IF EXISTS {index}")


def sqlite_steps():
    for index, table, column in INDEXED:
        yield from SQLITE.format(index=index, table=table, column=column).split("\n;\n")


class Migration(migrations.Migration):
    dependencies = [("contacts", "0001_initial")]
    operations = [migrations.RunPython(make, unmake)]
