"""Brands: the names that people know, their domains, and which is the default."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.roles import requires
from campaigns.models import Brand
from dashboard.senders.forms import BrandForm

SEE, ADD, CHANGE = "campaigns.view_brand", "campaigns.add_brand", "campaigns.change_brand"


@requires(SEE)
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    brands = Brand.objects.in_order().annotate(sender_count=Count("senders"))
    return render(request, "senders/brands.html", {"brands": brands, "section": "brands"})


@requires(SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int | None) -> HttpResponse:
    if not request.user.has_perm(CHANGE if pk else ADD):
        raise PermissionDenied
    brand = get_object_or_404(Brand, pk=pk) if pk else None
    form = BrandForm(request.POST if request.method == "POST" else None, instance=brand)
    if request.method == "POST" and form.is_valid():
        messages.success(request, f"{form.save()} is saved.")
        return redirect("senders:brands")
    context = {
        "form": form,
        "title": f"Brand {brand}" if brand else "New brand",
        "back": reverse("senders:brands"),
        "action": "Save",
    }
    return render(request, "senders/form.html", context, status=422 if form.errors else 200)


@requires(SEE, CHANGE)
@require_POST
def make_default(request: HttpRequest, pk: int) -> HttpResponse:
    brand = get_object_or_404(Brand, pk=pk)
    brand.make_default()
    messages.success(request, f"New senders belong to {brand} unless they say otherwise.")
    return redirect("senders:brands")
