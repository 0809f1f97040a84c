"""What is done to a draft as a whole: renamed, deleted, and a warning accepted that holds its launch."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.admin.models import DELETION, LogEntry
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from accounts.roles import requires
from campaigns import drafting
from campaigns.models import Campaign
from dashboard.shell.pages import who
from deliveries.sending import check_table, checks


class OverrideForm(forms.Form):
    reason = forms.CharField(
        label="Why it is sent all the same",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="It is kept with your name, and shown on the report.",
    )


@requires("campaigns.change_campaign")
@require_POST
def rename(request: HttpRequest, slug: str) -> HttpResponse:
    campaign = get_object_or_404(Campaign, slug=slug)
    name = " ".join(request.POST.get("name", "").replace("\0", "").split())
    if not name or len(name) > drafting.LONGEST_NAME:
        messages.error(
            request, f"The name was not changed: it needs 1 to {drafting.LONGEST_NAME} characters."
        )
    elif not drafting.rename(campaign.pk, name):
        messages.error(request, f"{campaign.name} was launched meanwhile. Its name stays.")
    return redirect(campaign)


@requires("campaigns.delete_campaign")
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """Asks first; a draft leaves nothing to undo."""
    campaign = get_object_or_404(Campaign, slug=slug)
    if request.method != "POST":
        if campaign.state != Campaign.State.DRAFT:
            return redirect(campaign)
        context = {
            "campaign": campaign,
            "texts": campaign.contents.count(),
            "title": f"Delete {campaign.name}?",
        }
        return render(request, "campaigns/compose/delete.html", context)
    if not drafting.delete_draft(campaign.pk):
        launched = campaign.state != Campaign.State.DRAFT or campaign.launched_at
        why = "what was sent stays on record" if launched else "another campaign follows it up"
        messages.error(request, f"{campaign.name} is not deleted: {why}.")
        return redirect(campaign)
    LogEntry.objects.log_actions(who(request).pk, [campaign], DELETION, single_object=True)
    messages.success(request, f"The draft {campaign.name} is deleted.")
    return redirect("campaigns:list")


@requires("campaigns.change_campaign", "campaigns.add_checkoverride")
@require_http_methods(["GET", "HEAD", "POST"])
def override(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Accept a warning that holds the launch, with a reason. What blocks is never accepted."""
    campaign = get_object_or_404(
        Campaign.objects.select_related("playbook"), slug=slug, state=Campaign.State.DRAFT
    )
    back = f"{reverse('campaigns:edit', args=[campaign.slug])}#check"
    draft = checks.load(campaign, timezone.now())
    row = next((one for one in check_table.table(draft) if one.key == key), None)
    if row is None:
        raise Http404(key)
    if not row.held:
        return redirect(back)
    form = OverrideForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        check_table.accept(row, draft, reason=form.cleaned_data["reason"], by=who(request), now=draft.now)
        messages.success(request, "The warning is accepted. It stands on the report with your reason.")
        return redirect(back)
    context = {"campaign": campaign, "row": row, "form": form, "back": back, "title": "Accept a warning"}
    return render(request, "campaigns/compose/override.html", context, status=422 if form.errors else 200)
