"""A small world, served, and a Chromium that looks at it. Every test fails on an error it did not provoke.

The world is built once and copied for each test, so that tests may write. It is SQLite whatever DATABASE_URL
says: what the browser proves does not depend on the database.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from playwright.sync_api import Browser, Page, expect
from pytest_django import DjangoDbBlocker

from tests import databases
from tests.browser import serving, world
from tests.browser.watching import Watch

DESKTOP = {"width": 1440, "height": 900}
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # What waits for a browser cannot be interrupted so that the next test could go on with it: the process is
            # ended and another one takes over.
            item.add_marker(pytest.mark.timeout(method="thread"))


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    # Playwright runs an event loop in this thread, which makes Django refuse to touch the database in it.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    expect.set_options(timeout=10_000)
    with serving.chromium_at(chromium) as browser:
        yield browser
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")
    if before is not None:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture(scope="session")
def demo_file(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Path:
    """The small world as a SQLite file, built once for all the processes of a run."""
    if connection.vendor != "sqlite":
        pytest.skip("browser tests run on SQLite only")
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    folder = Path(os.environ.get("TEST_TEMPLATES") or tmp_path_factory.mktemp("world"))
    path = folder / "demo.sqlite3"
    with databases.one_at_a_time(folder / "demo.lock"):
        if not path.exists():
            with django_db_blocker.unblock():
                templates = databases.folder_of_templates() or folder
                build_world(folder / "building.sqlite3", templates / databases.TEMPLATE)
            (folder / "building.sqlite3").rename(path)
    return path


def build_world(path: Path, migrated: Path) -> None:
    if migrated.exists():
        shutil.copyfile(migrated, path)
    with serving.database(path), time_machine.travel(world.NOW, tick=True):
        serving.migrate()
        world.build()
        serving.settle()


@pytest.fixture
def site(demo_file: Path, tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The address of the site; a fresh copy of the world, and a clock that starts at `world.NOW`."""
    path = tmp_path / "site.sqlite3"
    shutil.copyfile(demo_file, path)
    with (
        django_db_blocker.unblock(),
        serving.database(path),
        time_machine.travel(world.NOW, tick=True),
        serving.server() as url,
    ):
        yield url


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def enter(site: str, browser: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """`enter("marketer")`: a page of a fresh browser in which that person is logged in; '' for nobody.

    Other arguments are playwright's for a context, such as `viewport` and `java_script_enabled`.
    """
    contexts = []

    def entered(username: str = "marketer", **options: Any) -> Page:
        given = {"viewport": DESKTOP, "reduced_motion": "reduce", "base_url": site, "locale": "en-US"}
        context = browser.new_context(**{**given, **options})
        context.set_default_timeout(10_000)
        contexts.append(context)
        watch.follow(context)
        if username:
            context.add_cookies([serving.session_of(username, site)])  # type: ignore[list-item]
        return context.new_page()

    yield entered
    for context in contexts:
        context.close()
    assert watch.unexpected() == []


@pytest.fixture
def page(enter: Callable[..., Page]) -> Page:
    """A marketer's page on a desktop."""
    return enter("marketer")
