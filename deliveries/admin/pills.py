"""A status in the admin's lists, coloured as on the pages."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.utils.safestring import SafeString


def pill(disposition: str, label: str) -> SafeString:
    return render_to_string("admin/deliveries/pill.html", {"disposition": disposition, "label": label})
