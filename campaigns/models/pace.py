"""Where a sender, an account or a mail domain stands that may not send as fast as it can."""

from __future__ import annotations

from django.db import models


class Pace(models.Model):
    """One that keeps to a limit. Claiming locks the row, so that all processes together keep to it.

    A sender without a limit has no row, unless its provider asked us to wait.
    """

    key = models.CharField(max_length=280, primary_key=True, help_text="As campaigns/rates.py makes it.")
    next_at = models.DateTimeField(help_text="Nothing more begins before.")
    day = models.DateField(null=True, help_text="Of what is counted in `used`, where the limit's days begin.")
    used = models.PositiveIntegerField(default=0)

    class Meta:
        app_label = "campaigns"

    def __str__(self) -> str:
        return self.key

    def used_on(self, day: object) -> int:
        return self.used if self.day == day else 0
