"""Suppressions week by week: every number opens the rows it counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.roles import requires
from contacts.models import Suppression
from contacts.suppression_lists import ENDING, ENDS_WITHIN, in_state
from contacts.suppression_trend import WEEKS, Week, occurring, trend
from dashboard.suppressions.views import SEE
from deliveries.outcomes.counting import counted


@requires(SEE)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    weeks = trend(now, timezone.get_current_timezone())
    tables = [
        _table(weeks, "reason", "By reason", Suppression.Reason.choices),
        _table(weeks, "origin", "By origin", Suppression.Origin.choices),
    ]
    context = {
        "tables": tables if any(week.total for week in weeks) else [],
        "weeks": WEEKS,
        "ending": counted(Suppression.objects.filter(in_state(ENDING, now))),
        "ending_state": ENDING,
        "days": ENDS_WITHIN.days,
        "section": "trend",
    }
    return render(request, "suppressions/trend.html", context)


def _table(
    weeks: Sequence[Week], name: str, title: str, choices: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """`name` is that of the field; a cell is (key, how many)."""
    columns = occurring(weeks, choices, f"{name}s")
    return {
        "name": name,
        "title": title,
        "columns": columns,
        "rows": [
            (week, [(key, label, getattr(week, f"{name}s")[key]) for key, label in columns]) for week in weeks
        ],
    }
