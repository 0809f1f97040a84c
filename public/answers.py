"""What all pages for the people we write to have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt

View = Callable[..., HttpResponse]


def answer(template: str, context: Mapping[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """The page, made without the request: nobody is logged in here, and no cookie is read or set."""
    return HttpResponse(render_to_string(template, dict(context or {})), status=status)


def for_anybody(view: View) -> View:
    """A page whose address is the proof of who asks. No cookie takes part, so there is nothing to forge: mail programs
    send what is asked for without one. Kept by no cache, found by no search engine, and told to no other page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        response = view(request, *args, **named)
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return csrf_exempt(guarded)
