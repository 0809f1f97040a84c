"""The one entry for a web server: receipts go to the receiver, short links to where they lead, everything else to
Django's pages.

The pages run as a WSGI application in threads: Django's own asynchronous handler is many times slower, and the
receiver must not wait behind it. No thread waits for a client (config/buffering.py), and whoever watches over the
process is answered without one.
"""

import os
from typing import Any
from urllib.parse import quote

from a2wsgi import WSGIMiddleware
from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
THREADS = 10
django = get_wsgi_application()

from config.buffering import (  # noqa: E402
    Buffered,
    Limits,
    Pieces,
    Receive,
    Scope,
    Send,
    may_be_longer_than,
)
from config.logged_in import is_logged_in  # noqa: E402 - its models need Django set up
from config.monitoring import Monitors  # noqa: E402 - its checks need Django set up
from config.peers import caller, trusted_headers  # noqa: E402
from deliveries.receiving import receiver  # noqa: E402 - its models need Django set up
from public import following  # noqa: E402 - the same


def in_pieces(environ: Any, start_response: Any) -> Pieces:
    return Pieces(django(environ, start_response))


in_threads = WSGIMiddleware(in_pieces, workers=THREADS)


def at_most(most: int, beside: Buffered | None = None) -> Buffered:
    limits = Limits(most=most, seconds=settings.REQUEST_SECONDS, waiting=THREADS // 2)
    return Buffered(in_threads, limits, beside)  # type: ignore[arg-type]


# Bytes of a body that is read from anybody; the forms that need no log-in have a few hundred. What is longer is read
# only for who is logged in, or anybody could have gigabytes put on our disk.
STRANGERS_MOST = 65_536
pages = at_most(settings.REQUEST_MAX_BYTES)
uploads = at_most(settings.UPLOAD_MAX_BYTES, beside=pages)
strangers = at_most(STRANGERS_MOST, beside=pages)
UPLOADS = ("/contacts/import/",)  # where files are uploaded that are longer than any form
monitors = Monitors()
PRINTABLE = "".join(map(chr, range(33, 127)))


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        await answer(seen_past_proxies(scope), receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    if path.startswith("/hooks/"):
        await receiver.receive(scope, receive, send)
    elif path.startswith(following.PREFIX):
        await following.follow(scope, send)
    elif path in monitors.paths:
        await monitors(scope, receive, send)
    elif may_be_longer_than(STRANGERS_MOST, scope) and not await is_logged_in(scope):
        await strangers(tidy(scope), receive, send)
    elif path in UPLOADS:
        await uploads(tidy(scope), receive, send)
    else:
        await pages(tidy(scope), receive, send)


def seen_past_proxies(scope: Scope) -> Scope:
    """With the caller itself as the client, and the scheme only in a trusted proxy's words, for the receiver and the
    pages alike. No port: a proxy tells none."""
    trusted, client = settings.TRUSTED_PROXIES, scope.get("client")
    if settings.BEHIND_PROXY:
        scope["headers"] = trusted_headers(client[0] if client else "", scope["headers"], trusted)
    if trusted and client:
        scope["client"] = (caller(client[0], scope["headers"], trusted, settings.PROXY_HEADER), 0)
    return scope


async def lifespan(receive: Receive, send: Send) -> None:
    """Start and end the receiver with the server, so that what it took is on disk before the process ends."""
    await receive()
    await receiver.startup()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await receiver.shutdown()
    await following.follow.close()
    await send({"type": "lifespan.shutdown.complete"})


def tidy(scope: Scope) -> Scope:
    """What WSGI cannot carry: bare bytes in the query, and names with `_` that would pass for ones with `-`."""
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    return {
        **scope,
        "headers": headers,
        "query_string": quote(scope["query_string"], safe=PRINTABLE).encode(),
    }
