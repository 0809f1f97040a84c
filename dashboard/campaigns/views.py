"""Campaigns: the list, the report of one, and launch, pause, resume, cancel."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import User
from accounts.roles import requires
from campaigns.costs import minutes, reckon, spread
from campaigns.estimates import Estimate, estimate
from campaigns.models import Campaign, Price
from campaigns.rates import kind_of
from contacts.channels import Channel
from contacts.models import Reply
from dashboard.campaigns import running
from dashboard.campaigns.figures_strip import strip_of, was_narrowed
from dashboard.campaigns.follow_ups import chain
from dashboard.campaigns.report_figures import figures_context, other_half
from dashboard.campaigns.report_list import list_url, report_list
from dashboard.campaigns.skipped import by_reason
from dashboard.charts import rate_context
from dashboard.exports import csv_of
from dashboard.shell.listing import SHOW_ALL, Listing, list_context, needs_choices
from dashboard.shell.pages import fragment, trigger, who
from deliveries.alerting import boxes
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.outcomes.campaign_lines import STATE_BUCKETS, verdict_of
from deliveries.outcomes.figures import CampaignFigures, is_canceling
from deliveries.outcomes.filter_choices import source_names
from deliveries.outcomes.keyset import read_id
from deliveries.outcomes.narrowed_figures import counted_figures, tallied_figures
from deliveries.sending import canary, checks, launching
from deliveries.sending.meant import first_contacts
from deliveries.sending.standing_still import why_it_waits
from deliveries.statuses import Queue
from deliveries.wording import begins_words

logger = logging.getLogger(__name__)
DONE = {
    "launch": "is being prepared and starts automatically.",
    "pause": "is paused. Nothing more is sent until you resume it.",
    "resume": "is running again.",
    "cancel": "is canceled. Nothing more is sent.",
}
BEFORE_ITS_START = {"launch", "resume"}  # acts that say when it begins, where that lies ahead
# What is paused still receives reports of what was sent before.
LIVE = (Campaign.State.LAUNCHING, Campaign.State.SENDING, Campaign.State.PAUSED)


@requires("campaigns.view_report")
@require_safe
@vary_on_headers("HX-Request")
def report(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(
        Campaign.objects.select_related("playbook", "created_by", "follows"), slug=slug
    )
    now = timezone.now()
    if campaign.state == Campaign.State.DRAFT:
        if who(request).has_perm("campaigns.change_campaign"):
            return redirect("campaigns:edit", campaign.slug)  # where it is written, checked and launched
        return render(
            request,
            "campaigns/draft.html",
            {"campaign": campaign, **launch_context(checks.load(campaign, now), who(request))},
        )
    canceling = is_canceling(campaign)
    figures = CampaignFigures(campaign, uncounted=canceling)
    live = campaign.state in LIVE or canceling
    template = fragment(request, "campaigns/report.html", "results")
    whole = live or template == "campaigns/report.html"  # with what stands above the list
    refiltered = not whole and was_narrowed(request)  # a fragment that takes filters off
    names = source_names(figures.source_ids) if whole or refiltered or needs_choices(request) else []
    shown = report_list(request, campaign, figures, names, now)
    about = _about(campaign, canceling=canceling, empty=shown.unsent is not None)
    page_context = {
        "campaign": campaign,
        "title": campaign.name,
        "now": now,
        "live": live,
        "about": about,
        "canceling": canceling,
        "never_began": campaign.state == Campaign.State.CANCELED and not figures.outcomes.sent,
        "outcomes": figures.outcomes,
        "everything": request.GET.get("show") == SHOW_ALL,
        "hold_queue": True,
        "export_url": reverse("campaigns:export", args=[campaign.slug]),
        **list_context(shown, request),
    }
    if request.headers.get("X-State", about) != about:
        return HttpResponse(headers={"HX-Refresh": "true"})
    narrowing = shown.view.of_messages.filters
    if whole or refiltered or narrowing:
        page_context |= _narrowed(request, figures, dict(names), shown)
    if whole:
        page_context |= _figures(request, campaign, figures, dict(names), shown)
    return render(request, template, page_context, status=422 if shown.invalid else 200)


def _about(campaign: Campaign, *, canceling: bool, empty: bool) -> str:
    """What the parts around the results speak of. Once it is another, the whole page is loaded anew.

    "Preparing" must not outlive the launch, nor "Nothing sent yet" the first message, nor "Canceling" the last.
    """
    words = [campaign.state, "canceling" if canceling else "", "empty" if empty else ""]
    return " ".join(filter(None, words))


def _opted_out_by_reply(request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """How many replies to its messages were opt-outs, and their list. Outcomes of messages say nothing of those."""
    asked = {"reading": Reply.Reading.STOP.value, "campaign": campaign.pk}
    stops = Count("pk", filter=Q(reading=Reply.Reading.STOP))
    found = Reply.objects.filter(campaign_id=campaign.pk).aggregate(all=Count("pk"), stops=stops)
    may_open = request.user.has_perm("contacts.view_reply")
    url = f"{reverse('inbox:all')}?{urlencode(asked)}" if may_open else ""
    return {"opted_out_by_reply": found["stops"], "replies": found["all"], "replies_url": url}


def _narrowed(
    request: HttpRequest, figures: CampaignFigures, names: dict[int, str], shown: Listing
) -> dict[str, Any]:
    """The parts above the list that follow its filters. What no tally knows is left for later, unless it is asked
    for at once."""
    campaign, narrowing = figures.campaign, shown.view.of_messages
    found = tallied_figures(figures, narrowing.filters)
    if not found.is_counted and request.GET.get("count") == "1":
        found = counted_figures(narrowing, shown.at)
    everything = request.GET.get("show") == SHOW_ALL
    toggle = (
        other_half(shown.form, shown.view.queue, campaign, everything=everything) if not shown.invalid else ""
    )
    return {
        "strip": strip_of(figures, found, names, shown),
        # The chart is another than before, with its legend.
        "refiltered": bool(narrowing.filters) or was_narrowed(request),
        # A refresh leaves the figures that stand there until they are counted anew.
        "keeps_figures": trigger(request) == "results" and not found.is_counted,
        **_opted_out_by_reply(request, campaign),
        **figures_context(
            figures, found, narrowing.filters, everything=everything, toggle=toggle or list_url(campaign)("", ""),
            unsent=shown.unsent,
        ),
    }  # fmt: skip


def _figures(
    request: HttpRequest, campaign: Campaign, figures: CampaignFigures, names: dict[int, str], shown: Listing
) -> dict[str, Any]:
    """What the page shows above the list."""
    url = list_url(campaign)
    outcomes = figures.outcomes
    return {
        "state": campaign.state_words(shown.at),
        "state_bucket": STATE_BUCKETS[Campaign.State(campaign.state)],
        "queued": figures.queued,
        "why_paused": _why_paused(campaign),
        "paused": _paused(campaign),
        "overrides": list(campaign.overrides.select_related("by")),
        "why_it_waits": why_it_waits(campaign, shown.at),
        "open_alerts": boxes.urgent_first(shown.at, [campaign.pk]),
        **running.context(campaign, figures, url),
        **rate_context(outcomes, verdict_of(campaign, outcomes, shown.at)),
        "sentence": "filters that cannot be used" if shown.invalid else shown.form.sentence(),
        "chain": chain(campaign),
        "engagement": figures.engagement,
        "engagement_said": figures.engagement.sentence(outcomes, shown.at),
        "engaged_url": url("", "engaged="),
        "skipped": by_reason(campaign, figures.skipped),
        "sources": len(figures.source_ids - {0}),
    }


def _why_paused(campaign: Campaign) -> str:
    """Why the audience could not be prepared, where the campaign was paused for it; else ''."""
    if campaign.state != Campaign.State.PAUSED:
        return ""
    return quarantine.reasons(Kind.PREPARE, [campaign.pk]).get(campaign.pk, "")


def _paused(campaign: Campaign) -> LogEntry | None:
    """Who paused it by hand, and when; None where it is not paused, or nobody's act was the last."""
    if campaign.state != Campaign.State.PAUSED:
        return None
    done = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(Campaign), object_id=str(campaign.pk)
    )
    acts = Q(change_message__in=["Pause.", "Resume.", "Launch."]) | Q(change_message__startswith="Resumed ")
    last = done.filter(acts).select_related("user")
    found = last.order_by("-action_time", "-pk").first()
    return found if found and found.change_message == "Pause." else None


def launch_context(draft: checks.Draft, user: User) -> dict[str, Any]:
    """Who a draft would go to. Counted, because nothing has been tallied yet; a fixed number of queries."""
    campaign, now = draft.campaign, draft.now
    lists = campaign.lists.annotate(n=Count("memberships"))
    found = checks.check(draft)
    scheduled = bool(campaign.starts_at and now < campaign.starts_at)
    costs = {
        channel: estimate(content.counted_body, first_contacts(campaign, now, draft.first))
        for channel, content in draft.contents.items()
        if channel == Channel.SMS
    }
    prices = list(Price.objects.all())
    first = _messages(draft, campaign.channel, costs, prices)
    later = [_messages(draft, channel, costs, prices) for channel in draft.later]
    return {
        "scheduled": scheduled,
        "schedule": draft.planned,
        "first_slice": canary.in_words(draft.size.n, campaign.canary_percent, draft.reckoned),
        "spread_minutes": 0 if campaign.is_urgent else settings.OPENING_SPREAD_SECONDS // 60,
        "launch_title": f"{'Schedule' if scheduled else 'Launch'} {campaign.name}?",
        "lists": [(one, one.n) for one in lists],
        "audience": draft.size.n,
        "contents": [(content, costs.get(channel)) for channel, content in draft.contents.items()],
        "obstacles": [(one, may_follow(user, one.way)) for one in found if one.blocks],
        "warnings": [(one, may_follow(user, one.way)) for one in found if not one.blocks],
        "draft": draft,
        "first": first,
        "later": later,
        "costs": [one for one in (first, *later) if one.cost and one.channel != Channel.EMAIL],
        "skipped": by_reason(campaign, draft.people),
        "skipped_url": reverse("campaigns:skipped", args=[campaign.slug]),
    }


class Messages(NamedTuple):
    """What a launch sends on a channel: so many messages at most. `segments` in words; '' where none are counted.
    `cost` in a sentence."""

    channel: str
    label: str
    most: int
    segments: str
    cost: str


def _messages(
    draft: checks.Draft, channel: str, costs: Mapping[str, Estimate], prices: Iterable[Price]
) -> Messages:
    cost, people, content = costs.get(channel), draft.written_to, draft.contents.get(channel)
    segments = cost.of(people) if cost else ""
    if content is None:
        return Messages(channel, Channel(channel).in_sentence, people, segments, "")
    each = (cost.least, cost.most) if cost else (1, 1)
    if channel == Channel.VOICE:
        each = (1, minutes(content.body))
    where = {"": people} if channel == Channel.EMAIL else spread(people, draft.countries)
    price = reckon(channel, kind_of(channel, content.sender.value), where, each, prices)
    return Messages(channel, Channel(channel).in_sentence, people, segments, price.sentence)


def may_follow(user: User, way: checks.FixLink | None) -> checks.FixLink | None:
    """The link, for a reader who may open it. The admin's pages are for staff only."""
    if way is None or not user.has_perm(way.needs):
        return None
    return way if user.is_staff or not way.url.startswith(reverse("admin:index")) else None


# ---- Acting ----------------------------------------------------------------------------------------------------


@requires("campaigns.launch_campaign")
@require_POST
def act(request: HttpRequest, slug: str, action: str) -> HttpResponse:
    """Launch, pause, resume or cancel; what stands against it is said on the report."""
    campaign = get_object_or_404(Campaign, slug=slug)
    now, by = timezone.now(), who(request)
    seen = read_id(request.POST.get("edited", ""))
    acts: dict[str, Callable[[], Any]] = {
        "launch": lambda: _launch(campaign, by, now, seen),
        "pause": lambda: launching.pause(campaign),
        "resume": lambda: launching.resume(campaign, by, now),
        "cancel": lambda: launching.cancel(campaign, now),
    }
    try:
        done = acts[action]()
    except launching.CannotLaunch as problem:
        messages.error(request, str(problem))
    else:
        if done is False:
            messages.error(
                request, f"{campaign.name} is {campaign.get_state_display().lower()}: nothing to {action}."
            )
        else:
            LogEntry.objects.log_actions(
                by.pk, [campaign], CHANGE, f"{action.capitalize()}.", single_object=True
            )
            messages.success(request, f"{campaign.name} {_done(action, campaign, now)}")
    return redirect(campaign)


def _launch(campaign: Campaign, by: User, now: datetime, seen: int | None) -> None:
    """`seen` is the draft's count of changes when whoever launches it looked at it. Raises CannotLaunch."""
    if seen is not None and seen != campaign.edited and campaign.state == Campaign.State.DRAFT:
        raise launching.CannotLaunch(
            ["The campaign was changed after you looked at it. Look at what it says now, and launch it then."]
        )
    launching.launch(campaign, by, now)


def _done(action: str, campaign: Campaign, now: datetime) -> str:
    begins = campaign.begins_at
    if action in BEFORE_ITS_START and begins and now < begins:
        return f"is scheduled for {begins_words(campaign)}. Nothing is sent before that."
    return DONE[action]


@requires("campaigns.view_report", "campaigns.export_report")
@require_safe
def export(request: HttpRequest, slug: str) -> HttpResponseBase:
    campaign = get_object_or_404(Campaign, slug=slug)
    queue = request.GET.get("queue", "")
    return csv_of(request, campaign.pk, queue if queue in Queue.values else "", campaign.slug)
