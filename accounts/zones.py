"""The time zone that the reader's times are shown and read in."""

from __future__ import annotations

from django.utils import timezone


def zone_name() -> str:
    """The current time zone by its name in the IANA database.

    Django's name for a zone whose clocks never change, such as Etc/GMT+5, is "-05", which no database knows.
    """
    return str(timezone.get_current_timezone())


def zone_words() -> str:
    """The same, to be read."""
    return zone_name().replace("_", " ")
