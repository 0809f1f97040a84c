"""Pages of the admin, and who opens them."""

from __future__ import annotations

from django.urls import reverse


def url(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)
