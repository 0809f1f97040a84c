"""Outgoing webhooks: endpoints, their secrets, and the log with its replays. For administrators."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.roles import requires
from contacts.phones import concealed
from dashboard.shell.pages import may_see, who
from dashboard.webhooks.forms import EndpointForm, LogFilter
from deliveries.models import EventKind, WebhookDelivery, WebhookEndpoint
from deliveries.models.endpoints import OVERLAP
from deliveries.outcomes.keyset import read_id
from deliveries.outgoing import delivering, payloads, secrets

SEE, ADD, CHANGE, DELETE = (
    f"deliveries.{verb}_webhookendpoint" for verb in ("view", "add", "change", "delete")
)
LOG, REPLAY = "deliveries.view_webhookdelivery", "deliveries.change_webhookdelivery"
SIZE = 50
State = WebhookDelivery.State


def _endpoint(pk: int) -> WebhookEndpoint:
    return get_object_or_404(WebhookEndpoint.objects.defer("secret").select_related("created_by"), pk=pk)


@requires(SEE)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    counted = WebhookEndpoint.objects.defer("secret").annotate(
        waiting=Count("deliveries", filter=Q(deliveries__state=State.WAITING)),
        failed=Count("deliveries", filter=Q(deliveries__state=State.FAILED)),
    )
    return render(request, "webhooks/list.html", {"endpoints": list(counted)})


@requires(SEE, ADD)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def new(request: HttpRequest) -> HttpResponse:
    form = EndpointForm(request.POST or None, by=who(request))
    if request.method == "POST" and form.is_valid():
        made = form.save(commit=False)
        secret = secrets.new_secret()
        made.secret, made.created_by = {"now": secret}, who(request)
        made.save()
        return _show_secret(request, made, secret)
    return render(request, "webhooks/edit.html", {"form": form}, status=422 if form.errors else 200)


def _show_secret(request: HttpRequest, endpoint: WebhookEndpoint, secret: str) -> HttpResponse:
    hours = int(OVERLAP.total_seconds() // 3600)
    context = {"endpoint": endpoint, "secret": secret, "rotated": endpoint.before_until, "hours": hours}
    return render(request, "webhooks/secret.html", context)


@requires(SEE, CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    found = _endpoint(pk)
    form = EndpointForm(request.POST or None, instance=found, by=who(request))
    if request.method == "POST" and form.is_valid():
        made = form.save(commit=False)
        made.save(update_fields=["name", "url", "kinds", "whole", "created_by"])
        messages.success(request, f"{made.name} is kept.")
        return redirect("webhooks:endpoint", made.pk)
    context = {"form": form, "endpoint": found}
    return render(request, "webhooks/edit.html", context, status=422 if form.errors else 200)


@requires(SEE, LOG)
@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """One endpoint with its log, newest first."""
    endpoint = _endpoint(pk)
    form = LogFilter(request.GET)
    rows: list[WebhookDelivery] = []
    older = ""
    if form.is_valid():
        narrowed = form.narrow(endpoint.deliveries.defer("body", "tries"))
        before = read_id(request.GET.get("before", ""))
        rows = list((narrowed.filter(pk__lt=before) if before else narrowed).order_by("-pk")[: SIZE + 1])
        if len(rows) > SIZE:
            rows = rows[:SIZE]
            given = {name: value for name, value in form.data.items() if name != "before" and value}
            older = f"?{urlencode({**given, 'before': rows[-1].pk})}"
    context: dict[str, Any] = {
        "endpoint": endpoint,
        "labels": [EventKind(kind).label for kind in endpoint.kinds if kind in EventKind.values],
        "form": form,
        "valid": not form.errors,
        "rows": rows,
        "older": older,
    }
    return render(request, "webhooks/endpoint.html", context, status=422 if form.errors else 200)


@requires(SEE, LOG)
@require_safe
def delivery(request: HttpRequest, pk: int) -> HttpResponse:
    """One delivery: what was sent, and what was answered to each attempt."""
    found = get_object_or_404(
        WebhookDelivery.objects.select_related("endpoint").defer("endpoint__secret"), pk=pk
    )
    shown = json.dumps(json.loads(found.body), indent=2, ensure_ascii=False)
    if concealed(shown) != shown and not may_see(request):
        shown = concealed(shown)
    tries = [{**one, "answer": concealed(one["answer"])} for one in reversed(found.tries)]
    return render(request, "webhooks/delivery.html", {"delivery": found, "body": shown, "tries": tries})


@requires(SEE, CHANGE)
@require_POST
@never_cache
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    endpoint = _endpoint(pk)
    return _show_secret(request, endpoint, secrets.rotate(endpoint, timezone.now()))


@requires(SEE, CHANGE)
@require_POST
def switch(request: HttpRequest, pk: int) -> HttpResponse:
    """On or off, as the button says."""
    endpoint, now = _endpoint(pk), timezone.now()
    if request.POST.get("on") == "1":
        delivering.enable(endpoint, now)
        messages.success(request, f"{endpoint.name} gets events again, first those that wait.")
    else:
        delivering.disable(WebhookEndpoint.objects.filter(pk=pk), "", now)
        messages.success(request, f"{endpoint.name} gets nothing until it is switched on again.")
    return redirect("webhooks:endpoint", pk)


@requires(SEE, CHANGE)
@require_POST
def test(request: HttpRequest, pk: int) -> HttpResponse:
    made = payloads.ping(_endpoint(pk), timezone.now())
    messages.success(request, "A test is on its way. Load this page again to see its answer.")
    return redirect("webhooks:delivery", made.pk)


@requires(SEE, DELETE)
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    found = _endpoint(pk)
    found.delete()
    messages.success(request, f"{found.name} is removed, with its log.")
    return redirect("webhooks:list")


@requires(SEE, REPLAY)
@require_POST
def replay(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(WebhookDelivery.objects.defer("body", "tries"), pk=pk)
    if delivering.replay(WebhookDelivery.objects.filter(pk=pk), timezone.now()):
        messages.success(request, "It is sent again, by the same id.")
    else:
        messages.info(request, "It waits already: nothing was changed.")
    return redirect("webhooks:delivery", found.pk)


@requires(SEE, REPLAY)
@require_POST
def replay_failed(request: HttpRequest, pk: int) -> HttpResponse:
    """All that was given up between the days that the form names."""
    endpoint, form = _endpoint(pk), LogFilter(request.POST)
    if not form.is_valid():
        messages.error(request, "These days or filters do not work: nothing was sent again.")
        return redirect("webhooks:endpoint", pk)
    count = delivering.replay(form.narrow(endpoint.deliveries.filter(state=State.FAILED)), timezone.now())
    messages.success(request, f"{count:,} {'is' if count == 1 else 'are'} sent again, by the same ids.")
    return redirect("webhooks:endpoint", pk)
