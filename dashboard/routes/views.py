"""The routes on one page: what is wrong, how long messages take, what has been moved, and the lists themselves."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.roles import requires
from dashboard.charts import latency_by_route
from dashboard.shell.pages import who
from deliveries.outcomes import route_status
from deliveries.outcomes.latency import ENOUGH, SLOW
from deliveries.outcomes.route_status import LatencyLine

DRAWN = 20  # routes in the chart, of those with enough messages; the table has them all


@requires("deliveries.view_route")
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    alarms = route_status.open_alarms(now)
    lines = route_status.latency_lines(now)
    judged = [line for line in lines if line.latency.is_known][:DRAWN]
    context: dict[str, Any] = {
        "alarms": alarms,
        "lines": lines,
        "figure": latency_by_route(
            [(one.name, one.short_name, one.seconds, one.state[0]) for one in judged], SLOW
        ),
        "finding": _finding(lines),
        "slow": SLOW,
        "enough": ENOUGH,
        "shares": route_status.shares(),
        "moves": route_status.last_moves(),
        "lists": route_status.lists(alarms),
        "opens_accounts": who(request).is_staff and who(request).has_perm("deliveries.view_account"),
    }
    return render(request, "routes/routes.html", context)


def _finding(lines: list[LatencyLine]) -> str:
    """The chart in one sentence, for those who do not see it."""
    slow = [line for line in lines if line.latency.is_slow]
    if not slow:
        return f"Median time from handover to arrival. No route takes more than {SLOW} seconds."
    names = "; ".join(f"{line.name} with {line.seconds} seconds" for line in slow[:3])
    return f"Median time from handover to arrival. Above {SLOW} seconds: {names}."
