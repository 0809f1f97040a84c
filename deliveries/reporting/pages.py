"""What every product page shares: page or fragment, the shell's context, redirects that htmx follows."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def fragment(request: HttpRequest, page: str, name: str) -> str:
    """`page`, or only its partial `name` when htmx asks. A history restore needs the page."""
    htmx = getattr(request, "htmx", None)
    partial = htmx and not htmx.history_restore_request
    return f"{page}#{name}" if partial else page


def shell(request: HttpRequest) -> dict:
    """Context of the shell around every page."""
    return {}


class ClientRedirectMiddleware:
    """A redirect to the log-in page that answers htmx becomes one the whole page follows."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        htmx = getattr(request, "htmx", None)
        if htmx and response.status_code in (301, 302):
            response["HX-Redirect"] = response["Location"]
            del response["Location"]
            response.status_code = 204
        return response
