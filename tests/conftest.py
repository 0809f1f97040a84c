"""Fixtures every test can ask for, and a summary of what could not run.

Tests run on the database that DATABASE_URL names, SQLite unless set; `python -m tests.run` runs them on both.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest
import redis
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from pytest_django import DjangoDbBlocker

from accounts.models import User
from deliveries.meaning import mappings
from deliveries.running import watchdog
from deliveries.sending import sequences
from tests import databases, factories, statements
from tests.ports import free_ports

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CANNOT = "could not run here: "


def pytest_configure(config: pytest.Config) -> None:
    # No test here is about time: a busy machine must not fail one.
    hypothesis.settings.register_profile("without a deadline", deadline=None)
    hypothesis.settings.load_profile("without a deadline")
    # The code tables are many rows; without them in the database those of the files count.
    settings.TEST_NON_SERIALIZED_APPS = ["deliveries"]
    # Tests name the minute at which hours begin; those about spreading say so themselves.
    settings.OPENING_SPREAD_SECONDS = 1
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # slow by design otherwise


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, object, object]:
    """A transactional test empties every table behind it: the next one finds the rows of the migrations again.

    On a second database those are left out that would repeat others.
    """
    for item in items:
        marker = item.get_closest_marker("django_db")
        names = getattr(item, "fixturenames", [])
        if marker is None and not {"db", "transactional_db"} & set(names):
            item.add_marker("once")
        if statements.commits(item):
            names.append("django_db_serialized_rollback")
    result = yield
    chosen = statements.to_run(items)
    if left_out := set(items) - set(chosen):
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = chosen
    return result


def note_for_run(name: str) -> Path | None:
    """Where this process writes for `tests.run`; None where tests are run by hand."""
    folder = os.environ.get("TESTS_AT_WORK")
    return Path(folder) / f"{name}-{os.getpid()}" if folder else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note how many tests there are to run: what is not reported in the end did not run."""
    if session.items and (note := note_for_run("collected")):
        note.write_text(str(len(session.items)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Leave a note of the test that this process is at: `tests.run` reads it when it has to end the process."""
    note = note_for_run("at")
    if note:
        note.write_text(item.nodeid)
    try:
        with statements.noted(item):
            return (yield)
    finally:
        if note:
            note.unlink(missing_ok=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    yield
    item.stash[statements.PASSED] = True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file, as in life: the in-memory one knows neither WAL nor waiting, and other processes can't see it.

    On PostgreSQL a database for each parallel runner.
    """
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    else:
        request.getfixturevalue("django_db_modify_db_settings_parallel_suffix")


@pytest.fixture(scope="session")
def migrated(django_db_modify_db_settings: None) -> databases.Template | None:
    """A migrated database to begin with; None where each process migrates its own."""
    folder = databases.folder_of_templates()
    if not folder:
        return None
    found = databases.Template(folder)
    found.begin()
    return found


@pytest.fixture(scope="session")
def django_db_setup(
    migrated: databases.Template | None, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock():
        if migrated:
            migrated.keep()
        databases.hasten()


@pytest.fixture(scope="module")
def database_of_module(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """For rows that are made once for all the tests of a module: what a test does to them is undone behind it.

    None of these tests may commit, and those without such a fixture see the rows as well.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(autouse=True)
def no_memory_of_mappings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test published is gone in the next; within one, the clock of a slow machine asks for nothing anew."""
    mappings.forget()
    monkeypatch.setattr(mappings, "CHECK_SECONDS", 3600)


@pytest.fixture(autouse=True)
def no_memory_of_follow_ups() -> None:
    """The ids of one test are others' in the next."""
    sequences.forget()


@pytest.fixture(scope="session")
def now() -> datetime:
    """A Wednesday at noon in New York, 9 in the morning in Los Angeles: inside every ordinary sending window."""
    return datetime(2026, 3, 4, 17, 0, tzinfo=UTC)


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """`make_user("marketer")`: somebody with that role; their password is factories.PASSWORD."""
    return factories.user


@pytest.fixture
def login(make_user: Callable[..., User]) -> Callable[..., Client]:
    """`login("support")`: a client of somebody with that role, or of the user given as `user`. See `client.user`."""

    def logged_in(role: str = "", *, user: User | None = None) -> Client:
        client = Client()
        mappings.current()  # as in a server that has been up for a while: no query of the page's own
        client.user = user or make_user(role)  # type: ignore[attr-defined]
        client.force_login(client.user)  # type: ignore[attr-defined]
        return client

    return logged_in


@pytest.fixture
def unavailable() -> Callable[[str], NoReturn]:
    """`unavailable("Redis does not answer")`: skip, or fail where everything must run (REQUIRE_ALL=1)."""
    return _unavailable


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; a test that asks for it is skipped where there is none."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or _unavailable("no Chromium was found (install chromium, or set CHROMIUM to its path)")


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A Redis that answers, its database emptied before and after. TEST_REDIS_URL names another one."""
    url = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
    client = redis.Redis.from_url(url, socket_connect_timeout=1)
    try:
        client.flushdb()
    except redis.RedisError:
        _unavailable("no Redis answers (name one by TEST_REDIS_URL)")
    yield url
    client.flushdb()
    client.close()


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """A NOTIFY_SOCKET, as systemd gives it; `heard()` is what was said there since the last call."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="waybill-"))
        ear = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        ear.setblocking(False)
        ear.bind(f"{folder}/notify")
        monkeypatch.setenv("NOTIFY_SOCKET", f"{folder}/notify")
        monkeypatch.setattr(watchdog, "_sent_at", float("-inf"))

        def words() -> list[str]:
            found = []
            with suppress(BlockingIOError):
                while True:
                    found.append(ear.recv(1_024).decode())
            return found

        yield words


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on, with the next one free as well (the carriers take PORT + 1)."""
    return free_ports(2)[0]


@pytest.fixture
def process_env(transactional_db: None, tmp_path: Path, free_port: int) -> dict[str, str]:
    """The environment of a real process (`manage.py web` and the like) that works on the test database.

    It listens on `process_env["PORT"]` and keeps its files in the test's own directory.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    ours = {"DATABASE_URL": database_url(), "PORT": str(free_port), "WAYBILL_VAR": str(tmp_path / "var")}
    return {**kept, **ours, "PYTHONUNBUFFERED": "1", "DJANGO_SETTINGS_MODULE": "config.settings"}


def database_url() -> str:
    """The address of the database the tests run on, for a process of its own."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{known['NAME']}"
    person = f"{known['USER']}:{known['PASSWORD']}@" if known["PASSWORD"] else f"{known['USER']}@"
    host = f"{known['HOST']}:{known['PORT']}" if known["PORT"] else known["HOST"]
    return f"postgresql://{person if known['USER'] else ''}{host}/{known['NAME']}"


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(CANNOT + reason)
    pytest.skip(CANNOT + reason)


def pytest_report_header(config: pytest.Config) -> str:
    return f"database: {connection.display_name}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly what could not run here, once for each reason."""
    reasons = [
        r.longrepr[2] for r in terminalreporter.stats.get("skipped", []) if isinstance(r.longrepr, tuple)
    ]
    ours = sorted({reason.partition(CANNOT)[2] for reason in reasons if CANNOT in reason})
    for reason in ours:
        count = sum(reason in skipped for skipped in reasons)
        terminalreporter.write_line(f"{count} tests could not run here: {reason}", yellow=True)
