"""The composer: a campaign is made from a name, and written on one page of sections that are saved as they change."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from accounts.models import User
from accounts.roles import requires
from accounts.typed import Typed, by_name, in_words
from campaigns import drafting
from campaigns.merging import usual_fields
from campaigns.models import Campaign
from dashboard.campaigns import compose_what, compose_when, compose_who, trying
from dashboard.campaigns.checking import check_context
from dashboard.campaigns.looking import contacts_looked_at, looked_at
from dashboard.campaigns.preview import preview_context
from dashboard.campaigns.running import breaker_context
from dashboard.campaigns.views import launch_context
from dashboard.shell.pages import swaps, who
from deliveries.outcomes.keyset import read_id
from deliveries.sending import checks

COPYABLE = 50  # campaigns that a new one may begin as a copy of: the newest
MOST_FIELDS = 12  # merge fields with a button


@dataclass(frozen=True)
class ComposerSection:
    """`form(campaign, user, data, files)` gives a form whose `save()` writes it in one transaction, `context(campaign,
    user, now)` what its template needs beside the form."""

    key: str
    title: str
    lead: str
    form: Callable[..., Any]
    context: Callable[[Campaign, User, datetime], dict[str, Any]]

    @property
    def template(self) -> str:
        return f"campaigns/compose/_{self.key}.html"


SECTIONS = {
    one.key: one
    for one in (
        ComposerSection("who", "Who", "The people it is for.", compose_who.form, compose_who.context),
        ComposerSection("what", "What", "What they read or hear.", compose_what.form, compose_what.context),
        ComposerSection(
            "when", "When", "From when, and at which hours.", compose_when.form, compose_when.context
        ),
    )
}


@dataclass(frozen=True)
class ShownSection:
    """How a section is shown: `bound` is the form with what was typed, where that could not be saved."""

    bound: Any = None
    theirs: list[tuple[str, str]] | None = None  # what somebody else saved meanwhile: (label, text)
    stale: drafting.DraftChanged | None = None
    seen: int | None = None


# ---- Made ------------------------------------------------------------------------------------------------------


class NewCampaignForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=drafting.LONGEST_NAME,
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "off"}),
        help_text="Only colleagues see it, such as “Spring recall, Austin”.",
    )
    source = forms.ModelChoiceField(
        Campaign.objects.none(),
        label="Begin with",
        required=False,
        empty_label="An empty campaign",
        help_text="A copy takes lists, texts and settings along, and nothing of what became of it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = Campaign.objects.order_by("-pk").values_list("pk", flat=True)[:COPYABLE]
        self.fields["source"].queryset = Campaign.objects.filter(pk__in=list(newest))  # type: ignore[attr-defined]

    def clean_name(self) -> str:
        return " ".join(self.cleaned_data["name"].split())


@requires("campaigns.add_campaign", "campaigns.change_campaign")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Asks for a name, and leads to the page on which the campaign is written; `?from=<id>` names one to copy."""
    source = read_id(request.GET.get("from", ""))
    initial: dict[str, Any] = {}
    if source and (original := Campaign.objects.filter(pk=source).first()):
        initial = {"source": original.pk, "name": drafting.copy_name(original)}
    form = NewCampaignForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        name, original = form.cleaned_data["name"], form.cleaned_data["source"]
        by = who(request)
        made = drafting.duplicate(original, name, by) if original else drafting.make_draft(name, by)
        return redirect("campaigns:edit", made.slug)
    return render(
        request,
        "campaigns/compose/new.html",
        {"form": form, "title": "New campaign"},
        status=422 if form.errors else 200,
    )


# ---- Written ---------------------------------------------------------------------------------------------------


@requires("campaigns.change_campaign")
@require_http_methods(["GET", "HEAD"])
@vary_on_headers("HX-Request")
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The page; for htmx with `?person=` the preview alone, for that one of its people, with `?check` the checks."""
    campaign = _campaign(slug)
    if campaign.state != Campaign.State.DRAFT:
        return redirect(campaign)
    if swaps(request) and "check" in request.GET:
        context = {"campaign": campaign, **_checked(request, looked_at(campaign, timezone.now()))}
        return render(request, "campaigns/compose/_check.html", context)
    if swaps(request) and "person" in request.GET:
        context = {"campaign": campaign, **_beside(request, campaign, timezone.now())}
        return render(request, "campaigns/compose/_preview.html", context)
    return _page(request, campaign, {})


@requires("campaigns.change_campaign")
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def save(request: HttpRequest, slug: str, section: str) -> HttpResponse:
    """POST saves one section; GET shows it as it is saved."""
    campaign, part = _campaign(slug), SECTIONS[section]
    if campaign.state != Campaign.State.DRAFT:
        return _too_late(request, campaign)
    if request.method != "POST":
        return _answer(request, campaign, part, ShownSection())
    # A form writes what was typed into the campaign that it is given, even if it is refused.
    form = part.form(copy(campaign), who(request), request.POST, request.FILES)
    seen = read_id(request.POST.get("over") or request.POST.get("edited", "")) or 0
    if not form.is_valid():
        return _answer(request, campaign, part, ShownSection(bound=form, seen=seen), 422)
    try:
        with drafting.editing(campaign.pk, part.key, seen=seen, by=who(request), now=timezone.now()):
            form.save()
    except drafting.NoDraft:
        return _too_late(request, campaign)
    except drafting.DraftChanged as problem:
        campaign = _campaign(slug)
        saved = part.form(campaign, who(request))
        theirs = _differing(form, saved)
        if theirs:
            shown = ShownSection(bound=form, theirs=theirs, stale=problem, seen=seen)
            return _answer(request, campaign, part, shown, 422)
    rewrote = getattr(form, "rewrote", False)
    response = _answer(request, _campaign(slug), part, ShownSection())
    if rewrote:
        response["X-Rewrote"] = "1"  # what stands in the fields is older, also in the one that somebody is in
    return response


def _describe_typed(request: HttpRequest, data: QueryDict, slug: str, section: str) -> Typed | None:
    """What was typed into a section as the session ended: what of it is not saved. None for whoever may not read it."""
    campaign = Campaign.objects.select_related("playbook", "follows").filter(slug=slug).first()
    if campaign is None or not request.user.has_perm("campaigns.change_campaign"):
        return None
    part, about = SECTIONS[section], f"{campaign.name}: {SECTIONS[section].title}"
    if campaign.state != Campaign.State.DRAFT:
        lead = f"{campaign.name} was launched meanwhile: what you typed changes nothing any more."
        return Typed(about, list(by_name(data)), saves=True, lead=lead, usable=False)
    form = part.form(copy(campaign), who(request), data)
    saved = part.form(campaign, who(request))
    lines = [
        (
            str(form[name].label),
            in_words(form.fields[name], form[name].data, data.get("_zone", "")) or "nothing",
        )
        for name in _changed(form, saved)
    ]
    lead = (
        f"You were logged out while you wrote {campaign.name}. What was saved before is still there. What you typed"
        f" last, in its section {part.title}, is kept below and not saved yet: save it, and you are back on its page."
    )
    if not lines:
        lead = f"You were logged out while you wrote {campaign.name}, and nothing is lost: what you typed is saved."
    return Typed(about, lines, saves=True, lead=lead, usable=bool(lines))


save.describe_typed = _describe_typed  # type: ignore[attr-defined]


def _campaign(slug: str) -> Campaign:
    return get_object_or_404(Campaign.objects.select_related("playbook", "edited_by", "follows"), slug=slug)


def _too_late(request: HttpRequest, campaign: Campaign) -> HttpResponse:
    """It is no draft any more: what was typed can change nothing."""
    messages.error(request, f"{campaign.name} was launched meanwhile. Your last change was not saved.")
    return redirect("campaigns:report", campaign.slug)


def _differing(typed: Any, saved: Any) -> list[tuple[str, str]]:
    """The fields in which what was typed differs from what is saved: (label, what is saved)."""
    return [
        (str(saved[name].label), in_words(saved.fields[name], saved[name].value(), "") or "nothing")
        for name in _changed(typed, saved)
    ]


def _changed(typed: Any, saved: Any) -> list[str]:
    """The names of the fields in which what was typed differs from what is saved."""
    return [
        name
        for name, field in saved.fields.items()
        if name in typed.fields and field.has_changed(saved[name].value(), typed[name].data)
    ]


def _answer(
    request: HttpRequest, campaign: Campaign, section: ComposerSection, shown: ShownSection, status: int = 200
) -> HttpResponse:
    """The fragment of a section with what follows from it; without htmx the page, or the way back to the section."""
    if not swaps(request):
        if status == 200:
            return redirect(f"{reverse('campaigns:edit', args=[campaign.slug])}#{section.key}")
        return _page(request, campaign, {section.key: shown}, status)
    now = timezone.now()
    context = {
        **_beside(request, campaign, now),  # before the section, which asks for the same people
        "campaign": campaign,
        "section": _section(request, campaign, section, shown, now),
        "merge_fields": _merge_fields(campaign, now) if section.key == "who" else [],
    }
    return render(request, "campaigns/compose/_saved.html", context, status=status)


def _page(
    request: HttpRequest, campaign: Campaign, shown: dict[str, ShownSection], status: int = 200
) -> HttpResponse:
    now = timezone.now()
    context = {
        **_beside(request, campaign, now),  # before the sections, which ask for the same people
        "title": campaign.name,
        "campaign": campaign,
        "sections": [
            _section(request, campaign, one, shown.get(one.key, ShownSection()), now)
            for one in SECTIONS.values()
        ],
        **trying.context(campaign, who(request)),
    }
    return render(request, "campaigns/compose/edit.html", context, status=status)


def _section(
    request: HttpRequest, campaign: Campaign, section: ComposerSection, shown: ShownSection, now: datetime
) -> dict[str, Any]:
    """What the page needs of a section; its inside is rendered apart, so that no section's words reach another's."""
    form = shown.bound or section.form(campaign, who(request))
    inside = {
        **section.context(campaign, who(request), now),
        "campaign": campaign,
        "section": section,
        "form": form,
        "edited": campaign.edited if shown.seen is None else shown.seen,
        "theirs": shown.theirs,
        "stale": shown.stale,
        "merge_fields": _merge_fields(campaign, now) if section.key == "what" else [],
        "now": now,
    }
    return {
        "key": section.key,
        "title": section.title,
        "lead": section.lead,
        "number": list(SECTIONS).index(section.key) + 1,
        "edited": inside["edited"],
        "state": _state(campaign, section, shown),
        "html": render_to_string("campaigns/compose/_fields.html", inside, request),
    }


def _merge_fields(campaign: Campaign, now: datetime) -> list[tuple[str, str]]:
    """What can be put into its texts: (name of the field, words)."""
    names = usual_fields(contacts_looked_at(campaign, now))[:MOST_FIELDS]
    return [(name, name.replace("_", " ").capitalize()) for name in names]


def _state(campaign: Campaign, section: ComposerSection, shown: ShownSection) -> str:
    """Whether it is saved, in words; '' before its first change."""
    if shown.stale or shown.bound is not None:
        return "Not saved"
    if section.key not in campaign.section_edits or campaign.edited_at is None:
        return ""
    return f"Saved {timezone.localtime(campaign.edited_at):%H:%M}"


def _beside(request: HttpRequest, campaign: Campaign, now: datetime) -> dict[str, Any]:
    """What stands beside and below the sections, and follows from all of them: the preview and the checks."""
    draft = looked_at(campaign, now)
    return {**_checked(request, draft), **_preview(request, draft)}


def _checked(request: HttpRequest, draft: checks.Draft) -> dict[str, Any]:
    user = who(request)
    return {
        **launch_context(draft, user),
        **check_context(draft, user),
        **breaker_context(draft.campaign),
    }


def _preview(request: HttpRequest, draft: checks.Draft) -> dict[str, Any]:
    return {"draft": draft, "preview": preview_context(request, draft)}
