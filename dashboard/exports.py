"""The rows on the screen as a file, CSV or XLSX: same filter, same order, streamed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from dashboard.shell.pages import may_see, who
from deliveries.outcomes.filters import filter_of
from deliveries.outcomes.saved_views import in_words
from deliveries.reporting.export_rows import export_table
from deliveries.reporting.spreadsheets import XLSX, ExportTable, csv_lines, file_name, xlsx_parts

logger = logging.getLogger(__name__)
KIND = "as"  # the parameter that says which kind of file; CSV where it says nothing known


def export_of(
    request: HttpRequest,
    campaign_id: int | None,
    queue: str,
    name: str,
    given: Mapping[str, Any] | None = None,
) -> HttpResponseBase:
    """The rows of that list, narrowed by the query string, as a file called by `name`. A bad filter is a 422 in words.

    `campaign_id` and `queue` as in an OutcomeView; `given`: the filters, where they are not just what the query says.
    """
    form = filter_of(campaign_id, queue, given or request.GET.dict(), me=who(request).pk)
    if not form.is_valid():
        words = "\n".join(f"{form.fields[field].label}: {errors[0]}" for field, errors in form.errors.items())
        return HttpResponse(words, status=422, content_type="text/plain; charset=utf-8")
    now, full = timezone.now(), may_see(request)
    # A warning, so that it is on record at the level logs are usually kept at.
    logger.warning("%s exports %s, queue %s: %s", request.user, name, queue or "all", in_words(form))
    table = export_table(form.view(campaign_id, queue), now, full=full)
    return file_answer(request, table, [name, queue or "all", form.file_words()], now)


def file_answer(
    request: HttpRequest, table: ExportTable, named: list[str], now: datetime
) -> StreamingHttpResponse:
    """The table as the kind of file that the query string asks for. How many rows it had, the access log reads."""
    if request.GET.get(KIND) == "xlsx":
        answer = StreamingHttpResponse(xlsx_parts(table), content_type=XLSX)
        name = file_name(*named, now=now, ending="xlsx")
    else:
        answer = StreamingHttpResponse(csv_lines(table), content_type="text/csv; charset=utf-8")
        name = file_name(*named, now=now)
    answer.exported = table  # type: ignore[attr-defined]
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    return answer
