"""The rows on the screen as CSV: same filter, same order, streamed."""

from __future__ import annotations

import logging

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from dashboard.shell.pages import may_see, who
from deliveries.outcomes.filters import filter_of
from deliveries.outcomes.saved_views import in_words
from deliveries.reporting.export_rows import lines
from deliveries.reporting.spreadsheets import file_name

logger = logging.getLogger(__name__)


def csv_of(request: HttpRequest, campaign_id: int | None, queue: str, name: str) -> HttpResponseBase:
    """The rows of that list, narrowed by the query string, as a file called by `name`. A bad filter is a 422 in words.

    `campaign_id` and `queue` as in an OutcomeView.
    """
    form = filter_of(campaign_id, queue, request.GET.dict(), me=who(request).pk)
    if not form.is_valid():
        words = "\n".join(f"{form.fields[field].label}: {errors[0]}" for field, errors in form.errors.items())
        return HttpResponse(words, status=422, content_type="text/plain; charset=utf-8")
    now, full = timezone.now(), may_see(request)
    view = form.view(campaign_id, queue)
    # A warning, so that it is on record at the level logs are usually kept at.
    logger.warning("%s exports %s, queue %s: %s", request.user, name, queue or "all", in_words(form))
    answer = StreamingHttpResponse(lines(view, now, full=full), content_type="text/csv; charset=utf-8")
    named = file_name(name, queue or "all", form.file_words(), now=now)
    answer["Content-Disposition"] = f'attachment; filename="{named}"'
    answer["Cache-Control"] = "no-store"
    return answer
