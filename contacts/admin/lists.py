"""What the lists of people share: made for a million rows.

No counting of everything, searches that an index answers, no list that loads all contacts, and addresses masked for
whoever may not see the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from contacts import searching
from contacts.access_log import sees_whole
from contacts.models import (
    Address,
    Contact,
    Suppression,
)
from contacts.phones import mask

CONTACTS_NAMES = (
    "A whole phone number, such as +15125550142 or (512) 555-0142, a whole email or an external id."
)
ADDRESSES = "A whole phone number, such as +15125550142 or (512) 555-0142, or a whole email."


class AtLeast(int):
    """How many were counted before the counting stopped. Django's own templates print it as it stands."""

    def __str__(self) -> str:
        return f"{int(self):,} or more"


class CappedPaginator(Paginator):
    """Counts to CAP and no further, so that a list of millions opens as fast as one of thousands.

    Whoever looks for a row behind the cap searches for it.
    """

    CAP = 10_000

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, QuerySet):
            found = rows.order_by()[: self.CAP].count()
            return AtLeast(found) if found == self.CAP else found
        return len(rows)


class Large(admin.ModelAdmin):
    """For tables too large to count, to join or to sort at will: a filter or a search has its index, or there is none.

    Which `search_fields` there are only says that there is a box to search; `named` does it.
    """

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    list_per_page = 50

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """All rows where there is nothing to search by: the address may ask all the same."""
        term = search_term.strip()
        asked = term and self.get_search_fields(request)
        return (queryset.filter(self.named(term)) if asked else queryset), False

    def named(self, term: str) -> Q:
        """The rows that are called `term`, and not only in part."""
        raise NotImplementedError


class ClosedOnceErased:
    """Nothing of a person who was erased is changed or deleted, and nothing is added to them."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_erased(obj) and super().has_change_permission(request, obj)  # type: ignore[misc]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_erased(obj) and super().has_delete_permission(request, obj)  # type: ignore[misc]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "contact":
            kwargs["queryset"] = Contact.objects.filter(erased_at=None)
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]
        if db_field.name == "contact" and field is not None:
            field.error_messages["invalid_choice"] = "There is no such contact, or they were erased."
        return field


def _is_erased(obj: Any) -> bool:
    contact = obj if isinstance(obj, Contact) else getattr(obj, "contact", None)
    return contact is not None and contact.erased_at is not None


class OfContact(ClosedOnceErased, Large):
    """Rows of a contact, found by whom they belong to."""

    search_fields = ("contact",)
    search_help_text = CONTACTS_NAMES

    def named(self, term: str) -> Q:
        return searching.wholly(term, "contact")


class Masking:
    """Whole addresses, and words that may contain one, are for those who may see them.

    `masking` says what the others get in place of a field or column; '' is nothing.
    """

    masking: Mapping[str, str] = {}

    def get_list_display(self, request: HttpRequest) -> Any:
        return self._for(request, super().get_list_display(request))  # type: ignore[misc]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whoever adds something types it, and there is nothing to hide yet."""
        fields = super().get_fields(request, obj)  # type: ignore[misc]
        return self._for(request, fields) if obj else fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), *filter(None, self.masking.values())]  # type: ignore[misc]

    def _for(self, request: HttpRequest, names: Sequence[str]) -> list[str]:
        if sees_whole(request):
            return list(names)
        return [shown for name in names if (shown := self.masking.get(name, name))]

    @admin.display(description="address")
    def masked(self, row: Address | Suppression) -> str:
        return mask(row.value) if row.value else "Every address"


class ReadOnly:
    """What is only ever written by the program."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Ledger(OfContact):
    """Added to, never changed."""

    ordering = ("-id",)
    raw_id_fields = ("contact",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
