"""What tests fill in on the admin's pages of contacts."""

from __future__ import annotations

from django.utils import timezone

from contacts.suppressing import suppress

NUMBER = "+15125550142"


def add_suppression(**fields):
    given = {"value": NUMBER, "reason": "staff", "origin": "staff", "now": timezone.now()}
    return suppress(**given | fields)
