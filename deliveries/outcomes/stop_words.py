"""A campaign that stopped by itself, in words: for its report, lists and the overview."""

from __future__ import annotations

from collections.abc import Collection

from deliveries.models import CampaignStop
from deliveries.outcomes.rounding import percent


def seen(stop: CampaignStop) -> str:
    """What was seen, beside what is usual."""
    failed = f"{stop.failed:,} of {stop.sent:,} messages {stop.WORDS[stop.Kind(stop.kind)]}"
    return f"{failed} ({percent(stop.observed)}); {percent(stop.usual)} is usual"


def in_short(stop: CampaignStop) -> str:
    return f"{percent(stop.observed)} {stop.WORDS[stop.Kind(stop.kind)]}"


def top_cause(stop: CampaignStop) -> str:
    """The cause with the most failures, as a sentence; '' where none is known."""
    counted = [cause for cause in stop.causes if cause["failed"]]
    if not counted:
        return ""
    cause = max(counted, key=lambda one: (one["dimension"] == "code", one["failed"]))
    return f"Most of all: {cause['label'].rstrip('.')} ({cause['failed']:,})."


def open_stops(campaign_ids: Collection[int] | None = None) -> dict[int, CampaignStop]:
    """By campaign, those that nobody has resumed or canceled since; of these campaigns, or of all. One query."""
    found = CampaignStop.objects.filter(resumed_at=None, campaign__state="paused").select_related("campaign")
    if campaign_ids is not None:
        found = found.filter(campaign__in=campaign_ids)
    return {stop.campaign_id: stop for stop in found}
