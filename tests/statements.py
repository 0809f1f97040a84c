"""Which tests another database has to run again: those whose statements it would not get otherwise.

While the tests run on SQLite, each notes the statements that it sends. On PostgreSQL a test is left out when others
that run there send each of them. What a statement of the same text may still do differently on two databases stays:
one that is written by hand, one that is refused, one about moments in a time zone, values that not every column takes,
several connections, and whatever hypothesis thinks of. But tests of pages are about what is done with the rows: which
ones a statement by hand finds is proved in the room where it stands.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest import mock

import django
import pytest
from django.db import connection
from django.db.models.expressions import RawSQL

DJANGO = str(Path(django.__file__).parent)
BACKENDS = str(Path(DJANGO) / "db" / "backends")  # where what anybody sends passes through
RAW = str(Path(DJANGO) / "db" / "models" / "sql" / "query.py")  # where it sends what was written for `raw`
NUMBERS = re.compile(r"(?<![\w\"])\d+|'[^']*'|%s")
ROWS = re.compile(r"VALUES \([^()]*\)(?:, \([^()]*\))*")  # to insert
VALUES = re.compile(r"#(?:, #)*")  # of an IN
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
# Functions in Python, which stand in for those of a database.
EMULATED = re.compile(r"\bdjango_\w+\(|\bREGEXP\b")
INTEGERS = range(
    2**31, 10**13
)  # what an integer column refuses; keys of facts are longer, and have columns for it
PAGES = ("tests/admin/", "tests/dashboard/", "tests/public/")
LONG, LETTERS = 100, 12  # "x" * 300, as tests write what is too long; not what is encrypted, nor JSON


@lru_cache(10_000)
def key(statement: str) -> str:
    """A short name of its shape: there are thousands of tests."""
    return hashlib.sha256(shape(statement).encode()).hexdigest()[:16]


def shape(statement: str) -> str:
    """The same for however many values, rows and savepoints."""
    if statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
        return statement.split()[0]
    return ROWS.sub("VALUES", VALUES.sub("#", NUMBERS.sub("#", statement)))


def is_awkward(value: object) -> bool:
    """Whether some columns of some databases refuse such a value."""
    if isinstance(value, str):
        return bool(UNSTORABLE.search(value)) or (len(value) > LONG and len(set(value)) < LETTERS)
    return isinstance(value, int) and abs(value) in INTEGERS


def is_ours() -> bool:
    """Whether the statement that is on its way was not made by Django, but stands in our code or in a test.

    One that stands there in part (RawSQL) is found by `Statements.written`.
    """
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith((BACKENDS, __file__)):
        frame = frame.f_back
    return not frame.f_code.co_filename.startswith(DJANGO) or frame.f_code.co_filename == RAW


class Statements:
    """What one test sends: the keys of its statements, and whether one of them has to be tried on each database."""

    def __init__(self, *, of_pages: bool = False) -> None:
        self.of_pages = of_pages
        self.sent: set[str] = set()
        self.on_each = False

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        self.sent.add(key(sql))
        values = () if many else params or ()  # Django itself writes no statement for many
        self.on_each = (
            self.on_each
            or (is_ours() and not self.of_pages)
            or bool(EMULATED.search(sql))
            or any(map(is_awkward, values))
        )
        try:
            return execute(sql, params, many, context)
        except Exception:
            self.on_each = True
            raise

    def written(self, as_sql: Callable[..., Any]) -> Callable[..., Any]:
        """`as_sql` of an expression that somebody wrote by hand."""

        def noting(*args: Any) -> Any:
            self.on_each |= not self.of_pages
            return as_sql(*args)

        return noting


def folder() -> Path | None:
    """Where one run of all tests keeps what they sent; None where tests are run by hand, all of them."""
    given = os.environ.get("TEST_TEMPLATES")
    return Path(given) if given else None


PASSED = pytest.StashKey[bool]()


@contextmanager
def noted(item: pytest.Item) -> Iterator[None]:
    """Note what a test sends. Of one that does not pass here nothing is: it runs wherever it can."""
    keep = folder()
    if not keep or connection.vendor != "sqlite":
        yield
        return
    statements = Statements(of_pages=item.nodeid.startswith(PAGES))
    with (
        connection.execute_wrapper(statements),
        mock.patch.object(RawSQL, "as_sql", statements.written(RawSQL.as_sql)),
    ):
        yield
    if item.stash.get(PASSED, False):
        with (keep / f"statements-{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps([item.nodeid, statements.on_each, sorted(statements.sent)]) + "\n")


def to_run(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Of these tests, those that this database has to run, in the same order."""
    keep = folder()
    if not keep or connection.vendor == "sqlite":
        return list(items)
    on_each, sent = notes(keep)
    chosen = {
        one
        for one in items
        if one.nodeid not in sent or one.nodeid in on_each or commits(one) or guesses(one)
    }
    seen = {each for one in chosen for each in sent.get(one.nodeid, ())}
    others = [one for one in items if one not in chosen]
    for one in sorted(others, key=lambda one: -len(sent[one.nodeid])):
        if not sent[one.nodeid] <= seen:
            chosen.add(one)
            seen |= sent[one.nodeid]
    return [one for one in items if one in chosen]


def notes(keep: Path) -> tuple[set[str], dict[str, set[str]]]:
    """(tests that have to run on each database, test -> the statements that it sent)."""
    lines = [json.loads(line) for path in keep.glob("statements-*.jsonl") for line in path.open()]
    return {test for test, on_each, _ in lines if on_each}, {test: set(sent) for test, _, sent in lines}


def commits(item: pytest.Item) -> bool:
    """Whether other connections see what it writes: it may have several, and they may wait for each other."""
    marker = item.get_closest_marker("django_db")
    names = {"transactional_db", "live_server"} & set(getattr(item, "fixturenames", []))
    return bool(names or (marker and marker.kwargs.get("transaction")))


def guesses(item: pytest.Item) -> bool:
    """Whether it tries values that nobody wrote down."""
    return hasattr(getattr(item, "obj", None), "hypothesis")
