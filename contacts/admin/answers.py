"""Automatic answers in the admin: the words, and what became of each."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget
from django.http import HttpRequest, HttpResponse

from contacts.admin.lists import Large, ReadOnly
from contacts.keyword_changes import languages
from contacts.models import AnswerWording, AutomaticAnswer

TEXTS = (
    "stop_text",
    "help_text",
    "code_text",
    "confirm_text",
    "confirm_subject",
    "confirm_mail",
    "verify_text",
    "verify_subject",
    "verify_mail",
)


class AnswerWordingForm(forms.ModelForm):
    language = forms.ChoiceField(
        required=False,
        choices=lambda: [("", "Every other one"), *languages()],
        error_messages={"invalid_choice": "Choose a language of the list: “%(value)s” is none of it."},
        help_text="Of the person.",
    )

    class Meta:
        model = AnswerWording
        fields = ("sender_value", "language", "who", *TEXTS)
        widgets = {
            name: AdminTextareaWidget(attrs={"rows": 3}) for name in TEXTS if not name.endswith("_subject")
        }


@admin.register(AnswerWording)
class AnswerWordingAdmin(admin.ModelAdmin):
    form = AnswerWordingForm
    change_list_template = "admin/contacts/answer_wordings.html"
    list_display = ("__str__", "language", "who", "stop_text", "help_text")
    search_fields = ("=sender_value",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        fields = AnswerWording._meta.fields
        built_in = [(field.verbose_name, field.default) for field in fields if field.name in TEXTS]
        return super().changelist_view(request, {"built_in": built_in, **(extra_context or {})})


@admin.register(AutomaticAnswer)
class AutomaticAnswerAdmin(ReadOnly, Large):
    list_display = ("id", "asked_at", "address", "kind", "state", "why", "reported")
    list_filter = ("kind", "state")
    list_select_related = ("address",)
    exclude = ("match_key", "address", "change")
    ordering = ("-id",)
