"""The ledger of consent in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from contacts.admin.lists import Ledger, Masking
from contacts.consenting import record_entered
from contacts.models import (
    Consent,
)

RECORDING = "A no blocks at once, and nobody can release it. A yes lifts it only with evidence."


@admin.register(Consent)
class ConsentAdmin(Masking, Ledger):
    list_display = ("contact", "channel", "what", "at", "how", "recorded_by")
    list_select_related = ("contact", "recorded_by", "withdraws")
    fields = ("contact", "channel", "opted_in", "at", "how", "wording", "evidence")
    masking = {"evidence": ""}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = {"fields": self.get_fields(request, obj)}
        return [(None, fields if obj else {**fields, "description": RECORDING})]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = super().get_fields(request, obj)
        return ["what" if name == "opted_in" else name for name in names] if obj else names

    def save_model(self, request: HttpRequest, obj: Consent, form: Any, change: bool) -> None:
        obj.recorded_by_id = request.user.pk
        proven = not obj.opted_in or obj.evidence.strip()
        obj.origin = Consent.Origin.RECIPIENT if proven else Consent.Origin.STAFF
        super().save_model(request, obj, form, change)
        record_entered(obj)
