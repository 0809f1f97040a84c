"""Pictures and recordings for the providers that fetch them: no log-in, and names that nobody guesses."""

from __future__ import annotations

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from campaigns.uploads import NAME, TYPES


@require_safe
def media(request: HttpRequest, name: str) -> HttpResponseBase:
    """404 for whatever is no file of ours. What is sent is of the type that its content was found to be."""
    if not NAME.fullmatch(name):
        raise Http404
    try:
        file = (settings.MEDIA_FOLDER / name).open("rb")
    except OSError:
        raise Http404 from None
    response = FileResponse(file, content_type=TYPES[name.rpartition(".")[2]])
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
