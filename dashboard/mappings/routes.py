"""Routes whose receipts prove less than a handset's word."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.roles import requires
from dashboard.mappings.code_forms import RouteForm
from dashboard.mappings.sections import READ, sections
from dashboard.shell.pages import who
from deliveries.meaning import drafts
from deliveries.models import DayTally, RouteEvidence
from deliveries.outcomes import code_usage

OFFERED = 300  # carriers to choose from


@requires(READ, "deliveries.view_routeevidence")
@require_http_methods(["GET", "HEAD", "POST"])
def routes(request: HttpRequest) -> HttpResponse:
    """GET: the rules and a form for another. POST: add it."""
    form = RouteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        if not who(request).has_perm("deliveries.add_routeevidence"):
            raise PermissionDenied
        if form.is_valid():
            try:
                with transaction.atomic():
                    RouteEvidence.objects.create(**form.cleaned_data)
            except IntegrityError:
                form.add_error(None, "There is a rule for exactly this route by now.")
            else:
                messages.success(request, "Added. It counts for every report that comes in from now on.")
                return redirect("mappings:routes")
    carriers = DayTally.objects.exclude(carrier="").order_by("carrier").values_list("carrier", flat=True)
    context = {
        **sections("routes", drafts.open_draft()),
        "form": form,
        "rules": [
            (one, code_usage.table_name(one.provider) if one.provider else "")
            for one in RouteEvidence.objects.order_by("channel", "provider", "country", "carrier")
        ],
        "carriers": carriers.distinct()[:OFFERED],
    }
    return render(request, "mappings/routes.html", context, status=422 if form.errors else 200)


@requires(READ, "deliveries.delete_routeevidence")
@require_POST
def remove_route(request: HttpRequest, pk: int) -> HttpResponse:
    if RouteEvidence.objects.filter(pk=pk).delete()[0]:
        messages.success(request, "Removed. Reports that came in before keep what was said of them.")
    else:
        messages.error(request, "That rule was gone already.")
    return redirect("mappings:routes")
