"""The messages behind the numbers of the overview: those of the last days, over all campaigns."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from contacts.models import ContactList
from dashboard.shell.listing import ListPlace, list_context, listing, needs_choices
from dashboard.shell.pages import fragment
from deliveries.models import CodeTally, DayTally
from deliveries.outcomes.day_figures import overview
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.filter_choices import NAMELESS, Offer
from deliveries.outcomes.filters import OutcomeFilter
from deliveries.outcomes.narrowing import DISPOSITION_OF, NOBODY, OutcomeView
from deliveries.outcomes.recent import DAYS, first_day

OFFERED = 300  # carriers, lists and codes in a select


def url(**given: object) -> str:
    """The list, narrowed: `days`, `status`, `channel`, `carrier`, `since` and `until` (UTC days, both included)."""
    return f"{reverse('messages')}?{urlencode(given)}"


@requires("campaigns.view_report")
@require_safe
@vary_on_headers("HX-Request")
def page(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    given = request.GET.dict()
    days = next((one for one in DAYS if str(one) == given.get("days")), DAYS[0])
    form = _form(request, given | {"days": str(days)}, days, now)
    place = ListPlace(
        campaign_id=None, queue="", tabs=[], url=lambda queue, query: f"{reverse('messages')}?{query}",
        tallied=lambda view: _tallied(view, days, now),
    )  # fmt: skip
    shown = listing(request, form, place, now)
    context = {
        "title": "Messages",
        "days": days,
        "periods": [(count, f"{count} days", _period(shown.query, count)) for count in DAYS],
        "now": now,
        **list_context(shown, request),
    }
    template = fragment(request, "overview/messages.html", "results")
    return render(request, template, context, status=422 if shown.invalid else 200)


def _period(query: str, days: int) -> str:
    others = [part for part in query.split("&") if part and not part.startswith("days=")]
    return "?" + "&".join([f"days={days}", *others])


def _tallied(view: OutcomeView, days: int, now: datetime) -> int | None:
    """As the overview has it, for what it shows; None for any other narrowing."""
    status = view.filters.get("status", "")
    if not view.filters.keys() <= {"days", "status", "channel"} or status not in {"", *DISPOSITION_OF}:
        return None
    figures = overview(days, now)
    channel = view.filters.get("channel", "")
    outcomes = figures.by_channel.get(channel, Outcomes()) if channel else figures.outcomes
    return outcomes.of(DISPOSITION_OF[status]) if status else outcomes.sent


def _form(request: HttpRequest, given: dict[str, str], days: int, now: datetime) -> OutcomeFilter:
    """Offers what was seen in these days."""
    if not needs_choices(request):
        return OutcomeFilter(given)
    seen = DayTally.objects.filter(day__gte=first_day(days, now), n__gt=0).exclude(disposition="")
    codes = CodeTally.objects.filter(n__gt=0).exclude(disposition="").order_by("reason_code")
    carriers: Iterable[str] = seen.order_by("carrier").values_list("carrier", flat=True).distinct()[:OFFERED]
    offered = {
        "carrier": [Offer(one or NOBODY, one or NAMELESS["carrier"]) for one in carriers],
        "source": [
            Offer(str(pk), name) for pk, name in ContactList.objects.values_list("pk", "name")[:OFFERED]
        ],
        "code": [
            Offer(one or NOBODY, one or NAMELESS["code"])
            for one in codes.values_list("reason_code", flat=True).distinct()[:OFFERED]
        ],
    }
    return OutcomeFilter(given, offered=offered)
