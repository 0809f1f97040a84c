"""Whether a request comes with the session of somebody who is logged in, asked before its body is read."""

from __future__ import annotations

import asyncio
from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import Error, connection
from django.http import parse_cookie

from config.buffering import Scope

LONGEST_KEY = 64  # characters of a session's key; ours have 32


async def is_logged_in(scope: Scope) -> bool:
    """Asks the database where there is a cookie of a session, and only there. A database that is down says no."""
    cookies = b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    key = parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, "")
    if not (key.isascii() and key.isalnum() and len(key) <= LONGEST_KEY):
        return False
    return await asyncio.to_thread(_belongs_to_somebody, key)


def _belongs_to_somebody(key: str) -> bool:
    """By the session alone: whether it still holds after a change of password, the page finds out."""
    try:
        return SESSION_KEY in import_module(settings.SESSION_ENGINE).SessionStore(key)
    except Error:
        return False
    finally:
        connection.close()  # this thread is none of Django's, which would close it
