"""The one entry for a web server: receipts go to the receiver, everything else to Django's pages.

The pages run as a WSGI application in threads: Django's own asynchronous handler is many times slower, and the
receiver must not wait behind it.
"""

import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
pages = WSGIMiddleware(get_wsgi_application(), workers=10)  # type: ignore[arg-type]

from deliveries.receiving import receiver  # noqa: E402 - its models need Django set up

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
PRINTABLE = "".join(map(chr, range(33, 127)))


async def application(scope: dict, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http" and scope["path"].startswith("/hooks/"):
        await receiver.receive(scope, receive, send)
    elif scope["type"] == "http":
        await pages(tidy(scope), receive, send)  # type: ignore[arg-type]
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})


async def lifespan(receive: Receive, send: Send) -> None:
    """Start and end the receiver with the server, so that what it took is on disk before the process ends."""
    await receive()
    await receiver.startup()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await receiver.shutdown()
    await send({"type": "lifespan.shutdown.complete"})


def tidy(scope: dict) -> dict:
    """What WSGI cannot carry: bare bytes in the query, and names with `_` that would pass for ones with `-`."""
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    return {
        **scope,
        "headers": headers,
        "query_string": quote(scope["query_string"], safe=PRINTABLE).encode(),
    }
