"""A page that met a busy database says so, and asks to try again: 503 with Retry-After instead of an error.

On SQLite one process writes at a time, and who waits longer than `timeout` is refused; on PostgreSQL lock and
statement time-outs, deadlocks and a server that starts anew come to the same.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error

logger = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds
# PostgreSQL's classes: connections, a transaction that lost, no room, a lock not available, ended from outside.
PASSING_STATES = ("08", "40", "53", "55P03", "57")
WRITES = ("INSERT", "UPDATE", "DELETE")

BUSY = "The database is busy with other work."
FULL = "There is no room left on the disk of the database."
UNCHANGED = "Nothing was changed. Try again in a moment."
UNSURE = "We do not know whether it was done. Look before you try again."


def why_busy(problem: BaseException | None) -> str:
    """What keeps the database from answering now, in a sentence; '' when the fault lies elsewhere."""
    if isinstance(problem, InterfaceError):
        return BUSY
    if not isinstance(problem, OperationalError):
        return ""
    words = str(problem).lower()
    if connection.vendor == "sqlite":
        if "is full" in words:
            return FULL
        return BUSY if "locked" in words or "busy" in words else ""
    state = getattr(problem.__cause__, "sqlstate", None)
    if state == "53100":
        return FULL
    return BUSY if state is None or state.startswith(PASSING_STATES) else ""


class BusyMiddleware:
    """Answers for views that met a busy database. What their transactions had begun is rolled back by then."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with connection.execute_wrapper(Watch(request)):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, problem: Exception) -> HttpResponse | None:
        why = why_busy(problem)
        if not why:
            return None
        logger.warning("%s %s: %s", request.method, request.path, problem)
        return answer(request, why)


class Watch:
    """Remembers whether a request has written anything: then it cannot be told that nothing was changed."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request

    def __call__(self, execute: Callable, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        result = execute(sql, params, many, context)
        if sql.lstrip()[:6].upper() in WRITES:
            self.request.wrote = True  # type: ignore[attr-defined]
        return result


def answer(request: HttpRequest, why: str) -> HttpResponse:
    """The page; for htmx the sentence alone, which the page's script shows as a toast."""
    safe = request.method in ("GET", "HEAD")
    unsure = not safe and getattr(request, "wrote", False)
    sentence = f"{why} {'Try again in a moment.' if safe else UNSURE if unsure else UNCHANGED}"
    if request.headers.get("HX-Request"):
        response = HttpResponse(sentence, content_type="text/plain; charset=utf-8")
        if not unsure:  # the page's script offers to send it once more
            response["X-Reason"] = sentence
    else:
        again = request.get_full_path() if safe else ""
        response = HttpResponse(render_to_string("503.html", {"sentence": sentence, "again": again}))
    response.status_code = 503
    response["Retry-After"] = str(RETRY_AFTER)
    response["Cache-Control"] = "no-store"
    return response


def failed(request: HttpRequest) -> HttpResponse:
    """`handler500`: what went wrong outside of a view, such as storing the session, may be a busy database too."""
    why = why_busy(sys.exception())
    if not why:
        return server_error(request)
    request.wrote = True  # type: ignore[attr-defined] # the view itself had come to its end, perhaps
    return answer(request, why)
