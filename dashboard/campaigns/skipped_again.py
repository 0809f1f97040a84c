"""People whom a campaign skipped, sent to after all where the gate lets them by now: first shown, then done."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import parse_qsl

from django import forms
from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.roles import requires
from campaigns.models import Campaign, Content, Recipient
from contacts.channels import Channel
from dashboard.campaigns.skipped import skipped_url
from dashboard.shell.pages import next_url, who
from deliveries.deciding.held_back import MOST, send_held_back
from deliveries.deciding.skipped_again import look_again
from deliveries.outcomes.filters import BadFilter, read_view
from deliveries.outcomes.keyset import read_id
from deliveries.outcomes.narrowing import SKIPPED
from deliveries.outcomes.skipped_people import skipped
from deliveries.sending.canary import waiting_canary
from deliveries.wake import wake


class AgainForm(forms.Form):
    """By which channel, of those that the campaign has content for."""

    channel = forms.ChoiceField(label="Channel", choices=Channel.choices)

    def __init__(self, campaign: Campaign, data: dict[str, str]) -> None:
        super().__init__(data)
        written = set(Content.objects.filter(campaign=campaign).values_list("channel", flat=True))
        self.fields["channel"].choices = [one for one in Channel.choices if one[0] in written]  # type: ignore[attr-defined]


@requires("campaigns.view_report", "deliveries.act_in_bulk")
@require_POST
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """What it would do; with `send`, it is done. The newest MOST of those chosen, then the next, part by part.

    `below` and `last` bound the part that was shown, by ids of contacts: from `last` on, and smaller than `below`.
    `send` acts on that part, however often it comes; after it, and with `following`, the next part is shown.
    """
    campaign = get_object_or_404(Campaign.objects.select_related("playbook"), slug=slug)
    back, now = next_url(request, skipped_url(campaign)), timezone.now()
    try:
        chosen = _chosen(request, campaign)
    except BadFilter as problem:
        messages.error(request, f"These filters do not work: {problem}")
        return redirect(skipped_url(campaign))
    form = AgainForm(campaign, {"channel": request.POST.get("channel") or campaign.channel})
    if not chosen.exists() or not form.is_valid():
        nobody = "Choose a channel that it has content for." if form.errors else "Nobody was selected."
        messages.error(request, nobody)
        return redirect(back)
    channel = form.cleaned_data["channel"]
    below, last = (read_id(request.POST.get(name, "")) for name in ("below", "last"))
    asked = bool(request.POST.get("send"))
    sent = asked and _send(request, campaign, _part(chosen, below, last), channel, now)
    goes_on = last is not None and (sent or bool(request.POST.get("following")))
    if sent and not (goes_on and _below(chosen, last).exists()):
        return redirect(back)
    below = last if goes_on else below
    those = _part(chosen, below)
    found = look_again(campaign, those, channel, now)
    context = {
        "campaign": campaign,
        "title": "Send to people who were skipped",
        "form": form,
        "channel": Channel(channel).in_sentence,
        "ready": len(found.ready),
        "still": found.still.items(),
        "looked_at": len(those),
        "total": _below(chosen, below).count(),
        "below": below,
        "last": those[-1].contact_id if those else below,
        "contacts": request.POST.getlist("contacts")[:MOST],
        "all": request.POST.get("all", ""),
        "filters": request.POST.get("filters", ""),
        "back": back,
    }
    return render(request, "campaigns/skipped_again.html", context)


def _below(chosen: QuerySet[Recipient], below: int | None) -> QuerySet[Recipient]:
    return chosen if below is None else chosen.filter(contact_id__lt=below)


def _part(chosen: QuerySet[Recipient], below: int | None, last: int | None = None) -> list[Recipient]:
    """The newest MOST below that contact; down to `last` where it is given."""
    rows = _below(chosen, below).select_related("contact").order_by("-contact_id")
    return list((rows if last is None else rows.filter(contact_id__gte=last))[:MOST])


def _send(
    request: HttpRequest, campaign: Campaign, those: list[Recipient], channel: str, now: datetime
) -> bool:
    """To those whom the gate lets have it, if any. Says how many it were."""
    ready = look_again(campaign, those, channel, now).ready
    if not ready:
        messages.error(request, "None of them may get it now: nothing was sent.")
        return False
    by = who(request)
    n = send_held_back(ready, f"{by.display_name} sent to people who were skipped", now)
    LogEntry.objects.log_actions(
        by.pk, [campaign], CHANGE, f"Sent to {n} who were skipped.", single_object=True
    )
    transaction.on_commit(wake)
    sent = f"{n:,} {'message is' if n == 1 else 'messages are'} on the way"
    waits = ", behind the first slice, as everybody else's" if waiting_canary(campaign) else ""
    messages.success(request, f"{sent}{waits}.")
    return True


def _chosen(request: HttpRequest, campaign: Campaign) -> QuerySet[Recipient]:
    """Those that were ticked, or all that the filters of the list let through. Raises BadFilter."""
    given = dict(parse_qsl(request.POST.get("filters", "")[:2_000]))
    rows = skipped(read_view(campaign.pk, "", {**given, "person": SKIPPED}))
    if request.POST.get("all"):
        return rows
    ids = map(read_id, request.POST.getlist("contacts")[:MOST])
    return rows.filter(contact_id__in=[pk for pk in ids if pk is not None])
