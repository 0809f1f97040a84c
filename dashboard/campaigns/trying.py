"""Tests of a draft, sent to addresses of one's own: what the composer shows of them, and the acts."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.roles import requires
from campaigns.models import Campaign
from contacts import proving
from contacts.channels import Channel
from contacts.models import AutomaticAnswer, OwnAddress
from dashboard.shell.pages import who
from deliveries.outcomes.keyset import read_id
from deliveries.sending import trying
from deliveries.sending.meant import first_contacts

SHOWN = 6  # tests, the newest
State = AutomaticAnswer.State
BUCKETS = {
    State.WAITING: "pending",
    State.SENDING: "pending",
    State.SENT: "success",
    State.REFUSED: "permanent",
    State.DROPPED: "compliance",
    State.IN_DOUBT: "unknown",
}


def context(campaign: Campaign, user: User) -> dict[str, Any]:
    """Their own addresses with the texts that each takes, and the newest tests of anybody. Three queries."""
    channels = list(campaign.contents.order_by("pk").values_list("channel", flat=True))
    tests = AutomaticAnswer.objects.filter(campaign_id=campaign.pk, kind=AutomaticAnswer.Kind.TEST)
    return {
        "own_addresses": [
            (
                own,
                [
                    (channel, Channel(channel).in_sentence)
                    for channel in channels
                    if trying.fits(own, channel)
                ],
            )
            for own in OwnAddress.objects.filter(user=user).order_by("pk")
        ],
        "tests": [
            (one, BUCKETS[State(one.state)], one.own_value if one.written_by_id == user.pk else "a colleague")
            for one in tests.select_related("written_by").order_by("-pk")[:SHOWN]
        ],
    }


def _back(campaign: Campaign) -> HttpResponse:
    return redirect(f"{reverse('campaigns:edit', args=[campaign.slug])}#test")


def _draft(slug: str) -> Campaign:
    return get_object_or_404(Campaign, slug=slug, state=Campaign.State.DRAFT)


@requires("campaigns.change_campaign")
@require_POST
def keep(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep a test address; only one's own, as the reader says, and proves by the code that is sent there."""
    campaign = _draft(slug)
    if not request.POST.get("mine"):
        messages.error(request, "Tick that it is your own: tests go to nobody else. Nothing was kept.")
        return _back(campaign)
    try:
        own = trying.keep(who(request), request.POST.get("value", "")[:254], timezone.now())
    except trying.CannotTry as problem:
        messages.error(request, str(problem))
    else:
        messages.success(
            request,
            f"Tests can be sent to {own.value}."
            if own.proven_at
            else f"A code is on its way to {own.value}, if we may write there. Enter it below within 15 minutes.",
        )
    return _back(campaign)


@requires("campaigns.change_campaign")
@require_POST
def prove(request: HttpRequest, slug: str) -> HttpResponse:
    """Tests may go to the address once the code that was sent there is entered."""
    campaign, own = _draft(slug), _own(request)
    if own is None:
        messages.error(request, "Choose one of your test addresses.")
    elif own.proven_at or proving.prove(own, request.POST.get("code", "")[:20], timezone.now()):
        messages.success(request, f"Tests can be sent to {own.value}.")
    else:
        messages.error(
            request, "This is not the code, or it is no longer valid. Look again, or ask for a new one."
        )
    return _back(campaign)


@requires("campaigns.change_campaign")
@require_POST
def forget(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = _draft(slug)
    own = _own(request)
    if own:
        own.delete()
        messages.success(request, f"{own.value} is no test address of yours any more.")
    return _back(campaign)


@requires("campaigns.change_campaign")
@require_POST
def send(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the text of one channel to one of their own addresses, with the details of `person`, else of the first."""
    campaign, own, now = _draft(slug), _own(request), timezone.now()
    if own is None:
        messages.error(request, "Choose one of your test addresses.")
        return _back(campaign)
    people = first_contacts(campaign, now)
    wanted = read_id(request.POST.get("person", ""))
    person = (people.filter(pk=wanted).first() if wanted else None) or people.order_by("pk").first()
    try:
        trying.try_out(campaign, request.POST.get("channel", ""), person, own, now)
    except trying.CannotTry as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, f"A test is on its way to {own.value}. It counts in no report.")
    return _back(campaign)


def _own(request: HttpRequest) -> OwnAddress | None:
    pk = read_id(request.POST.get("own", ""))
    return OwnAddress.objects.filter(user=who(request), pk=pk).first() if pk else None
