"""What a ledger's rows have in common."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models


class AppendOnly(models.Model):
    """A ledger row: written once, never changed, never deleted."""

    class Meta:
        abstract = True

    def save(self, *args, **kwargs) -> None:
        if not self._state.adding:
            raise ValidationError(f"{self._meta.verbose_name} rows are written once and never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args, **kwargs):
        raise ValidationError(f"{self._meta.verbose_name} rows are kept as evidence and cannot be deleted.")
