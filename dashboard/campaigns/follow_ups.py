"""Follow-ups of a campaign: what follows it, and adding one."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.roles import requires
from campaigns import drafting
from campaigns.follow_ups import LONGEST_DELAY, OPEN_DAYS, FollowWhen
from campaigns.models import Campaign
from dashboard.shell.pages import who
from deliveries.outcomes.campaign_lines import STATE_BUCKETS

UNITS = {"days": 24, "hours": 1}


class FollowUpForm(forms.Form):
    """One sentence: "Send to people who [clicked a link], [2] [days] later"."""

    when = forms.ChoiceField(
        label="Send to people who",
        choices=FollowWhen.choices,
        help_text="A click or a reply counts from the first one, everything else from the delivery; who was not"
        " reached, from when it was first sent.",
    )
    after = forms.IntegerField(label="How much later", min_value=0, initial=2, max_value=LONGEST_DELAY)
    unit = forms.ChoiceField(label="Days or hours", choices=[("days", "days"), ("hours", "hours")])

    @property
    def hours(self) -> int:
        return self.cleaned_data["after"] * UNITS[self.cleaned_data["unit"]]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if {"after", "unit"} <= given.keys() and self.hours > LONGEST_DELAY:
            self.add_error(
                "after", f"Give {LONGEST_DELAY // 24} days at most: later, it is no reason any more."
            )
        return given


@requires("campaigns.add_campaign", "campaigns.change_campaign")
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest, slug: str) -> HttpResponse:
    """Asks for whom and when, and leads to the page on which the follow-up is written."""
    campaign = get_object_or_404(Campaign.objects.exclude(state=Campaign.State.DRAFT), slug=slug)
    form = FollowUpForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        made = drafting.make_follow_up(campaign, form.cleaned_data["when"], form.hours, who(request))
        return redirect("campaigns:edit", made.slug)
    context = {"campaign": campaign, "form": form, "title": "Add a follow-up", "open_days": OPEN_DAYS}
    return render(request, "campaigns/follow_up.html", context, status=422 if form.errors else 200)


class FollowUpStep(NamedTuple):
    """A campaign that follows another, and how it stands."""

    campaign: Campaign
    state: str
    bucket: str


def chain(campaign: Campaign) -> list[FollowUpStep]:
    """What follows it directly, oldest first. One query."""
    now = timezone.now()
    return [
        FollowUpStep(one, one.state_words(now), STATE_BUCKETS[Campaign.State(one.state)])
        for one in campaign.follow_ups.order_by("pk")
    ]
