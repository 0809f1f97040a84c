"""Model fields of our own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import models


class DerivedField(models.CharField):
    """Text worked out from another field whenever the row is written: by `save`, and by `bulk_create` too.

    Read it from rows of the database: in one that was never saved it is empty. `update` knows nothing of it.
    """

    def __init__(
        self, *args: Any, from_field: str = "", derive: Callable[[str], str] = str, **kwargs: Any
    ) -> None:
        self.from_field, self.derive = from_field, derive
        super().__init__(*args, **{"default": "", "editable": False, **kwargs})

    def deconstruct(self) -> tuple[str, str, Any, dict[str, Any]]:
        """To migrations it is a column of text like any other."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        value = self.derive(getattr(model_instance, self.from_field))
        setattr(model_instance, self.attname, value)
        return value
