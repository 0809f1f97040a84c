"""The time zone that the reader's times are shown and read in."""

from __future__ import annotations

from django.utils import timezone


def zone_words() -> str:
    """The current time zone by its name in the IANA database."""
    return str(timezone.get_current_timezone()).replace("_", " ")
