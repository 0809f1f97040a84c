"""Alerts: what is wrong now, what stands aside, what is over; and what people do about one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from accounts.roles import requires
from dashboard.alerts.listing import line, lines
from dashboard.shell.pages import next_url, who
from deliveries.alerting import boxes, handling
from deliveries.deciding.assignment import snooze_choices
from deliveries.models import Alert
from deliveries.outcomes.counting import counted
from deliveries.outcomes.keyset import Page

SEE, ACT = "deliveries.view_alert", "deliveries.change_alert"
LABELS = {"list": "Open", "snoozed": "Snoozed", "closed": "Closed"}
EMPTY = {
    "list": ("Nothing is wrong", "An alert opens by itself when something is, and closes when it is over."),
    "snoozed": ("Nothing is snoozed", "Alerts that somebody let stand aside appear here until their time."),
    "closed": ("Nothing is closed yet", "Alerts whose cause is gone appear here."),
}


@requires(SEE)
@require_safe
def page(request: HttpRequest, box: str) -> HttpResponse:
    now = timezone.now()
    found = _found(box, now, request.GET.get("after", ""))
    counts = {"list": counted(boxes.awake(now)), "snoozed": counted(boxes.asleep(now)), "closed": None}
    context = {
        "box": box,
        "tabs": [(reverse(f"alerts:{key}"), label, counts[key], key == box) for key, label in LABELS.items()],
        "lines": lines(found.rows, who(request)),
        "page": found,
        "first_url": reverse(f"alerts:{box}"),
        "empty": EMPTY[box],
        "may_act": who(request).has_perm(ACT),
        "back": request.get_full_path(),
    }
    return render(request, "alerts/list.html", context)


def _found(box: str, now: datetime, mark: str) -> Page:
    if box == "closed":
        return boxes.closed(mark)
    return Page(boxes.opened(now) if box == "list" else boxes.snoozed(now))


@requires(SEE)
@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """One alert with its numbers, what to do about it, and who looks after it."""
    alert = get_object_or_404(Alert.objects.select_related("campaign", "owner", "noted_by"), pk=pk)
    now = timezone.now()
    context: dict[str, Any] = {
        "line": line(alert, who(request)),
        "asleep": alert.is_asleep(now),
        "snooze_choices": [(key, choice.label) for key, choice in snooze_choices(now).items()],
        "may_act": who(request).has_perm(ACT),
        "longest_note": handling.LONGEST_NOTE,
        "back": request.path,
    }
    return render(request, "alerts/alert.html", context)


class HandlingForm(forms.Form):
    """`what` is done: take, back, wake, note, or how long it is snoozed. `seen`: the owner seen, 0 for nobody."""

    what = forms.ChoiceField(
        choices=[(one, one) for one in ("take", "back", "wake", "note", "tomorrow", "days", "monday")]
    )
    seen = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1)
    note = forms.CharField(required=False, max_length=handling.LONGEST_NOTE)


@requires(SEE, ACT)
@require_POST
def act(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(Alert, pk=pk)
    form = HandlingForm(request.POST)
    if not form.is_valid():
        messages.error(request, "This cannot be done: nothing was changed.")
    else:
        done, sentence = _act(pk, form.cleaned_data, who(request))
        (messages.success if done else messages.error)(request, sentence)
    return redirect(next_url(request, reverse("alerts:alert", args=[pk])))


def _act(pk: int, given: dict[str, Any], user: User) -> tuple[bool, str]:
    """Do it, and say what happened."""
    now, what = timezone.now(), given["what"]
    if what == "take":
        done, sentence = handling.take(pk, user, given["seen"] or None), "It is yours."
    elif what == "back":
        done, sentence = handling.give_back(pk, user), "Given back. It is nobody's now."
    elif what == "wake":
        done, sentence = handling.wake(pk, now), "Awake. It is back among the open ones."
    elif what == "note":
        done, sentence = handling.note(pk, given["note"], user), "The note is kept."
    else:
        until = snooze_choices(now)[what].until
        done = handling.snooze(pk, until)
        sentence = f"Snoozed until {until:%a} {until.day} {until:%b, %H:%M}."
    return done, sentence if done else "Nothing was changed: somebody was faster, or the alert is closed."
