"""Saved segments: lists and conditions under a name, with how many people they mean now, to be used in campaigns."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Count, ProtectedError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import User
from accounts.roles import requires
from campaigns import drafting
from campaigns.condition_words import described
from campaigns.models import Campaign, Segment
from dashboard.shell.pages import swaps, who
from dashboard.who_form import WhoForm
from deliveries.outcomes.keyset import page, read_id
from deliveries.sending.meant import AudienceSize, size_of
from deliveries.sending.who_sql import Who

SIZE = 10  # on a page: each is counted as it is shown


class SegmentForm(WhoForm):
    name = forms.CharField(label="Name", max_length=120)
    shared = forms.BooleanField(
        label="Everybody may use it", required=False, initial=True, help_text="Else only you see it."
    )

    field_order = ("name", "shared")

    def __init__(self, segment: Segment, user: User, lists: list[int], data: Any = None) -> None:
        super().__init__(segment.meant, lists, data)
        self.segment, self.user = segment, user
        self.initial.update({"name": segment.name, "shared": segment.shared})

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        if Segment.objects.filter(name__iexact=name).exclude(pk=self.segment.pk).exists():
            raise forms.ValidationError("There is a segment called so already: choose another name.")
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if not self.errors and not self.chosen_lists and not (self.meant.everybody and self.meant.narrowed):
            self.add_error("lists", "Choose one, or all contacts with a condition.")
        return data

    def save(self) -> None:
        """Raises IntegrityError for a name that somebody took in this very moment."""
        with transaction.atomic():
            self.segment.name, self.segment.shared = self.cleaned_data["name"], self.cleaned_data["shared"]
            self.segment.conditions = self.meant.as_json
            if self.segment.pk is None:
                self.segment.created_by = self.user
            self.segment.save()
            self.segment.lists.set(self.chosen_lists)


class SegmentLine(NamedTuple):
    segment: Segment
    words: str
    size: AudienceSize
    campaigns: int


def _seen(request: HttpRequest) -> Any:
    return Segment.objects.seen_by(who(request).pk)


def _own(request: HttpRequest, pk: int) -> Segment:
    """One that they may change: their own, or a shared one."""
    return get_object_or_404(_seen(request), pk=pk)


@requires("contacts.view_contact", "campaigns.view_segment")
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The newest first, each with how many people it means now."""
    now = timezone.now()
    rows = (
        _seen(request)
        .prefetch_related("lists")
        .annotate(used=Count("campaigns"))
        .select_related("created_by")
    )
    found = page(rows, SIZE, request.GET.get("after", ""))
    lines = []
    for one in found.rows:
        lists = [each.pk for each in one.lists.all()]
        size = size_of(Who(tuple(lists), one.meant), now)
        lines.append(SegmentLine(one, described(one.meant, lists), size, one.used))
    drafts = (
        Campaign.objects.filter(state=Campaign.State.DRAFT).order_by("-pk").values_list("pk", "name")[:50]
    )
    context = {"lines": lines, "page": found, "first_url": request.path, "drafts": list(drafts)}
    return render(request, "contacts/segments.html", context)


@requires("contacts.view_contact", "campaigns.add_segment")
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def new(request: HttpRequest) -> HttpResponse:
    """`?campaign=<id>` begins with the people of that one."""
    segment, lists = Segment(), []
    pk = read_id(request.GET.get("campaign", ""))
    if pk and (campaign := Campaign.objects.filter(pk=pk).first()):
        segment.conditions = campaign.conditions
        lists = list(campaign.lists.values_list("pk", flat=True))
    return _written(request, segment, lists, "New segment")


@requires("contacts.view_contact", "campaigns.change_segment")
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    segment = _own(request, pk)
    return _written(request, segment, list(segment.lists.values_list("pk", flat=True)), segment.name)


def _written(request: HttpRequest, segment: Segment, lists: list[int], title: str) -> HttpResponse:
    """Saved by its button alone. What adds, takes out or counts shows the form again, and saves nothing."""
    form = SegmentForm(segment, who(request), lists, request.POST if request.method == "POST" else None)
    status, rewrote = 200, False
    if request.method == "POST":
        if form.is_valid() and "save" in request.POST and not form.rewrote:
            try:
                form.save()
            except IntegrityError:
                form.add_error("name", "There is a segment called so already: choose another name.")
            else:
                messages.success(request, f"“{segment}” is saved. Campaigns that used it stay as they are.")
                return redirect("contacts:segments")
        elif not set(form.errors) - (
            {"name", "lists"} if "save" not in request.POST or form.rewrote else set()
        ):
            rewrote = form.rewrote
            form = _again(form)
        status = 422 if form.errors else 200
    meant = getattr(form, "meant", segment.meant)
    chosen = getattr(form, "chosen_lists", lists)
    context = {
        "form": form,
        "segment": segment,
        "title": title,
        "back": reverse("contacts:segments"),
        "meant": described(meant, chosen),
        "size": size_of(Who(tuple(chosen), meant), timezone.now()),
    }
    template = "contacts/_segment_fields.html" if swaps(request) else "contacts/segment.html"
    said_alone = swaps(request) and status == 200 and not rewrote and "wrong" not in request.POST
    response = render(request, f"{template}#said" if said_alone else template, context, status=status)
    if said_alone:  # the fields stay, and with them what is typed or ticked meanwhile
        response["HX-Retarget"] = "#segment-said"
    return response


def _again(form: SegmentForm) -> SegmentForm:
    """The same, not saved yet, as it now reads."""
    draft = Segment(pk=form.segment.pk, name=form.data.get(form.add_prefix("name"), ""))
    draft.shared, draft.conditions = bool(form.cleaned_data.get("shared")), form.meant.as_json
    shown = SegmentForm(draft, form.user, form.chosen_lists)
    shown.meant, shown.chosen_lists = form.meant, form.chosen_lists
    return shown


@requires("contacts.view_contact", "campaigns.delete_segment")
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    segment = _own(request, pk)
    try:
        segment.delete()
    except ProtectedError:
        messages.error(request, f"“{segment}” stays: a campaign used it, and its report names it.")
    else:
        messages.success(request, f"“{segment}” is deleted.")
    return redirect("contacts:segments")


@requires("contacts.view_contact", "campaigns.view_segment", "campaigns.change_campaign")
@require_POST
def use(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a draft the lists and conditions of the segment."""
    segment = _own(request, pk)
    campaign = get_object_or_404(Campaign, pk=read_id(request.POST.get("campaign", "")) or 0)
    try:
        with drafting.editing(campaign.pk, "who", seen=campaign.edited, by=who(request), now=timezone.now()):
            campaign.lists.set(segment.lists.all())
            campaign.conditions, campaign.segment = segment.conditions, segment
            campaign.save(update_fields=["conditions", "segment"])
    except (drafting.NoDraft, drafting.DraftChanged):
        messages.error(request, f"{campaign} was launched or changed meanwhile. Look at it again.")
        return redirect(campaign)
    messages.success(request, f"{campaign} now means the people of “{segment}”.")
    return redirect(f"{reverse('campaigns:edit', args=[campaign.slug])}#who")
