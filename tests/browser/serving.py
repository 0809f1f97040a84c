"""A database file of our own, a server on it, and a Chromium: what the tests and the screenshots share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.testcases import LiveServerThread
from playwright.sync_api import Browser, sync_playwright

from accounts.models import User

HOST = "localhost"
ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def database(path: Path) -> Iterator[None]:
    """Everything in this process reads and writes the SQLite file at `path`, in every thread."""
    known = connections.settings["default"]
    before = known["NAME"]
    connections.close_all()
    known["NAME"] = str(path)
    try:
        yield
    finally:
        connections.close_all()
        known["NAME"] = before


def migrate() -> None:
    call_command("migrate", verbosity=0)


def settle() -> None:
    """Everything written stands in the file itself, so that the file can be copied."""
    with connections["default"].cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class KeptFiles(StaticFilesHandler):
    """Files that a browser keeps, as it does in production: a test that loads a page many times asks for them once."""

    instead: ClassVar[dict[str, str]] = {}  # name of a script -> what is served in its place

    def serve(self, request: HttpRequest) -> HttpResponseBase:
        other = self.instead.get(request.path.rpartition("/")[2])
        response = HttpResponse(other, content_type="text/javascript") if other else super().serve(request)
        response["Cache-Control"] = "max-age=3600"
        return response


@contextmanager
def server() -> Iterator[str]:
    """The address of the site, served by threads of this process on whatever `database` names."""
    thread = LiveServerThread(HOST, static_handler=KeptFiles, connections_override={})
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    try:
        yield f"http://{HOST}:{thread.port}"
    finally:
        thread.terminate()


@contextmanager
def chromium_at(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=ARGS)
        yield browser
        browser.close()


def session_of(username: str, url: str) -> dict[str, str]:
    """The cookie of somebody who has logged in."""
    client = Client()
    client.force_login(User.objects.get(username=username))
    return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": url}
