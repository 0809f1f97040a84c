"""The overview: how delivery goes over all campaigns, and what wants attention."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from campaigns.models import Campaign
from dashboard.charts import chart_context, rate_context
from dashboard.overview import messages
from dashboard.overview.attention import banners
from dashboard.shell.empty import Empty
from dashboard.shell.listing import SHOW_ALL
from dashboard.shell.pages import fragment
from deliveries.outcomes.campaign_lines import CampaignLine, lines
from deliveries.outcomes.day_figures import SPAN_OF, CarrierDays, overview
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.figures import queue_counts
from deliveries.outcomes.rounding import percent, percent_of
from deliveries.outcomes.thresholds import FEWEST_TO_JUDGE, POOR_BELOW, WATCH_BELOW
from deliveries.statuses import BUCKETS, Disposition, Queue

PERIODS = {"7": 7, "30": 30, "90": 90}
LOOKED_AT = 100  # campaigns judged for attention
SHOWN = 6  # campaigns, before "all" is asked for
SPAN_WORDS = {1: "day", 3: "3 days", 7: "week"}
NOTHING_SENT = Empty("Nothing sent in this time", "Choose a longer period.")
# What the tints of the table of carriers mean: (bucket, depth, words).
HEATMAP_KEY = [
    (BUCKETS[Disposition.DELIVERED], 2, f"{WATCH_BELOW:.0%} or more"),
    (BUCKETS[Disposition.PENDING_RETRY], 2, f"{POOR_BELOW:.0%} to {WATCH_BELOW:.0%}"),
    (BUCKETS[Disposition.BOUNCED_HARD], 4, f"Below {POOR_BELOW:.0%}, the darker the lower"),
    (BUCKETS[Disposition.PENDING], 3, "Too early to judge"),
    ("", 0, f"Fewer than {FEWEST_TO_JUDGE} sent"),
]


@requires("campaigns.view_report")
@require_safe
@vary_on_headers("HX-Request")
def page(request: HttpRequest) -> HttpResponse:
    days = PERIODS.get(request.GET.get("days", ""), 7)
    now = timezone.now()
    today = now.astimezone(UTC).date()
    figures = overview(days, now)
    counts, carriers = queue_counts(), figures.carriers.filled
    recent = _recent(today - timedelta(days=days - 1), now)
    wanting = [line for line in recent if line.needs_attention]
    most = None if request.GET.get("campaigns") == SHOW_ALL else SHOWN
    attention = wanting[:most]
    others = [line for line in recent if not line.needs_attention]
    others = others[: None if most is None else most - len(attention)]
    everything = request.GET.get("show") == SHOW_ALL
    context = {
        "days": days,
        "periods": [(count, f"{count} days", f"?days={key}") for key, count in PERIODS.items()],
        "now": now,
        "figures": figures,
        **rate_context(figures.outcomes, figures.outcomes.verdict),
        "before": percent(figures.before.settled_rate) if figures.before.sent else "",
        "kpis": [
            (
                one.label,
                BUCKETS[one],
                figures.outcomes.of(one),
                _before(figures.before, one, days),
                messages.url(days=days, status=BUCKETS[one]),
            )
            for one in Disposition
            if one != Disposition.DELIVERED
        ],
        **chart_context(
            figures.by_channel,
            everything=everything,
            link=lambda bucket: messages.url(days=days, status=bucket),
        ),
        "nothing": NOTHING_SENT,
        "delivered_url": messages.url(days=days, status=BUCKETS[Disposition.DELIVERED]),
        "sent_url": messages.url(days=days),
        "toggle_url": f"?days={days}" + ("" if everything else f"&show={SHOW_ALL}"),
        "attention": attention,
        "recent": recent,
        "others": others,
        "more": len(recent) - len(attention) - len(others),
        "more_wanting": len(wanting) - len(attention),
        "more_url": f"?days={days}&campaigns={SHOW_ALL}#attention-title",
        "carriers": carriers,
        "heatmap": _heatmap(carriers, days),
        "heatmap_key": HEATMAP_KEY,
        "span": SPAN_WORDS[SPAN_OF[days]],
        "ever": bool(recent) or Campaign.objects.exclude(state=Campaign.State.DRAFT).exists(),
        "alerts": [(alert, request.user.has_perm(alert.needs)) for alert in banners(now)],
        "queues": [(key, key.label, counts.get(key, 0)) for key in Queue],
        "waiting": sum(counts.values()),
    }
    return render(request, fragment(request, "overview/overview.html", "results"), context)


def _before(outcomes: Outcomes, disposition: str, days: int) -> str:
    """The same share in the period before; '' when nothing was sent then, and for what only a young period has."""
    if not outcomes.sent or disposition == Disposition.PENDING:
        return ""
    return f"{percent_of(outcomes.of(disposition), outcomes.sent)} in the {days} days before"


class HeatmapCell(NamedTuple):
    """Tinted by `bucket`, as deep as `depth` (1..5) says; `url` lists the messages `sent`."""

    bucket: str
    depth: int
    rate: str
    sent: int
    url: str


def _heatmap(carriers: CarrierDays, days: int) -> list[tuple[str, str, list[HeatmapCell], str]]:
    """Carrier, its rate over all days, a cell for each span, and where its messages are listed.

    The newest span first: a narrow screen shows what happened last.
    """
    return [
        (
            carrier,
            percent(whole.settled_rate),
            [
                HeatmapCell(
                    cell.tint,
                    _depth(cell.rate),
                    "" if cell.rate is None else percent(cell.rate),
                    cell.outcomes.sent,
                    messages.url(days=days, carrier=carrier, since=first, until=last),
                )
                for (first, last), cell in reversed(list(zip(carriers.spans, cells, strict=True)))
            ],
            messages.url(days=days, carrier=carrier),
        )
        for carrier, whole, cells in carriers.rows
    ]


def _depth(rate: float | None) -> int:
    """The lower the rate, the deeper: one step for each 5 points. From WATCH_BELOW on it is tinted lightly."""
    return 2 if rate is None or rate >= WATCH_BELOW else min(5, 2 + int((WATCH_BELOW - rate) * 20))


def _recent(since: date, now: datetime) -> list[CampaignLine]:
    """Campaigns launched or begun on `since` (UTC) or later, or that still run; the furthest below the mark first."""
    begin = datetime.combine(since, time.min, UTC)
    late = Campaign.objects.exclude(state=Campaign.State.DRAFT).filter(
        Q(launched_at__gte=begin)
        | Q(starts_at__gte=begin)
        | Q(state__in=[Campaign.State.SENDING, Campaign.State.PAUSED])
    )
    shown = lines(list(late.order_by("-id")[:LOOKED_AT]), now)
    return sorted(shown, key=lambda line: (not line.needs_attention, line.outcomes.settled_rate or 0))
