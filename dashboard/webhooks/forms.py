"""What administrators enter about endpoints, and by what the log is narrowed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from contacts.access_log import WHOLE
from deliveries.models import PING, EventKind, WebhookDelivery, WebhookEndpoint
from deliveries.outgoing.where import wrong_with


class EndpointForm(forms.ModelForm):
    """An endpoint. Whole addresses go only where somebody says so who may see them."""

    kinds = forms.MultipleChoiceField(
        label="Events", choices=EventKind.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("name", "url", "kinds", "whole")
        widgets = {"url": forms.URLInput(attrs={"placeholder": "https://crm.example.com/waybill"})}

    def __init__(self, *given: Any, by: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self.by = by
        if not by.has_perm(WHOLE):
            del self.fields["whole"]

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"])
        if problem := wrong_with(url):
            raise forms.ValidationError(problem)
        return url

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("whole") and self.instance.pk and not self.instance.whole:
            self.instance.created_by = self.by  # who says so answers for it
        return given


class LogFilter(forms.Form):
    state = forms.ChoiceField(
        label="State", required=False, choices=[("", "Any"), *WebhookDelivery.State.choices]
    )
    kind = forms.ChoiceField(
        label="Event", required=False, choices=[("", "Any"), *EventKind.choices, (PING, "A test")]
    )
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="Until", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for name in ("since", "until"):
            if (day := given.get(name)) and not 1970 <= day.year <= 9_000:
                self.add_error(name, "Give a year in four digits, such as 2026.")
        return given

    def narrow(self, rows: QuerySet[WebhookDelivery]) -> QuerySet[WebhookDelivery]:
        """Those that a valid form lets through; days are UTC's, both included."""
        given = self.cleaned_data
        for lookup, name in (
            ("state", "state"),
            ("kind", "kind"),
            ("created_at__date__gte", "since"),
            ("created_at__date__lte", "until"),
        ):
            if given.get(name):
                rows = rows.filter(**{lookup: given[name]})
        return rows
