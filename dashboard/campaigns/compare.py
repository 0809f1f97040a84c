"""Parts of a campaign, whole campaigns and two of them compared, by any dimension."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.roles import requires
from campaigns.models import Campaign
from deliveries.outcomes.causes import CauseFindings, CommonPart, is_awaited, newest
from deliveries.outcomes.causes_rows import LEFT, address_of
from deliveries.outcomes.compare import (
    DIMENSIONS,
    ComparedPart,
    as_group,
    beside_each_other,
    compared,
    together,
)

CAMPAIGN = "campaign"
DAYS = (7, 30, 90, 180)
MOST = 40  # campaigns, the newest


class ComparedLine(NamedTuple):
    """One row; '' where nothing lists its messages."""

    found: ComparedPart
    failed_url: str
    all_url: str


@requires("campaigns.view_report")
@require_safe
def of_one(request: HttpRequest, slug: str) -> HttpResponse:
    """One campaign by `?by=` a dimension, against what is usual; `with=` the slug of another beside it."""
    campaign = get_object_or_404(Campaign.objects.exclude(state=Campaign.State.DRAFT), slug=slug)
    by = _dimension(request, "carrier")
    beside = request.GET.get("with", "").replace("\x00", "")  # PostgreSQL compares none with it
    other = Campaign.objects.filter(slug=beside).exclude(pk=campaign.pk).first()
    found = newest([campaign.pk, *([other.pk] if other else [])])
    dated = found.get(campaign.pk)
    findings = dated.findings if dated else CauseFindings()
    theirs = found[other.pk].findings if other and other.pk in found else CauseFindings()
    groups = findings.groups.get(by, ())
    context: dict[str, Any] = {
        "title": f"Compare, {campaign.name}",
        "campaign": campaign,
        "dated": dated,
        "awaited": is_awaited(campaign),
        "by": by,
        "label": DIMENSIONS[by],
        "dimensions": _choices(request, by, DIMENSIONS),
        "whole": [
            _whole(one)
            for one in compared([as_group(CommonPart(CAMPAIGN, campaign.slug, campaign.name), findings)])
        ],
        "other": other,
        "other_known": other is not None and other.pk in found,
        "pairs": beside_each_other(groups, theirs.groups.get(by, ())) if other else [],
        "lines": [_line(campaign, one) for one in compared(groups)] if not other else [],
        "campaigns": _recent(180).exclude(pk=campaign.pk)[:MOST],
    }
    return render(request, "campaigns/compare.html", context)


@requires("campaigns.view_report")
@require_safe
def of_all(request: HttpRequest) -> HttpResponse:
    """The campaigns of some days, beside each other or together by a dimension: MMS against SMS, lists, carriers."""
    given = request.GET.get("days", "")
    days = int(given) if given in map(str, DAYS) else 30
    choices = {CAMPAIGN: "Campaign", **DIMENSIONS}
    by = _dimension(request, CAMPAIGN, choices)
    campaigns = {one.pk: one for one in _recent(days)[:MOST]}
    found = newest(campaigns)
    if by == CAMPAIGN:
        groups = [
            as_group(CommonPart(CAMPAIGN, campaigns[pk].slug, campaigns[pk].name), dated.findings)
            for pk, dated in found.items()
        ]
        lines = [_whole(one) for one in compared(groups)]
    else:
        groups = together((dated.findings for dated in found.values()), by)
        lines = [ComparedLine(one, "", "") for one in compared(groups)]
    context = {
        "title": "Compare",
        "by": by,
        "label": choices[by],
        "dimensions": _choices(request, by, choices),
        "days": days,
        "periods": [(one, f"?{urlencode({'by': by, 'days': one})}") for one in DAYS],
        "lines": lines,
        "counted": len(found),
        "campaigns": len(campaigns),
        "oldest": min((dated.at for dated in found.values()), default=None),
    }
    return render(request, "campaigns/compare_all.html", context)


def _recent(days: int) -> Any:
    since = timezone.now() - timedelta(days=days)
    return Campaign.objects.filter(launched_at__gt=since).order_by("-launched_at", "-pk")


def _dimension(request: HttpRequest, otherwise: str, choices: Any = DIMENSIONS) -> str:
    by = request.GET.get("by", "")
    return by if by in choices else otherwise


def _choices(request: HttpRequest, by: str, choices: dict[str, str]) -> list[tuple[str, str, bool]]:
    """(address, label, whether it is shown)."""
    kept = {name: request.GET[name] for name in ("with", "days") if request.GET.get(name)}
    return [(f"?{urlencode({'by': name, **kept})}", label, name == by) for name, label in choices.items()]


def _line(campaign: Campaign, found: ComparedPart) -> ComparedLine:
    base = campaign.get_absolute_url()
    parts = (found.group.part,)
    return ComparedLine(found, address_of(base, parts), address_of(base, parts, LEFT))


def _whole(found: ComparedPart) -> ComparedLine:
    base = reverse("campaigns:report", args=[found.group.part.value])
    return ComparedLine(found, address_of(base, ()), address_of(base, (), LEFT))
