"""People, their lists, and notes about them in the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from contacts import searching
from contacts.admin.addresses import AddressInline, ZonedForm
from contacts.admin.lists import CONTACTS_NAMES, ClosedOnceErased, Large, Ledger, OfContact, ReadOnly
from contacts.carrying import addresses_change
from contacts.models import (
    AccessRecord,
    Contact,
    ContactList,
    ListMembership,
    Note,
    PrivacyRecord,
)
from contacts.slugs import free_slug


@admin.register(ContactList)
class ContactListAdmin(admin.ModelAdmin):
    list_display = ("name", "description", "created_at")
    search_fields = ("name",)
    fields = ("name", "description", "created_at")
    readonly_fields = ("created_at",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only an empty one goes, and nothing with it: on the page of the list."""
        return False

    def save_model(self, request: HttpRequest, obj: ContactList, form: Any, change: bool) -> None:
        obj.slug = obj.slug or free_slug(obj.name, ContactList.objects.all(), "list")
        super().save_model(request, obj, form, change)


@admin.register(Contact)
class ContactAdmin(ClosedOnceErased, Large):
    form = ZonedForm
    list_display = ("__str__", "external_id", "stage", "value_tier", "source", "created_at")
    list_select_related = ("source",)
    search_fields = ("external_id",)
    search_help_text = CONTACTS_NAMES
    ordering = ("-id",)
    autocomplete_fields = ("source",)
    readonly_fields = ("merged_into", "erased_at", "created_at", "updated_at")
    inlines = (AddressInline,)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """What holds for the person holds at an address that takes the place of another one, too."""
        with addresses_change(form.instance.pk, now=timezone.now()):
            super().save_formset(request, form, formset, change)

    def named(self, term: str) -> Q:
        return searching.wholly(term)


@admin.register(ListMembership)
class ListMembershipAdmin(OfContact):
    list_display = ("contact_list", "contact", "added_at")
    list_select_related = ("contact_list", "contact")
    ordering = ("-id",)
    raw_id_fields = ("contact",)
    autocomplete_fields = ("contact_list",)


@admin.register(PrivacyRecord)
class PrivacyRecordAdmin(ReadOnly, Large):
    list_display = ("act", "contact_number", "at", "by", "reason")
    list_select_related = ("by",)
    list_filter = ("act",)
    ordering = ("-id",)


@admin.register(AccessRecord)
class AccessRecordAdmin(ReadOnly, Large):
    list_display = ("kind", "path", "filter", "rows", "whole", "at", "by")
    list_select_related = ("by",)
    list_filter = ("kind",)
    ordering = ("-at", "-id")


@admin.register(Note)
class NoteAdmin(ReadOnly, Ledger):
    list_display = ("contact", "text", "author", "at")
    list_select_related = ("contact", "author")
