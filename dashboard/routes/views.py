"""The routes on one page: what is wrong, how long messages take, what has been moved, and the lists themselves."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from accounts.roles import requires
from contacts.channels import Channel
from dashboard.charts import latency_by_route
from dashboard.shell.pages import who
from deliveries.models import Account
from deliveries.outcomes import keyset, route_status
from deliveries.outcomes.arrivals import arrived_lately
from deliveries.outcomes.keyset import read_id
from deliveries.outcomes.latency import ENOUGH, SLOW, RouteId
from deliveries.outcomes.route_status import LatencyLine, RouteScope

PAGE_SIZE = 50
DRAWN = 20  # routes in the chart, of those with enough messages; the table has them all


@requires("deliveries.view_route")
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    now, scope = timezone.now(), _scope(request)
    alarms = route_status.open_alarms(now)
    lines = route_status.latency_lines(now, scope)
    judged = [line for line in lines if line.latency.is_known][:DRAWN]
    context: dict[str, Any] = {
        "alarms": [one for one in alarms if scope.has(one.alarm.channel, one.alarm.account_id)],
        "only": _only(scope),
        "lines": lines,
        "figure": latency_by_route(
            [(one.name, one.short_name, one.seconds, one.state[0]) for one in judged], SLOW
        ),
        "finding": _finding(lines),
        "slow": SLOW,
        "enough": ENOUGH,
        "shares": route_status.shares(scope),
        "moves": route_status.last_moves(scope),
        "lists": route_status.lists(alarms, scope),
        "opens_accounts": who(request).is_staff and who(request).has_perm("deliveries.view_account"),
    }
    return render(request, "routes/routes.html", context)


def _scope(request: HttpRequest) -> RouteScope:
    """What the query narrows the page to; whatever it cannot mean narrows nothing."""
    account, channel = read_id(request.GET.get("account", "")), request.GET.get("channel", "")
    known = account is not None and Account.objects.filter(pk=account).exists()
    return RouteScope(account if known else None, channel if channel in Channel.values else "")


def _only(scope: RouteScope) -> str:
    """In words; '' where everything is shown."""
    account = Account.objects.names().get(scope.account_id, "") if scope.account_id is not None else ""
    return ", ".join(filter(None, [account, Channel(scope.channel).label if scope.channel else ""]))


@requires("deliveries.view_route", "campaigns.view_report")
@require_safe
def arrivals(request: HttpRequest) -> HttpResponse:
    """The messages that one line of the latencies counts."""
    given = request.GET
    account = get_object_or_404(
        Account.objects.defer("credentials"), pk=read_id(given.get("account_id", "")) or 0
    )
    if given.get("channel") not in Channel.values:
        raise Http404("There is no such channel.")
    country, carrier = (given.get(name, "").replace("\x00", "") for name in ("country", "carrier"))
    route = RouteId(account.pk, given["channel"], country[:8], carrier[:60])
    rows = arrived_lately(route, timezone.now()).select_related("campaign", "contact")
    found = keyset.page(rows, PAGE_SIZE, given.get("after", ""))
    keep = urlencode(route._asdict())
    context = {
        "where": ", ".join(filter(None, [Channel(route.channel).label, route.country, route.carrier])),
        "account": account,
        "page": found,
        "keep": keep,
        "first_url": f"{request.path}?{keep}",
    }
    return render(request, "routes/arrivals.html", context)


def _finding(lines: list[LatencyLine]) -> str:
    """The chart in one sentence, for those who do not see it."""
    slow = [line for line in lines if line.latency.is_slow]
    if not slow:
        return f"Median time from handover to arrival. No route takes more than {SLOW} seconds."
    names = "; ".join(f"{line.name} with {line.seconds} seconds" for line in slow[:3])
    return f"Median time from handover to arrival. Above {SLOW} seconds: {names}."
