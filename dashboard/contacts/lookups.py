"""Looking up the numbers of a list: what it will cost, its start, and how far each is."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.roles import requires
from contacts.models import ContactList
from dashboard.shell.pages import who
from deliveries.models import LookupRun
from deliveries.providers.number_lookup import SERVICES
from deliveries.receiving.number_lookups import LookupOff, account_for, estimate, service, start, stop

SHOWN = 50
MONTH = timedelta(days=30)
AGES = [(3, "3 months"), (6, "6 months"), (12, "a year")]  # three: once a quarter


class LookupForm(forms.Form):
    contact_list = forms.ModelChoiceField(ContactList.objects.all(), label="List")
    months = forms.TypedChoiceField(
        label="Leave out numbers that something was learnt about in the last",
        choices=AGES,
        coerce=int,
        initial=3,
    )

    def told_before(self, now: datetime) -> datetime:
        return now - self.cleaned_data["months"] * MONTH


@requires("deliveries.view_lookuprun")
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The form, what it would cost once a list is chosen, and the last look-ups. A fixed number of queries."""
    form = LookupForm(request.GET or None)
    will, asked, off = None, "", ""
    try:
        asked = service().label
        account_for(service())
    except LookupOff as problem:
        off = str(problem)
    if not off and form.is_bound and form.is_valid():
        will = estimate(form.cleaned_data["contact_list"], form.told_before(timezone.now()))
    runs = LookupRun.objects.select_related("contact_list", "created_by").order_by("-pk")[:SHOWN]
    context = {
        "form": form,
        "off": off,
        "asked": asked,
        "estimate": will,
        "runs": [
            (run, SERVICES[run.service].label if run.service in SERVICES else run.service) for run in runs
        ],
    }
    return render(request, "contacts/lookups.html", context)


@requires("deliveries.add_lookuprun")
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    now, form = timezone.now(), LookupForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was begun: choose a list.")
        return redirect("contacts:lookups")
    try:
        run = start(form.cleaned_data["contact_list"], form.told_before(now), who(request), now)
    except LookupOff as problem:
        messages.error(request, f"Nothing was begun. {problem}")
    else:
        messages.success(request, f"{run.total:,} numbers are being looked up in the background.")
    return redirect("contacts:lookups")


@requires("deliveries.change_lookuprun")
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    stopped = stop(get_object_or_404(LookupRun, pk=pk), timezone.now())
    text = "Stopped: nothing more is asked." if stopped else "It was over already."
    messages.success(request, text)
    return redirect("contacts:lookups")
