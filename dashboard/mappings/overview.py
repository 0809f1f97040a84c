"""Unknown codes, alarms and versions on one page, and mail that we never sent."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import requires
from contacts.phones import mask
from dashboard.mappings import history
from dashboard.mappings.code_forms import CloseForm
from dashboard.mappings.sections import (
    READ,
    drafted_rows,
    numbered,
    sections,
    sees_addresses,
)
from dashboard.shell.pages import who
from deliveries.meaning import drafts, mappings
from deliveries.meaning.translation import Mapping
from deliveries.models import Backscatter, CodeAlarm, SeenCode
from deliveries.outcomes import code_usage
from deliveries.outcomes.keyset import page

ALARMS_SHOWN = 6
UNKNOWN_SHOWN = 25
BACKSCATTER_SHOWN = 50
ALL = "all"
MOST_ALARMS = 200


@requires(READ)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    now, draft, tables = timezone.now(), drafts.open_draft(), mappings.latest()
    lines, found = history.history(request.GET.get("after", ""), draft)
    words = numbered(SeenCode.objects.filter(known=False).order_by("-n", "pk"), UNKNOWN_SHOWN, request)
    context = {
        **sections("overview", draft),
        **_alarms(tables, everything=request.GET.get("alarms") == ALL),
        "tables": len({key.table for key in tables.codes}),
        "codes": len(tables.codes),
        "unknown": code_usage.unknown(words, tables, drafted_rows(draft)),
        "words": words,
        "lines": lines,
        "page": found,
        "backscatter": code_usage.BackscatterCount.recent(now),
    }
    return render(request, "mappings/overview.html", context)


def _alarms(tables: Mapping, *, everything: bool) -> dict[str, Any]:
    """The open alarms, newest first: the first few, or all that a page can bear."""
    opened = CodeAlarm.objects.filter(closed_at=None).order_by("-raised_at", "-pk")
    found = list(opened[: MOST_ALARMS if everything else ALARMS_SHOWN])
    return {
        "alarms": code_usage.noticed(found, tables),
        "alarm_count": opened.count(),
        "newest_alarm": max((one.pk for one in found), default=0),
        "all_alarms": everything,
    }


@requires(READ, "deliveries.change_codealarm")
@require_POST
def close_alarms(request: HttpRequest) -> HttpResponse:
    """One alarm, or all that were there when the page was read. They are kept, with who closed them."""
    form = CloseForm(request.POST)
    if not form.is_valid() or not any(form.cleaned_data.values()):
        messages.error(request, "Nothing was closed: the page did not say which alarm.")
        return redirect("mappings:overview")
    one, upto = form.cleaned_data["alarm"], form.cleaned_data["upto"]
    wanted = CodeAlarm.objects.filter(closed_at=None, **({"pk": one} if one else {"pk__lte": upto}))
    closed = wanted.update(closed_at=timezone.now(), closed_by=who(request))
    if closed:
        messages.success(request, f"{history.count_of(closed, 'alarm')} closed.")
    else:
        messages.error(request, "Nothing was closed: somebody was faster.")
    return redirect("mappings:overview")


@requires(READ, "deliveries.view_backscatter")
@require_safe
def backscatter(request: HttpRequest) -> HttpResponse:
    """Reports about mail that we never sent, and what to look at."""
    found = page(Backscatter.objects.all(), BACKSCATTER_SHOWN, request.GET.get("after", ""), at="at")
    rows = [(one, mask(one.address) if one.address else "") for one in found.rows]
    context = {
        "rows": rows,
        "page": found,
        "backscatter": code_usage.BackscatterCount.recent(timezone.now()),
        "full": sees_addresses(request),
    }
    return render(request, "mappings/backscatter.html", context)
