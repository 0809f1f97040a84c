"""The action queues over all campaigns."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import trigger_client_event

from accounts.models import User
from accounts.roles import requires
from dashboard.exports import csv_of
from dashboard.queues.offers import offers
from dashboard.shell.listing import ListPlace, list_context, listing, needs_choices
from dashboard.shell.pages import fragment, may_assign, swaps, who
from deliveries.deciding import assignment
from deliveries.models import QueueEntry
from deliveries.outcomes.figures import queue_counts
from deliveries.outcomes.filters import QueueFilter
from deliveries.outcomes.keyset import LARGEST_ID, read_id
from deliveries.outcomes.rows import STEPS
from deliveries.statuses import Queue

WHAT_FOR = {
    Queue.RETRY: "Temporary failures worth another try, and messages whose address has been corrected since.",
    Queue.SWITCH: "Messages that another channel would reach better, or that this one cannot carry there.",
    Queue.CORRECT: "Addresses that do not exist or are not in service.",
    Queue.REVIEW: "Refused for content, sender or registration. The contacts are fine.",
    Queue.SUPPRESS: "People who opted out, and addresses that failed too often.",
    Queue.WATCH: "Delayed or silent for longer than expected. Nothing is lost yet.",
}


@requires("campaigns.view_report")
@require_safe
def queues(request: HttpRequest) -> HttpResponse:
    counts = queue_counts()
    oldest = {
        queue: QueueEntry.objects.filter(queue=queue)
        .order_by("at", "message_id")
        .values_list("at", flat=True)
        .first()
        for queue in Queue
    }
    rows = [(queue, queue.label, WHAT_FOR[queue], counts.get(queue, 0), oldest[queue]) for queue in Queue]
    return render(request, "queues/queues.html", {"queues": rows, "total": sum(counts.values())})


@requires("campaigns.view_report")
@require_http_methods(["GET", "HEAD", "POST"])
@vary_on_headers("HX-Request")
def queue(request: HttpRequest, queue: str) -> HttpResponse:
    """GET: the list. POST: take or snooze one row of it; htmx gets the list as it is then, others are sent there."""
    if queue not in Queue.values:
        raise Http404(f"There is no queue called {queue}.")
    if request.method == "POST":
        return _post_assignment(request, queue)
    return _snooze(request, queue) if "snooze" in request.GET else _page(request, queue)


class AssignmentForm(forms.Form):
    """What was done to one row: "verb:message", for a `take` with the id of the owner seen, 0 for nobody."""

    one = forms.RegexField(
        r"^(take:\d{1,19}:\d{1,18}|(?:back|wake|tomorrow|days|monday):\d{1,19})$", max_length=60
    )

    @property
    def parts(self) -> tuple[str, int, int | None]:
        """Verb, message, and the owner seen."""
        verb, pk, *seen = self.cleaned_data["one"].split(":")
        return verb, min(int(pk), LARGEST_ID), (int(seen[0]) or None) if seen else None


def _post_assignment(request: HttpRequest, queue: str) -> HttpResponse:
    if not may_assign(who(request)):
        raise PermissionDenied
    form = AssignmentForm(request.POST)
    done, sentence = (
        _assign(form, queue, who(request)) if form.is_valid() else (False, "This cannot be done.")
    )
    if swaps(request):
        answer = _page(request, queue)
        return trigger_client_event(answer, "toast", {"text": sentence, "error": not done})
    (messages.success if done else messages.error)(request, sentence)
    return redirect(request.get_full_path())


def _assign(form: AssignmentForm, queue: str, user: User) -> tuple[bool, str]:
    """Do it, and say what happened."""
    now = timezone.now()
    verb, pk, seen = form.parts
    if verb == "take":
        done, sentence = assignment.take(pk, queue, user, seen), "It is yours."
    elif verb == "back":
        done, sentence = assignment.give_back(pk, queue, user), "Given back. It is nobody's now."
    elif verb == "wake":
        done, sentence = assignment.wake(pk, queue, now), "Awake. It is back in the list."
    else:
        until = assignment.snooze_choices(now)[verb].until
        done, sentence = (
            assignment.snooze(pk, queue, until),
            f"Snoozed until {until:%a} {until.day} {until:%b, %H:%M}.",
        )
    return done, sentence if done else "Nothing was changed: somebody was faster, or the row left this queue."


def _snooze(request: HttpRequest, queue: str) -> HttpResponse:
    """Asks until when one row stands aside; where there is a script, a dialog of the list does."""
    if not may_assign(who(request)):
        raise PermissionDenied
    given = request.GET.copy()
    pk = read_id(given.pop("snooze")[-1])
    if pk is None:
        raise Http404("That is no row of a queue.")
    entry = get_object_or_404(QueueEntry.objects.select_related("message__contact"), pk=pk, queue=queue)
    page_context = {
        "entry": entry,
        "queue_label": Queue(queue).label,
        "back": _url(queue, given.urlencode()),
        "snooze_choices": _snooze_choices(timezone.now()),
    }
    return render(request, "queues/snooze.html", page_context)


def _snooze_choices(now: datetime) -> list[tuple[str, str]]:
    return [(key, choice.label) for key, choice in assignment.snooze_choices(now).items()]


def _page(request: HttpRequest, queue: str) -> HttpResponse:
    now = timezone.now()
    counts = queue_counts()
    place = ListPlace(
        campaign_id=None,
        queue=queue,
        tabs=[(key, str(key.label), counts.get(key, 0)) for key in Queue],
        url=_url,
        tallied=lambda view: None if view.filters else counts.get(view.queue, 0),
    )
    shown = listing(request, _form(request), place, now)
    page_context = {
        "queue": queue,
        "title": Queue(queue).label,
        "what_for": WHAT_FOR[Queue(queue)],
        "steps": STEPS,
        "now": now,
        "may_assign": may_assign(who(request)),
        "snooze_choices": _snooze_choices(now),
        "snooze_query": f"{request.GET.urlencode()}&" if request.GET else "",
        "export_url": reverse("deliveries:export", args=[queue]),
        **list_context(shown, request),
    }
    template = fragment(request, "queues/queue.html", "results")
    return render(request, template, page_context, status=422 if shown.invalid else 200)


def _form(request: HttpRequest) -> QueueFilter:
    given, me = request.GET.dict(), who(request).pk
    if not needs_choices(request):
        return QueueFilter(given, me=me)
    return QueueFilter(given, me=me, offered=offers())


def _url(queue: str, querystring: str) -> str:
    base = reverse("deliveries:queue", args=[queue])
    return f"{base}?{querystring}" if querystring else base


@requires("campaigns.view_report", "campaigns.export_report")
@require_safe
def export(request: HttpRequest, queue: str) -> HttpResponseBase:
    if queue not in Queue.values:
        raise Http404(f"There is no queue called {queue}.")
    return csv_of(request, None, queue, "queue")
