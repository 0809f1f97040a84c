"""Long bodies are read for whoever is logged in, and for nobody else."""

from __future__ import annotations

import asyncio

import pytest
from django.test import Client

from config import asgi
from config.logged_in import is_logged_in
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)  # it is asked in a thread


def scope(path="/", cookie="", **headers):
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    cookies = [(b"cookie", cookie.encode())] if cookie else []
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [*cookies, *given],
    }


@pytest.fixture
def cookie():
    client = Client()
    client.force_login(factories.user())
    return f"tz=UTC; sessionid={client.cookies['sessionid'].value}"


def test_a_session_tells_who_is_logged_in(cookie):
    client = Client()
    client.session["_auth"] = "x"
    client.session.save()
    anonymous = f"sessionid={client.session.session_key}"

    asked = [cookie, anonymous, "", "sessionid=" + "a" * 32, "sessionid=' OR 1=1", f"{cookie}x", "sessionid="]

    assert [asyncio.run(is_logged_in(scope(cookie=each))) for each in asked] == [True] + 6 * [False]


@pytest.fixture
def reached(monkeypatch):
    """The names of the fronts that a request came to."""
    names = []
    for name in ("pages", "uploads", "strangers"):

        async def front(*_, name=name):
            names.append(name)

        monkeypatch.setattr(asgi, name, front)
    return names


@pytest.mark.parametrize(
    ("path", "headers", "known", "front"),
    [
        ("/", {}, False, "pages"),
        ("/admin/login/", {"content_length": "65536"}, False, "pages"),
        ("/admin/login/", {"content_length": "65537"}, False, "strangers"),
        ("/contacts/import/", {"content_length": "100000000"}, False, "strangers"),
        ("/contacts/import/", {"transfer_encoding": "chunked"}, False, "strangers"),
        ("/contacts/import/", {"content_length": "100000000"}, True, "uploads"),
        ("/contacts/import/", {"transfer_encoding": "chunked"}, True, "uploads"),
        ("/campaigns/", {"content_length": "1000000"}, True, "pages"),
    ],
    ids=["page", "form", "long", "file", "file-in-chunks", "own-file", "own-file-in-chunks", "own-form"],
)
def test_what_is_long_comes_only_from_who_is_logged_in(reached, cookie, path, headers, known, front):
    asyncio.run(asgi.answer(scope(path, cookie if known else "", **headers), None, None))

    assert reached == [front]


def test_a_strangers_file_is_refused_unread():
    said = []

    async def send(event):
        said.append(event)

    async def never():
        raise AssertionError("It was read.")

    asyncio.run(asgi.answer(scope("/contacts/import/", content_length="100000000"), never, send))

    assert said[0]["status"] == 413


def test_pages_and_uploads_count_their_slow_readers_together():
    assert asgi.pages.shared is asgi.uploads.shared is asgi.strangers.shared
    assert asgi.pages.shared.most < asgi.THREADS
