"""Whom a draft would skip, and why: the people behind each of those numbers. Of what was launched, the report says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.roles import requires
from campaigns.models import Campaign
from contacts.gate import Reason
from dashboard.shell.pages import may_see
from deliveries.outcomes.keyset import Cursor, Page
from deliveries.outcomes.narrowing import SKIPPED
from deliveries.outcomes.skipped_people import skipped_rows, why
from deliveries.sending import checks
from deliveries.sending.audience import left_out, reasons_by_channel
from deliveries.sending.first_channel import in_words

SIZE = 50


class Skips(NamedTuple):
    """How many were skipped for a reason, in words, and where they are listed."""

    reason: str
    why: str
    n: int
    url: str


def by_reason(campaign: Campaign, counts: Mapping[str, int]) -> list[Skips]:
    """The reasons with how many were skipped for them, most first. `counts` may hold '' for those who were not."""
    most = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Skips(reason, why(reason), n, skipped_url(campaign, reason)) for reason, n in most if reason]


def skipped_url(campaign: Campaign, reason: str = "") -> str:
    """Where these people are listed: those that a draft would skip have a page, the others stand in the report."""
    if campaign.state == Campaign.State.DRAFT:
        base, query = reverse("campaigns:skipped", args=[campaign.slug]), {"reason": reason}
    else:
        base, query = campaign.get_absolute_url(), {"person": SKIPPED, "skip": reason}
    given = urlencode({name: value for name, value in query.items() if value})
    return f"{base}?{given}" if given else base


@requires("campaigns.view_report")
@require_safe
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """All whom the draft would skip, or those for one reason. A fixed number of queries."""
    campaign = get_object_or_404(Campaign.objects.select_related("playbook"), slug=slug)
    reason, mark = request.GET.get("reason", ""), request.GET.get("after", "")
    if campaign.state != Campaign.State.DRAFT:
        return redirect(skipped_url(campaign, reason))
    draft = checks.load(campaign, timezone.now())
    counts = {key: n for key, n in draft.people.items() if key}
    found = Page([]) if reason and reason not in counts else _would_be_skipped(draft, reason, mark)
    context = {
        "campaign": campaign,
        "draft": draft,
        "reason": reason,
        "total": sum(counts.values()),
        "n": counts.get(reason, 0) if reason else sum(counts.values()),
        "reasons": by_reason(campaign, counts),
        "all_url": skipped_url(campaign),
        "first_url": skipped_url(campaign, reason),
        "keep": urlencode({"reason": reason}) if reason else "",
        "page": found,
        "people": skipped_rows(
            found.rows, campaign.channel, _by_channel(draft, found.rows), full=may_see(request)
        ),
    }
    return render(request, "campaigns/skipped.html", context)


def _would_be_skipped(draft: checks.Draft, reason: str, mark: str) -> Page:
    """(contact, reason) of a page of those whom the draft counts."""
    cursor = Cursor.read(mark)
    found = left_out(
        draft.campaign,
        draft.senders,
        draft.now,
        reason=reason,
        after=cursor.pk if cursor else 0,
        most=SIZE + 1,
        first=draft.first,
    )
    following = str(Cursor(None, found[SIZE - 1][0])) if len(found) > SIZE else ""
    return Page(found[:SIZE], following, first=cursor is None)


def _by_channel(draft: checks.Draft, rows: Sequence[tuple[int, str]]) -> dict[int, str]:
    """Contact -> what stops each channel, where the first message could take several. One query, if any."""
    if not rows or len(draft.senders) == 1:
        return {}
    contacts = [contact for contact, _ in rows]
    found = reasons_by_channel(draft.campaign, draft.first.who, draft.senders, contacts, draft.now)
    return {
        contact: f"by {in_words({channel: why(reason) for channel, reason in reasons.items()})}"
        for contact, reasons in found.items()
        if all(reasons.values()) and Reason.HOLD_OUT not in reasons.values()
    }
