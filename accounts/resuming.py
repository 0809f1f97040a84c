"""What was typed survives the end of a session: kept when it arrives too late, sent on after the next log-in.

A form sent after its session has ended would answer with the log-in page, and be gone. It passed the check against
forged forms like any other, so it is kept in the (nameless) session of that browser until the same person logs in
there. They see what it says, and send it or not: nothing is done by itself. A signed cookie says who was logged in: a
colleague who logs in instead must not read it, and nothing is kept for a stranger, who could fill the database with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.typed import typed

KEY = "unsent"
KEPT_SECONDS = 3_600  # time to log in again; later, nobody remembers what was typed
WHO, WHO_SECONDS = "was", 60 * 86_400  # the cookie: who was logged in here; longer than any session lasts
LONGEST = 200_000  # characters of all values
# Never written down, not even for an hour.
SECRET = re.compile(r"password|secret|credential|token|api_?key", re.IGNORECASE)
KEEP = "_keep"  # a field of forms that a script sends, and that can be sent without one as well
OURS = {"csrfmiddlewaretoken", KEEP}


class KeepUnsentMiddleware:
    """Keeps a form whose sender has to log in first, and lets the log-in lead back to it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        posted = request.method == "POST"
        if not posted and WHO in request.COOKIES:
            return response
        if request.user.is_authenticated:
            _remember(request, response)
            if posted and request.session.get(KEY, {}).get("path") == request.get_full_path():
                del request.session[KEY]  # sent, whatever became of it
        elif posted and _asks_to_log_in(response) and _stands_alone(request) and _keep(request):
            return redirect_to_login(reverse("resume"), settings.LOGIN_URL)
        return response


def _remember(request: HttpRequest, response: HttpResponse) -> None:
    response.set_signed_cookie(
        WHO,
        str(request.user.pk),
        salt=KEY,
        max_age=WHO_SECONDS,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def _stands_alone(request: HttpRequest) -> bool:
    """Whether what is sent makes sense as the answer to a page: a whole form, not a click within one. Of what a page
    sends by script, those that say so by a field."""
    return not getattr(request, "htmx", None) or KEEP in request.POST


def _asks_to_log_in(response: HttpResponse) -> bool:
    return response.status_code == 302 and response["Location"].startswith(resolve_url(settings.LOGIN_URL))


def _keep(request: HttpRequest) -> bool:
    fields = [[name, value] for name, values in request.POST.lists() if name not in OURS for value in values]
    was = request.get_signed_cookie(WHO, None, salt=KEY, max_age=WHO_SECONDS)
    if was is None or request.FILES or any(SECRET.search(name) for name, _ in fields):
        return False
    if sum(len(name) + len(value) for name, value in fields) > LONGEST:
        return False
    request.session.clear_expired()  # of others: nothing else takes them away
    request.session[KEY] = {"user": was, "path": request.get_full_path(), "fields": fields}
    request.session.set_expiry(KEPT_SECONDS)
    return True


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def resume(request: HttpRequest) -> HttpResponse:
    """GET: what was kept, to be sent or not. POST: it is not wanted any more."""
    request.session.set_expiry(None)  # of an ordinary length again
    kept = request.session.get(KEY)
    if request.method == "POST" or not kept or kept["user"] != str(request.user.pk):
        request.session.pop(KEY, None)
        return redirect(settings.LOGIN_REDIRECT_URL)
    form = typed(request, kept["path"], kept["fields"])
    context = {
        "title": "Not saved yet" if form.saves else "Not sent yet",
        "path": kept["path"],
        "fields": kept["fields"],
        "typed": form,
    }
    return render(request, "accounts/resume.html", context)
