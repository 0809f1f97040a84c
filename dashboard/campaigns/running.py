"""While a campaign is being sent: its first slice, a stop by itself, and going on after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.roles import requires
from campaigns.models import Campaign
from dashboard.shell.pages import who
from deliveries.ledger.failure_rates import has_left
from deliveries.models import CampaignStop, Canary
from deliveries.outcomes.figures import CampaignFigures
from deliveries.outcomes.rounding import percent_of
from deliveries.outcomes.stop_words import seen
from deliveries.sending import breaker, canary, leaving_out
from deliveries.statuses import SETTLED

Link = Callable[[str, str], str]
NAMES = {"carrier": "Carrier", "source": "List source", "region": "Region", "code": "Code", "sender": "Sender",
         "link": "Link to"}  # fmt: skip


class StopCauseLine(NamedTuple):
    """A line of what failures have in common; `url` lists the messages, '' where nothing does. `rest`: how many."""

    name: str
    label: str
    rest: str
    url: str


def context(campaign: Campaign, figures: CampaignFigures, link: Link) -> dict[str, Any]:
    """What the report says about the slice, the last stop, and whether it stops at all. Three queries at most."""
    stop = CampaignStop.objects.filter(campaign=campaign).select_related("resumed_by").first()
    begun = campaign.launched_at and campaign.has_begun(timezone.now())
    first = Canary.objects.filter(campaign=campaign).first() if begun else None
    is_open = bool(stop and stop.resumed_at is None and campaign.state == Campaign.State.PAUSED)
    return {
        "stop": stop,
        "stop_open": is_open,
        "stop_seen": seen(stop) if stop else "",
        "stop_causes": [_line(cause, link) for cause in stop.causes] if stop and is_open else [],
        **breaker_context(campaign),
        "stop_waiting_url": link("", "status=queued"),
        "slice": _slice(first, figures)
        if first and campaign.is_going and first.waits and not is_open
        else None,
        "slice_past": first if first and first.over_at and first.ending != Canary.Ending.STOPPED else None,
    }


def breaker_context(campaign: Campaign) -> dict[str, Any]:
    """Who has decided that it does not stop by itself, or does again. One query."""
    switches = list(campaign.breaker_switches.select_related("by"))
    return {"switches": switches, "unguarded": not campaign.breaker and not campaign.is_over}


def _line(cause: Mapping[str, Any], link: Link) -> StopCauseLine:
    dimension, value = cause["dimension"], cause["value"]
    url = (
        link("", urlencode({dimension: value}))
        if dimension in ("carrier", "source", "code") and value
        else ""
    )
    of = f", {percent_of(cause['failed'], cause['sent'])} of {cause['sent']:,} there" if cause["sent"] else ""
    rest = f": {cause['failed']:,} failed{of}" if cause["failed"] else ""
    label = f"{value}: {cause['label']}" if dimension == "code" and value else cause["label"]
    return StopCauseLine(NAMES.get(dimension, dimension), label, rest, url)


class Slice(NamedTuple):
    """The slice that went first: messages that left, of how many; outcomes in, and wanted."""

    left: int
    of: int
    outcomes: int
    wanted: int


def _slice(first: Canary, figures: CampaignFigures) -> Slice:
    cells = [cell for cell in figures.by_carrier if cell.disposition]
    left = [cell for cell in cells if has_left(cell.status, cell.disposition)]
    outcomes = sum(cell.n for cell in left if cell.status in SETTLED)
    return Slice(sum(cell.n for cell in left), sum(cell.n for cell in cells), outcomes, first.wanted)


# ---- Acting ----------------------------------------------------------------------------------------------------


@requires("campaigns.launch_campaign")
@require_POST
def send_rest(request: HttpRequest, slug: str) -> HttpResponse:
    """Nobody waits for the first slice any more."""
    campaign = get_object_or_404(Campaign, slug=slug)
    if canary.end(campaign, Canary.Ending.PERSON, timezone.now()):
        _log(request, campaign, "Rest sent without waiting for the first slice.")
        messages.success(request, f"The rest of {campaign.name} goes on without waiting for its first slice.")
    else:
        messages.error(request, f"Nothing of {campaign.name} waits for a first slice any more.")
    return redirect(campaign)


class SwitchForm(forms.Form):
    """`on` is what it is to be: whoever has an older page open does not switch it back."""

    on = forms.TypedChoiceField(
        choices=[("1", "on"), ("0", "off")], coerce=lambda value: value == "1", widget=forms.HiddenInput
    )
    reason = forms.CharField(
        label="Why",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="It is kept with your name, and shown on the report.",
    )


@requires("campaigns.guard_campaign")
@require_http_methods(["GET", "HEAD", "POST"])
def switch_breaker(request: HttpRequest, slug: str) -> HttpResponse:
    """Let a campaign go on whatever fails, or stop by itself again, with a reason."""
    campaign = get_object_or_404(Campaign, slug=slug)
    is_draft = campaign.state == Campaign.State.DRAFT
    back = f"{reverse('campaigns:edit', args=[slug])}#check" if is_draft else campaign.get_absolute_url()
    if campaign.is_over:
        messages.error(request, f"{campaign.name} is over: nothing of it can be stopped any more.")
        return redirect(back)
    form = SwitchForm(request.POST or None, initial={"on": int(not campaign.breaker)})
    if request.method == "POST" and form.is_valid():
        on, reason = form.cleaned_data["on"], form.cleaned_data["reason"]
        words = "stops by itself again" if on else "goes on whatever fails"
        if breaker.switch(campaign, on, reason=reason, by=who(request), now=timezone.now()):
            _log(request, campaign, f"{words.capitalize()}: {reason}"[:200])
            messages.success(request, f"{campaign.name} {words}. That stands on its report with your reason.")
        else:
            messages.info(request, f"{campaign.name} was switched meanwhile: look at what its report says.")
        return redirect(back)
    context = {"campaign": campaign, "form": form, "back": back}
    return render(request, "campaigns/breaker.html", context, status=422 if form.errors else 200)


@requires("campaigns.launch_campaign")
@require_POST
def resume_without(request: HttpRequest, slug: str) -> HttpResponse:
    """Go on without a carrier, region or list source that the stop has named."""
    campaign = get_object_or_404(Campaign, slug=slug)
    channel, dimension, value = (request.POST.get(name, "") for name in ("channel", "dimension", "value"))
    try:
        done = leaving_out.resume_without(campaign, channel, dimension, value, who(request), timezone.now())
    except leaving_out.NothingToLeaveOut as problem:
        messages.error(request, str(problem))
        return redirect(campaign)
    if done:
        part = leaving_out.words(channel, dimension, value)
        _log(request, campaign, f"Resumed without {part}."[:200])
        messages.success(
            request, f"{campaign.name} goes on without {part}. What waits for it is withdrawn first."
        )
    else:
        state = campaign.get_state_display().lower()
        messages.error(request, f"{campaign.name} is {state}: only a paused campaign can be resumed.")
    return redirect(campaign)


def _log(request: HttpRequest, campaign: Campaign, what: str) -> None:
    LogEntry.objects.log_actions(who(request).pk, [campaign], CHANGE, what, single_object=True)
