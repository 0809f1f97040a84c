"""Why messages of a campaign fail: each cause as a sentence whose numbers open their rows, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.roles import requires
from campaigns.models import Campaign, Content
from dashboard.campaigns.wordings import ChangedField, compared
from dashboard.shell.pages import who
from deliveries.models import CampaignStop
from deliveries.outcomes import causes_step
from deliveries.outcomes.causes import (
    ACCOUNT,
    CODE,
    FAILED,
    LINK,
    SENDER,
    SILENT,
    WORDING,
    CauseFindings,
    FailureCause,
    is_awaited,
    newest,
)
from deliveries.outcomes.causes_rows import LEFT, address_of, filters_of
from deliveries.outcomes.normal_versions import NormalVersion, last_normal
from deliveries.statuses import Fault, Queue

# Which queue holds what is to be done, by whose fault it is.
QUEUE_OF = {
    Fault.RECIPIENT: (Queue.CORRECT, "Correct them"), Fault.CONTENT: (Queue.REVIEW, "Review the content"),
    Fault.SENDER: (Queue.REVIEW, "Review the sender"), Fault.ACCOUNT: (Queue.REVIEW, "Review the account"),
    Fault.CARRIER: (Queue.RETRY, "Retry them"),
}  # fmt: skip


class CauseAct(NamedTuple):
    words: str
    url: str


class CodeLine(NamedTuple):
    code: str
    n: int
    meaning: str
    url: str


class CauseLine(NamedTuple):
    """A cause with the lists that its numbers open. `without`: (channel, dimension, value) that the campaign may go on
    without, where it stopped by itself."""

    cause: FailureCause
    sentence: str
    failed_url: str
    all_url: str
    codes: list[CodeLine]
    acts: list[CauseAct]
    without: tuple[str, str, str] | None


@requires("campaigns.view_report")
@require_safe
def causes(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign.objects.exclude(state=Campaign.State.DRAFT), slug=slug)
    dated = newest([campaign.pk]).get(campaign.pk)
    findings = dated.findings if dated else CauseFindings()
    stop = CampaignStop.objects.filter(campaign=campaign, resumed_at=None).first()
    parts = stop.parts if stop and campaign.state == Campaign.State.PAUSED else []
    base = campaign.get_absolute_url()
    context = {
        "title": f"Causes, {campaign.name}",
        "campaign": campaign,
        "dated": dated,
        "findings": findings,
        "failed": findings.of(FAILED),
        "silent": findings.of(SILENT),
        "excess": round(findings.of(FAILED).excess),
        "rest": round(findings.rest(FAILED)),
        "failed_url": address_of(base, (), FAILED),
        "silent_url": address_of(base, (), SILENT),
        "all_url": address_of(base, (), LEFT),
        "lines": [_line(campaign, findings, cause, parts, who(request)) for cause in findings.causes],
        "awaited": is_awaited(campaign),
        **_wording(campaign, findings, who(request)),
    }
    return render(request, "campaigns/causes.html", context)


@requires("campaigns.view_report")
@require_POST
def count(request: HttpRequest, slug: str) -> HttpResponse:
    """Have them counted anew, in the background."""
    campaign = get_object_or_404(Campaign.objects.exclude(state=Campaign.State.DRAFT), slug=slug)
    causes_step.ask(campaign, who(request), timezone.now())
    messages.success(
        request, "It is being counted. This takes seconds, and minutes for millions of messages."
    )
    return redirect("campaigns:causes", campaign.slug)


def _list(campaign: Campaign, query: str) -> str:
    return f"{campaign.get_absolute_url()}?{query}"


def _line(
    campaign: Campaign, findings: CauseFindings, cause: FailureCause, parts: list[dict], user: User
) -> CauseLine:
    base = campaign.get_absolute_url()
    codes = [
        CodeLine(one.code, one.n, one.meaning, address_of(base, cause.parts, code=one.code))
        for one in cause.codes
        if one.code
    ]
    return CauseLine(
        cause,
        findings.sentence(cause),
        address_of(base, cause.parts, cause.measure),
        address_of(base, cause.parts, LEFT),
        codes,
        _acts(campaign, cause, user),
        _without(cause, parts) if user.has_perm("campaigns.launch_campaign") else None,
    )


def _acts(campaign: Campaign, cause: FailureCause, user: User) -> list[CauseAct]:
    """What one click leads to: the queue with just these rows, and the page on which it is fixed."""
    found = []
    if cause.fault in QUEUE_OF:
        queue, words = QUEUE_OF[Fault(cause.fault)]
        found.append(CauseAct(words, _list(campaign, urlencode({"queue": queue, **_narrow(cause)}))))
    part = cause.part(SENDER)
    if part and user.has_perm("campaigns.view_sender"):
        found.append(CauseAct("Open the sender", reverse("senders:sender", args=[part.value])))
    if cause.part(ACCOUNT) and user.has_perm("campaigns.view_sender"):
        found.append(CauseAct("Test whether reports come in", reverse("senders:receiving")))
    code = cause.part(CODE)
    if code and user.has_perm("deliveries.view_codemapping"):
        found.append(
            CauseAct("What the code means", f"{reverse('mappings:codes')}?{urlencode({'s': code.value})}")
        )
    return found


def _narrow(cause: FailureCause) -> dict[str, str]:
    """Without what no queue is narrowed by."""
    kept = filters_of(cause.parts)
    return {name: value for name, value in kept.items() if name not in ("outcome", "attempt")}


def _without(cause: FailureCause, parts: list[dict]) -> tuple[str, str, str] | None:
    for part in parts:
        if any((one.dimension, one.value) == (part["dimension"], part["value"]) for one in cause.parts):
            return part["channel"], part["dimension"], part["value"]
    return None


def _wording(campaign: Campaign, findings: CauseFindings, user: User) -> dict[str, object]:
    """What it says beside the last wording of its sender that arrived as it should, where content may be the cause."""
    about_content = any(
        cause.fault == Fault.CONTENT or cause.part(LINK) or cause.part(WORDING) for cause in findings.causes
    )
    content = (
        Content.objects.filter(campaign=campaign, channel=campaign.channel).select_related("sender").first()
    )
    if not about_content or content is None or not user.has_perm("campaigns.view_content"):
        return {}
    normal: NormalVersion | None = last_normal(content.sender_id, campaign.channel, without=campaign.pk)
    changed: list[ChangedField] = compared(normal.version, content) if normal else []
    return {"about_content": True, "content": content, "normal": normal, "changed": changed}
