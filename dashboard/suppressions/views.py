"""Suppressions to look at: the list, what blocks one address and why, and the list as a file."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from contacts.blocking import closes
from contacts.grounds import day
from contacts.models import Contact, Suppression
from contacts.strength import Lifter, lifter, may_lift
from contacts.suppression_lists import BlockState
from dashboard.exports import file_name
from dashboard.shell.pages import fragment, may_see, swaps, trigger, who
from dashboard.suppressions.forms import LookUpForm, MomentForm
from dashboard.suppressions.listing import (
    BUCKETS,
    STATE_BUCKETS,
    SuppressionFilter,
    lines,
    scope_words,
    suppression_page,
    whole_or_masked,
)
from deliveries.outcomes.blocked import LookUp, look_up
from deliveries.outcomes.suppression_evidence import evidence_of

logger = logging.getLogger(__name__)
SEE = "contacts.view_suppression"


@requires(SEE)
@require_safe
@vary_on_headers("HX-Request")
def show(request: HttpRequest) -> HttpResponse:
    found = suppression_page(request.GET.dict(), timezone.now(), full=may_see(request))
    context = {
        "found": found,
        "form": found.form,
        "section": "list",
        "swap": swaps(request),
        "swap_form": swaps(request) and trigger(request) not in ("filters", "s"),
    }
    template = fragment(request, "suppressions/list.html", "results")
    return render(request, template, context, status=200 if found.valid else 422)


@requires(SEE, "campaigns.export_report")
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """What the list shows, all of it, as CSV. A bad filter is a 422 in words."""
    form, now = SuppressionFilter(request.GET.dict()), timezone.now()
    if not form.is_valid():
        words = "\n".join(f"{form.fields[field].label}: {errors[0]}" for field, errors in form.errors.items())
        return HttpResponse(words, status=422, content_type="text/plain; charset=utf-8")
    # A warning, so that it is on record at the level logs are usually kept at. What was searched for is no log's.
    filters = {name: value for name, value in form.given.items() if name != "s"}
    logger.warning("%s exports suppressions: %s", request.user, filters or "all")
    answer = StreamingHttpResponse(
        lines(form.rows(now), now, full=may_see(request)), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = (
        f'attachment; filename="{file_name("suppressions", *filters.values(), now=now)}"'
    )
    answer["Cache-Control"] = "no-store"
    return answer


@requires(SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def search_address(request: HttpRequest) -> HttpResponse:
    """Is this address blocked, and could it be sent to? By POST, so that no address stands in an address bar or log."""
    form = LookUpForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"form": form, "section": "look-up"}
    if request.method == "POST" and form.is_valid():
        value, now = form.cleaned_data["address"], timezone.now()
        found = look_up(value, form.cleaned_data["at"] or now, now)
        context |= answers(request, found)
    return render(request, "suppressions/look_up.html", context, status=422 if form.errors else 200)


@requires(SEE)
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One suppression, and the look-up of its address, or of the person it blocks as a whole."""
    rows = Suppression.objects.select_related("contact", "created_by", "released_by", "follows")
    block = get_object_or_404(rows, pk=pk)
    now = timezone.now()
    form = MomentForm(request.GET if "at" in request.GET else None)
    at = form.cleaned_data.get("at") if form.is_bound and form.is_valid() else None
    found = _look_up_of(block, at or now, now)
    shown = answers(request, found)
    whose = [block.contact] if block.contact else [person.contact for person in found.people]
    context = {
        "entry": block,
        "address": whole_or_masked(block.value, full=may_see(request)),
        "closes": closes(block),
        "scope": scope_words(block),
        "bucket": BUCKETS[Suppression.Reason(block.reason)],
        "released": f"Released on {day(block.released_at)}" if block.released_at else "",
        "form": form,
        "section": "list",
        "own": lifter(block) == Lifter.PERSON,
        "whose": [one for one in whose if one.erased_at is None],
        **lifting(request, block),
        **shown,
        "evidence": next((one["evidence"] for one in shown["rows"] if one["row"].pk == pk), []),
    }
    return render(request, "suppressions/detail.html", context, status=422 if form.errors else 200)


def _look_up_of(block: Suppression, at: datetime, now: datetime) -> LookUp:
    contact: Contact | None = None if block.value else block.contact
    return look_up(block.value, at, now, contact=contact)


def lifting(request: HttpRequest, block: Suppression) -> dict[str, Any]:
    """Who may lift it, for whoever asks."""
    return {
        "lifter": lifter(block).label,
        "may_lift": block.released_at is None and may_lift(who(request), block),
    }


def answers(request: HttpRequest, found: LookUp) -> dict[str, Any]:
    """What the look-up says, for its template."""
    user, full = who(request), may_see(request)
    evidence = evidence_of({row.pk for row in found.rows if row.origin == Suppression.Origin.RULE})
    return {
        "found": found,
        "full": full,
        "subject": whole_or_masked(found.value, full=full),
        "rows": [
            {
                "row": row,
                "address": whole_or_masked(row.value, full=full),
                "closes": closes(row),
                "scope": scope_words(row),
                "bucket": BUCKETS[Suppression.Reason(row.reason)],
                "state": row.state,  # type: ignore[attr-defined]
                "state_bucket": STATE_BUCKETS[row.state],  # type: ignore[attr-defined]
                "lifter": lifter(row).label,
                "may_lift": row.state == BlockState.BLOCKING and may_lift(user, row),  # type: ignore[attr-defined]
                "own": lifter(row) == Lifter.PERSON,
                "evidence": evidence.get(row.pk, []),
            }
            for row in found.rows
        ],
    }
