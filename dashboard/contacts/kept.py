"""What is kept, for how long, and what was dropped last: for those who answer for it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.roles import requires
from deliveries.ledger.tidying import kept


@requires("deliveries.view_retentionrun")
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "contacts/kept.html", {"kept": kept()})
