"""Forms of rows inside the form of another row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import HttpRequest


class PlainFormSet(forms.BaseInlineFormSet):
    """Says in plain words that two of its rows are the same."""

    def get_unique_error_message(self, unique_check: Sequence[str]) -> str:
        shown = [name for name in unique_check if name != self.fk.name]
        fields = [self.model._meta.get_field(name) for name in shown]  # type: ignore[union-attr]
        names = " and ".join(str(field.verbose_name) for field in fields)
        return f"Two rows have the same {names}: change one of them, or leave it out."

    def get_form_error(self) -> str:
        return "Another row says the same."


class FewForms:
    """As many forms as there are ever rows. Django makes two thousand for whoever asks: half a minute's work."""

    max_num: int | None = 50
    formset: type[forms.BaseInlineFormSet] = PlainFormSet

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, absolute_max=self.max_num, **kwargs)  # type: ignore[misc]
