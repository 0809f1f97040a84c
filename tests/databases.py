"""The databases that tests run on: migrated once for all the processes of a run, and emptied in a moment."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection, transaction

# A value as a literal of SQL.
LITERAL = {"sqlite": "quote({})", "postgresql": "quote_nullable({}::text)"}

TEMPLATE = "template.sqlite3"
ROOT = Path(__file__).resolve().parent.parent
# What a migrated database follows from: migrating takes half a minute, and a module of tests a few seconds.
MADE_BY = (
    "migrations/*.py", "models.py", "models/*.py", "roles.py", "search_index.py", "meaning/*.py", "**/*.csv",
    "settings.py", "../requirements.txt",
)  # fmt: skip


def folder_of_templates() -> Path | None:
    """Where migrated databases are kept: `tests.run` names it for one run. Where tests are run by hand on SQLite, one
    is kept as long as nothing changes that it follows from. None on PostgreSQL, where it would stay in the server."""
    if given := os.environ.get("TEST_TEMPLATES"):
        return Path(given)
    if connection.vendor != "sqlite":
        return None
    digest = hashlib.sha256()
    for app in ("accounts", "campaigns", "config", "contacts", "deliveries"):
        for path in sorted({path for pattern in MADE_BY for path in (ROOT / app).glob(pattern)}):
            digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"waybill-{getpass.getuser()}-{digest.hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Other processes wait here until this one is through."""
    with lock.open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


def template_name(folder: Path) -> str:
    """What the migrated database is called in PostgreSQL, where `folder` belongs to one run."""
    return f"waybill_{folder.name}".replace("-", "_").lower()


class Template:
    """A migrated database that several processes share: the first of them migrates its own and keeps a copy of it, the
    others wait for that and begin with it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / TEMPLATE
        self.name = template_name(folder)
        self.kept = folder / f"{connection.vendor}.kept"
        self.turn = ExitStack()
        self.turn.enter_context(one_at_a_time(folder / f"{connection.vendor}.lock"))

    def begin(self) -> None:
        """Let the database that is to be made be a copy, if there is something to copy."""
        if not self.kept.exists():
            return
        self.turn.close()
        if connection.vendor == "sqlite":
            connection.creation._create_test_db = self._copied  # type: ignore[method-assign]
        else:
            connection.settings_dict["TEST"]["TEMPLATE"] = self.name

    def keep(self) -> None:
        """The database is made: keep a copy, if there is none."""
        if self.kept.exists():
            return
        if connection.vendor == "sqlite":
            Path(f"{self.file}.new").unlink(missing_ok=True)
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [f"{self.file}.new"])
            Path(f"{self.file}.new").rename(self.file)
        else:
            connection.close()  # or it could not be copied
            with connection.creation._nodb_cursor() as cursor:
                cursor.execute(f'CREATE DATABASE "{self.name}" TEMPLATE "{connection.settings_dict["NAME"]}"')
        self.kept.touch()
        self.turn.close()

    def _copied(self, *_: object) -> str:
        name = connection.settings_dict["TEST"]["NAME"]
        shutil.copyfile(self.file, name)
        return name


# No test takes the power away from the server, and none asks for so much that compiling its query would pay.
QUICKER = {"synchronous_commit": "off", "jit": "off"}


def hasten() -> None:
    """Let the database be put back in a few statements after tests that commit.

    By itself Django saves each row of the migrations as an object; and PostgreSQL is to give each of a hundred tables
    and their indexes a new file.
    """
    statements = rows_of_migrations()
    creation, operations = connection.creation, connection.ops
    creation.deserialize_db_from_string = lambda _: execute(statements)  # type: ignore[method-assign]
    # Without it rights and types would be made anew after each of those tests, which takes seconds.
    connection._test_serialized_contents = ""
    if connection.vendor == "postgresql":
        operations.sql_flush = deleting(is_superuser())  # type: ignore[method-assign]
        name = operations.quote_name(connection.settings_dict["NAME"])
        execute([f"ALTER DATABASE {name} SET {setting} = {value}" for setting, value in QUICKER.items()])
        connection.close()  # they hold for connections from now on


def rows_of_migrations() -> list[str]:
    """A statement for each table with rows, of the apps whose rows come back, that inserts them where they are gone."""
    statements = []
    quote = connection.ops.quote_name
    for model in apps.get_models(include_auto_created=True):
        meta = model._meta
        if meta.proxy or not meta.managed or meta.app_config.name in settings.TEST_NON_SERIALIZED_APPS:
            continue
        names = [quote(field.column) for field in meta.concrete_fields]
        literals = ", ".join(LITERAL[connection.vendor].format(name) for name in names)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {literals} FROM {quote(meta.db_table)}")
            rows = ", ".join(f"({', '.join(row)})" for row in cursor.fetchall())
        if rows:
            into = f"{quote(meta.db_table)} ({', '.join(names)})"
            statements.append(f"INSERT INTO {into} VALUES {rows} ON CONFLICT DO NOTHING")
    return statements


def execute(statements: list[str]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def is_superuser() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        return bool(cursor.fetchone()[0])


def deleting(is_superuser: bool) -> Callable[..., list[str]]:
    """A `sql_flush` that deletes rows. For a superuser nothing is checked row by row: all of them go."""

    def statements(style: object, tables: list[str], **options: bool) -> list[str]:
        unchecked = ["SET LOCAL session_replication_role = replica"] if is_superuser else []
        return [*unchecked, *(f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables)]

    return statements
