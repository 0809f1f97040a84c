"""Automatic answers in the admin: the words, and what became of each."""

from __future__ import annotations

from django.contrib import admin

from contacts.admin.lists import Large, ReadOnly
from contacts.models import AnswerWording, AutomaticAnswer


@admin.register(AnswerWording)
class AnswerWordingAdmin(admin.ModelAdmin):
    list_display = ("__str__", "language", "who", "stop_text", "help_text")
    search_fields = ("=sender_value",)


@admin.register(AutomaticAnswer)
class AutomaticAnswerAdmin(ReadOnly, Large):
    list_display = ("id", "asked_at", "address", "kind", "state", "why", "reported")
    list_filter = ("kind", "state")
    list_select_related = ("address",)
    exclude = ("match_key", "address", "change")
    ordering = ("-id",)
