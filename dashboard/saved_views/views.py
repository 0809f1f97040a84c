"""Saved views: listed with how many rows each has now, made of the filters of a list, changed and deleted by whose they
are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.models import User
from accounts.roles import requires
from campaigns.models import Campaign
from contacts.access_log import sees_whole_in
from dashboard.shell.pages import parts_of, swaps, who
from deliveries.models import SavedView
from deliveries.models.saved_views import SavedViewQuerySet
from deliveries.outcomes.filters import OutcomeFilter, filter_of
from deliveries.outcomes.keyset import page
from deliveries.outcomes.recent import DAYS
from deliveries.outcomes.saved_views import ReadView, in_words, read
from deliveries.statuses import Queue

SEE = ("campaigns.view_report", "deliveries.view_savedview")
SHARE = "deliveries.share_savedview"
SIZE = 12  # on a page: each is counted as it is shown
MOST = 200  # of one person
LONGEST = 4_000  # of an address


class Place(NamedTuple):
    """A list that a view is of, and the filters that are set there. `campaign` None and no `queue`: all messages."""

    campaign: Campaign | None
    queue: str
    form: OutcomeFilter

    @property
    def url(self) -> str:
        return address(self.campaign, self.queue, self.form.querystring() if self.form.is_valid() else "")


def address(campaign: Campaign | None, queue: str, query: str) -> str:
    """Where such a list is."""
    if campaign is not None:
        parts = [f"queue={queue}" if queue else "", query]
        base, query = campaign.get_absolute_url(), "&".join(filter(None, parts))
    elif queue:
        base = reverse("deliveries:queue", args=[queue])
    else:
        base = reverse("messages")
    return f"{base}?{query}" if query else base


def _place(url: str, me: int) -> Place | None:
    """The list at this address of ours, with its filters; None where none is."""
    parts = parts_of(url[:LONGEST])
    try:
        match = resolve(parts.path)
    except Resolver404:
        return None
    given = QueryDict(parts.query).dict()
    campaign, queue = None, ""
    shown_queue = given.pop("queue", "")  # on a report, which shows every message for one that there is not
    if match.view_name == "campaigns:report":
        campaign = _launched().filter(slug=match.kwargs["slug"]).first()
        if campaign is None:
            return None
        queue = shown_queue if shown_queue in Queue.values else ""
    elif match.view_name == "deliveries:queue" and match.kwargs["queue"] in Queue.values:
        queue = match.kwargs["queue"]
    elif match.view_name == "messages":
        given.setdefault("days", str(DAYS[0]))  # as that page has it
    else:
        return None
    return Place(campaign, queue, filter_of(campaign.pk if campaign else None, queue, given, me=me))


def _launched() -> QuerySet[Campaign]:
    return Campaign.objects.exclude(state=Campaign.State.DRAFT)


class SavedViewForm(forms.ModelForm):
    class Meta:
        model = SavedView
        fields = ("name", "shared")
        labels = {"shared": "Everybody sees it"}
        help_texts = {"shared": "Off: only you. What it lists is what each reader may see."}

    def __init__(self, user: User, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.user = user
        if not user.has_perm(SHARE):
            del self.fields["shared"]

    def clean_name(self) -> str:
        name = " ".join(self.cleaned_data["name"].split())
        others = SavedView.objects.filter(owner=self.user).exclude(pk=self.instance.pk)
        if others.filter(name__iexact=name).exists():
            raise forms.ValidationError("You have a view called so already: choose another name.")
        if self.instance.pk is None and others.count() >= MOST:
            raise forms.ValidationError(f"You have {MOST} views: delete one first.")
        return name

    def clean_shared(self) -> bool:
        if self.cleaned_data["shared"] and self.instance.filters.get("s"):
            raise forms.ValidationError(
                "A view with a search stays yours alone, as it may be somebody's number or name."
                " Save the filters without the search to share them."
            )
        return bool(self.cleaned_data["shared"])


class ViewLine(NamedTuple):
    read: ReadView
    url: str
    place: str
    mine: bool

    @property
    def key(self) -> str:
        return str(self.read.saved.pk)


def _lines(views: Iterable[SavedView], request: HttpRequest) -> list[ViewLine]:
    those = list(views)
    whole = sees_whole_in(request, [str(one.filters.get("s", "")) for one in those])
    return [_line(one, who(request), whole=whole) for one in those]


def _line(saved: SavedView, user: User, *, whole: bool) -> ViewLine:
    found = read(saved, user.pk, timezone.now(), whole=whole)
    place = saved.campaign.name if saved.campaign else "All messages"
    if saved.queue:
        place = f"{place if saved.campaign else 'All campaigns'}, {Queue(saved.queue).label}"
    url = address(saved.campaign, saved.queue, found.query)
    return ViewLine(found, url, place, saved.owner_id == user.pk)


def _seen(user: User) -> SavedViewQuerySet:
    return SavedView.objects.seen_by(user.pk).select_related("campaign", "owner")


@requires(*SEE)
@require_safe
@vary_on_headers("HX-Request")
def index(request: HttpRequest) -> HttpResponse:
    """All of them, the newest first. For htmx those of the list that stands on the page, as a menu: it is asked for
    when somebody opens it, and counts then."""
    user = who(request)
    if swaps(request):
        place = _place(request.headers.get("HX-Current-URL", ""), user.pk)
        return render(request, "saved_views/menu.html", {"place": place, "lines": _of_place(place, request)})
    place = _place(request.GET.get("from", ""), user.pk)
    found = page(_seen(user), SIZE, request.GET.get("after", ""))
    context = {
        "lines": _lines(found.rows, request),
        "page": found,
        "place": place,
        "first_url": request.path,
    }
    return render(request, "saved_views/list.html", context)


def _of_place(place: Place | None, request: HttpRequest) -> list[ViewLine]:
    if place is None:
        return []
    campaign = place.campaign.pk if place.campaign else None
    views = _seen(who(request)).of_place(campaign, queues=bool(place.queue))
    return _lines(views[:SIZE], request)


@requires(*SEE, "deliveries.add_savedview")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Keep the filters of the list at `from`. Filters that work nowhere are not kept."""
    place = _place(request.GET.get("from", ""), who(request).pk)
    if place is None or not place.form.is_valid():
        messages.error(request, "Set filters that work on a list first, and save them there.")
        return redirect("views:list")
    view = SavedView(owner=who(request), campaign=place.campaign, queue=place.queue, filters=place.form.given)
    whole = sees_whole_in(request, [view.filters.get("s", "")])
    return _written(request, view, "Save view", place.url, in_words(place.form, whole=whole))


@requires(*SEE, "deliveries.change_savedview")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Name, and who sees it: the filters are those it was saved with."""
    view = get_object_or_404(_seen(who(request)), pk=pk, owner=who(request))
    whole = sees_whole_in(request, [view.filters.get("s", "")])
    found = read(view, who(request).pk, timezone.now(), count=False, whole=whole)
    return _written(request, view, view.name, reverse("views:list"), found.words)


def _written(request: HttpRequest, view: SavedView, title: str, back: str, words: str) -> HttpResponse:
    form = SavedViewForm(who(request), request.POST or None, instance=view)
    if request.method == "POST" and form.is_valid() and _saved(form):
        messages.success(request, f"{view.name} is saved.")
        return redirect(back)
    context = {"title": title, "form": form, "back": back, "words": words, "view": view}
    return render(request, "saved_views/form.html", context, status=422 if form.errors else 200)


def _saved(form: SavedViewForm) -> bool:
    try:
        with transaction.atomic():
            form.save()
    except IntegrityError:  # a form that was sent twice
        form.add_error("name", "You have a view called so already: choose another name.")
    return not form.errors


@requires(*SEE, "deliveries.delete_savedview")
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    view = get_object_or_404(SavedView, pk=pk, owner=who(request))
    view.delete()
    messages.success(request, f"{view.name} is deleted. The messages are as they were.")
    return redirect("views:list")
