"""How well messages arrive, channel by channel: rates beside those before, how long it takes, codes, complaints."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.roles import requires
from contacts.channels import Channel
from dashboard.overview import messages
from deliveries.alerting.kinds import load_settings
from deliveries.models import Deed
from deliveries.outcomes import deliverability
from deliveries.outcomes.complaints import ComplaintLines
from deliveries.outcomes.day_figures import Overview, overview
from deliveries.outcomes.deliverability import LATELY, CodeChange, UnwantedCampaign
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.outcomes.latency import SLOW
from deliveries.outcomes.recent import DAYS
from deliveries.outcomes.rounding import percent
from deliveries.outcomes.sources import poor_sources
from deliveries.statuses import BUCKETS, Disposition, Status

OTHERS = [one for one in Disposition if one != Disposition.DELIVERED]


class ChannelLine(NamedTuple):
    """One channel: its figures, in words how it did in the days before, and each disposition with its messages."""

    channel: str
    outcomes: Outcomes
    rate: str
    before: str
    sent_url: str
    delivered_url: str
    others: list[tuple[Disposition, str, int, str]]  # with its bucket, how many, and where they are listed


class UnwantedLine(NamedTuple):
    found: UnwantedCampaign
    opt_outs_url: str
    complaints_url: str


@requires("campaigns.view_report")
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """A fixed number of queries, of totals alone."""
    days = next((one for one in DAYS if str(one) == request.GET.get("days")), DAYS[1])
    now = timezone.now()
    figures = overview(days, now)
    times, codes = deliverability.arrival_times(now), deliverability.codes(days, now)
    lines = _complaint_lines()
    unwanted, unwanted_in_all = deliverability.unwanted(days, now, lines)
    most = deliverability.SHOWN
    context: dict[str, Any] = {
        "days": days,
        "periods": [(count, f"{count} days", f"?days={count}") for count in DAYS],
        "now": now,
        "figures": figures,
        "channels": _channels(figures, days),
        "others": [(one.label, BUCKETS[one]) for one in OTHERS],
        "times": times[: 2 * most],
        "more_times": len(times[2 * most :]),
        "hours": int(LATELY.total_seconds() // 3600),
        "slow": SLOW,
        "codes": [(one, _code_url(one)) for one in codes[:most]],
        "more_codes": len(codes[most:]),
        "unwanted": [_unwanted_line(one) for one in unwanted],
        "more_unwanted": unwanted_in_all - len(unwanted),
        "lines": lines,
        "sources": list(poor_sources().values())[:most],
    }
    return render(request, "overview/deliverability.html", context)


def _complaint_lines() -> ComplaintLines:
    """Those from which on an alert is raised."""
    settings = load_settings()
    watch, poor = (settings.threshold(kind) / 100 for kind in ("complaints_watch", "complaints_poor"))
    return ComplaintLines(watch, poor)


def _channels(figures: Overview, days: int) -> list[ChannelLine]:
    return [
        ChannelLine(
            Channel(channel).label,
            outcomes,
            percent(outcomes.settled_rate),
            _before(figures.before_by_channel.get(channel, Outcomes())),
            messages.url(days=days, channel=channel),
            messages.url(days=days, channel=channel, status=BUCKETS[Disposition.DELIVERED]),
            [
                (
                    one, BUCKETS[one], outcomes.of(one),
                    messages.url(days=days, channel=channel, status=BUCKETS[one]),
                )
                for one in OTHERS
            ],
        )
        for channel, outcomes in figures.by_channel.items()
        if outcomes.sent
    ]  # fmt: skip


def _before(outcomes: Outcomes) -> str:
    """The rate then; '' where nothing had a result."""
    return percent(outcomes.settled_rate) if outcomes.settled else ""


def _code_url(one: CodeChange) -> str:
    return f"{reverse('mappings:codes')}?{urlencode({'s': one.code})}"


def _unwanted_line(found: UnwantedCampaign) -> UnwantedLine:
    report = found.campaign.get_absolute_url()
    return UnwantedLine(
        found,
        f"{report}?{urlencode({'engaged': Deed.OPTED_OUT.value})}",
        f"{report}?{urlencode({'status': Status.COMPLAINED.value})}",
    )
