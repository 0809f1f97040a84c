"""The figures above a report: of the campaign, or of what the filters of its list let through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.roles import requires
from campaigns.models import Campaign, Recipient
from dashboard.campaigns.report_figures import figures_context, other_half, with_these
from dashboard.campaigns.report_list import count_url, list_url
from dashboard.charts import verdict_icon
from dashboard.shell.listing import SHOW_ALL, Listing, nouns
from dashboard.shell.pages import parts_of
from deliveries.outcomes.campaign_lines import verdict_of
from deliveries.outcomes.counting import Count
from deliveries.outcomes.delivery_rate import Outcomes, TargetVerdict
from deliveries.outcomes.figures import CampaignFigures, People
from deliveries.outcomes.filters import OutcomeFilter, filter_of
from deliveries.outcomes.narrowed_figures import NarrowedFigures, counted_figures
from deliveries.outcomes.narrowing import APART, OutcomeView
from deliveries.outcomes.rounding import percent
from deliveries.outcomes.rows import exact_count, page_size
from deliveries.outcomes.skipped_people import lists_skipped
from deliveries.statuses import BUCKETS, Disposition, Queue

NOT_COUNTED = TargetVerdict("Being counted", BUCKETS[Disposition.PENDING])


class Figure(NamedTuple):
    """A bucket, its messages, one telling line and the list of them."""

    label: str
    bucket: str
    n: int
    line: str
    url: str


@dataclass(frozen=True)
class Strip:
    """What the strip prints. `counted` is False where that is left for later; `count_url` counts it then, '' where the
    list below asks for it anyway."""

    outcomes: Outcomes
    verdict: TargetVerdict
    cells: list[Figure]
    narrowed: bool = False
    counted: bool = True
    count_url: str = ""
    count_now_url: str = ""  # the same page with them counted, for whoever has no script
    reach: People | None = None
    reached_url: str = ""
    delivered_url: str = ""
    sent_url: str = ""
    waits: bool = False

    @property
    def rate(self) -> str:
        return percent(self.outcomes.settled_rate)

    @property
    def of_sent(self) -> str:
        return percent(self.outcomes.rate)

    @property
    def icon(self) -> str:
        return verdict_icon(self.outcomes)


def was_narrowed(request: HttpRequest) -> bool:
    """Whether the page that a fragment is for shows the figures of filters: they are to go once those are taken off."""
    before = QueryDict(parts_of(getattr(getattr(request, "htmx", None), "current_url", "") or "").query)
    return any(before.get(name) for name in OutcomeFilter.base_fields if name not in APART)


def strip_of(
    figures: CampaignFigures, found: NarrowedFigures, names: Mapping[int, str], shown: Listing
) -> Strip:
    """`found`: what the filters of the list let through; `names`: list source id -> its name; `shown`: the list."""
    campaign, narrowing = figures.campaign, shown.view.of_messages
    if narrowing.filters:
        strip = _narrowed(campaign, narrowing, found)
        if found.is_counted:
            return strip
        given = shown.form.querystring(show=shown.show)
        alone = not shown.count_url  # the list does not ask for it
        asked = count_url(campaign)(shown.view.queue, given) if alone else ""
        return replace(strip, count_url=asked, count_now_url=shown.count_now_url)
    outcomes, url, now = figures.outcomes, list_url(campaign), timezone.now()
    return Strip(
        outcomes=outcomes,
        verdict=verdict_of(campaign, outcomes, now),
        cells=[
            Figure(one.label, one.bucket, one.n, one.line, url("", f"status={one.bucket}"))
            for one in figures.kpis(names)
        ],
        reach=figures.reach,
        reached_url=url("", f"person={Recipient.State.REACHED}"),
        delivered_url=url("", f"status={BUCKETS[Disposition.DELIVERED]}"),
        sent_url=url("", ""),
        waits=bool(outcomes.sent and not campaign.has_begun(now)),
    )


def _narrowed(campaign: Campaign, view: OutcomeView, found: NarrowedFigures) -> Strip:
    """Of the messages that filters let through."""
    outcomes, url = found.outcomes or Outcomes(), list_url(campaign)
    return Strip(
        outcomes=outcomes,
        verdict=outcomes.verdict if found.outcomes is not None else NOT_COUNTED,
        cells=[
            Figure(
                str(one.label),
                BUCKETS[one],
                outcomes.of(one),
                "",
                url("", with_these(view.filters, status=BUCKETS[one])),
            )
            for one in Disposition
            if one != Disposition.DELIVERED
        ],
        narrowed=True,
        delivered_url=url("", with_these(view.filters, status=BUCKETS[Disposition.DELIVERED])),
        sent_url=url("", with_these(view.filters)),
        counted=found.outcomes is not None,
    )


@requires("campaigns.view_report")
@require_safe
def counts(request: HttpRequest, slug: str) -> HttpResponse:
    """What the page left for later: how many rows its list has, and the figures above it, counted one by one."""
    campaign = get_object_or_404(Campaign, slug=slug)
    queue = request.GET.get("queue", "")
    form = filter_of(campaign.pk, queue if queue in Queue.values else "", request.GET.dict())
    if not form.is_valid():
        return HttpResponse(status=422)
    view, now = form.view(campaign.pk, queue if queue in Queue.values else ""), timezone.now()
    n = exact_count(view, now)
    context = {
        "count": Count(n),
        "nouns": nouns(view),
        # Only what stands on the page can be replaced.
        "has_export": request.user.has_perm("campaigns.export_report"),
        "has_button": request.user.has_perm("deliveries.act_in_bulk")
        and n > page_size(view)
        and not lists_skipped(view),
        "form": form,
        **_counted(request, campaign, form, view, now),
    }
    return render(request, "results/counted.html", context)


def _counted(
    request: HttpRequest, campaign: Campaign, form: OutcomeFilter, view: OutcomeView, now: datetime
) -> dict[str, Any]:
    """The parts above the list that follow its filters; nothing where none narrows the messages."""
    narrowing = view.of_messages
    if not narrowing.filters:
        return {}
    figures, found = CampaignFigures(campaign), counted_figures(narrowing, now)
    everything = request.GET.get("show") == SHOW_ALL
    toggle = other_half(form, view.queue, campaign, everything=everything)
    return {
        "campaign": campaign,
        "strip": _narrowed(campaign, narrowing, found),
        **figures_context(figures, found, narrowing.filters, everything=everything, toggle=toggle),
    }
