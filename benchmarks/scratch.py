"""Scratch databases: made for one run, dropped after it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from tests.run import find_postgresql

ROOT = Path(__file__).resolve().parent.parent


class Databases:
    """Copies of one migrated, empty database. URLs as DATABASE_URL takes them."""

    def __init__(self, vendor: str, folder: Path) -> None:
        self.vendor, self.folder = vendor, folder
        self.made: list[str] = []
        self.server = ""
        if vendor == "postgresql":
            found, problem = find_postgresql()
            if not found:
                raise SystemExit(f"No {problem.pop()}. Or choose --database sqlite.")
            self.server = found.rpartition("/")[0]
        self.template = self._create("template")
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=ROOT, env=environment(self.template, self.folder), check=True)

    def make(self, name: str) -> str:
        """The URL of a fresh copy."""
        if self.vendor == "sqlite":
            target = self.folder / f"{name}.sqlite3"
            shutil.copyfile(self._file(self.template), target)
            return f"sqlite:///{target}"
        return self._create(name, template=self.template.rpartition("/")[2])

    def drop(self, url: str) -> None:
        if self.vendor == "sqlite":
            for path in self.folder.glob(f"{self._file(url).name}*"):
                path.unlink()
            return
        name = url.rpartition("/")[2]
        with self._admin() as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
        self.made.remove(url)

    def close(self) -> None:
        for url in list(self.made):
            self.drop(url)

    def _create(self, name: str, template: str = "template1") -> str:
        if self.vendor == "sqlite":
            return f"sqlite:///{self.folder / name}.sqlite3"
        database = f"waybill_bench_{os.getpid()}_{name}"
        with self._admin() as connection:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(database), sql.Identifier(template)
                )
            )
        url = f"{self.server}/{database}"
        self.made.append(url)
        return url

    def _admin(self) -> psycopg.Connection:
        return psycopg.connect(f"{self.server}/postgres", autocommit=True)

    @staticmethod
    def _file(url: str) -> Path:
        return Path(url.removeprefix("sqlite:///"))


def environment(database: str, folder: Path, **more: str) -> dict[str, str]:
    """The environment of a process that works on `database`: nothing of the caller's settings comes along."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    ours = {"DATABASE_URL": database, "WAYBILL_VAR": str(folder / "var"), "PYTHONUNBUFFERED": "1"}
    return {**kept, **ours, "DJANGO_SETTINGS_MODULE": "config.settings", **more}


@contextmanager
def databases(vendor: str, folder: Path) -> Iterator[Databases]:
    made = Databases.__new__(Databases)
    made.made = []
    try:
        made.__init__(vendor, folder)  # type: ignore[misc] - so that a failed start is cleaned up as well
        yield made
    finally:
        made.close()
