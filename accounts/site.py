"""The admin, with every list of it, ours and other packages', bounded to what it offers.

Django's own lists take any look-up on any column of theirs from the address: by `value__startswith` a masked number can
be guessed digit by digit, and a pattern for `name__regex` can keep the database busy for as long as somebody likes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup, DisallowedModelAdminToField
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import TO_FIELD_VAR, IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets, get_fields_from_path
from django.contrib.admin.views.main import ERROR_FLAG, IGNORED_PARAMS, PAGE_VAR, ChangeList
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils.html import format_html

from accounts.zones import zone_words

logger = logging.getLogger(__name__)

LONGEST_TERM = 254  # nothing that is searched for is longer, and SQLite compares no pattern of 50,000 bytes

if TYPE_CHECKING:
    Base = admin.ModelAdmin
else:
    Base = object


class SortedAsShown(ChangeList):
    """Sorted by the columns that are offered for it, whatever number the address names; and likewise its pages."""

    def get_results(self, request: HttpRequest) -> None:
        """The first page in place of one that there is not: Django's own would leave out the filters as well."""
        asked = self.page_num
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            self.page_num = 1
            super().get_results(request)
        if not self.multi_page:
            self.page_num = 1
        if self.page_num != asked and request.method == "GET":
            messages.warning(request, "This list has no such page; here is its first one.")

    def get_ordering_field(self, field_name: Any) -> Any:
        if self.sortable_by is not None and field_name not in self.sortable_by:
            return None
        return super().get_ordering_field(field_name)


class Suggested(AutocompleteSelect):
    """Suggestions for a relation. What can be no key is shown as no choice; Django's own asks for it and fails."""

    def optgroups(self, name: str, value: Sequence[str], attrs: dict[str, Any] | None = None) -> Any:
        key = self.field.target_field
        return super().optgroups(
            name, [one for one in value if not one or _may_be_kept(key, str(one))], attrs
        )


class Chosen(forms.ModelMultipleChoiceField):
    """Several rows. What can be no row's key is an error of its own; SQLite fails on a number that is too large."""

    def clean(self, value: Any) -> Any:
        key = self.queryset.model._meta.pk  # type: ignore[union-attr]
        for one in value if isinstance(value, list | tuple) else ():
            if not _may_be_kept(key, str(one)):
                raise ValidationError(
                    self.error_messages["invalid_pk_value"], "invalid_pk_value", {"pk": one}
                )
        return super().clean(value)


class Declared(Base):
    """A mixin for admin classes: only what `list_filter` and `date_hierarchy` declare can be looked up."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        readable = "\x00" not in str(value)  # no database stores it, and PostgreSQL will not even compare it
        return (
            readable and lookup in self._declared(request) and super().lookup_allowed(lookup, value, request)
        )

    def _declared(self, request: HttpRequest) -> set[str]:
        names = {name for one in self.get_list_filter(request) for name in _parameters(self.model, one)}
        if self.date_hierarchy:
            names |= {f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day", "gte", "lt")}
        return names

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Whoever asks for what the list does not offer gets the list without it, and is told so.

        An action is not done then: it would be done to other rows than those of the filter.
        """
        try:
            answer = super().changelist_view(request, extra_context)
        except (DisallowedModelAdminLookup, DisallowedModelAdminToField) as refused:
            logger.warning("Left out of the list %s: %.200r", request.path, str(refused))
            answer = redirect(self._offered(request))
        else:
            if (
                getattr(answer, "url", "") != f"{request.path}?{ERROR_FLAG}=1"
            ):  # Django's own for a value it cannot read
                return answer
        messages.warning(request, "That filter is not known; it was left out.")
        if request.method == "POST":
            messages.error(request, "Nothing was done. Choose the rows and the action again.")
        return answer

    def _offered(self, request: HttpRequest) -> str:
        """The address of the list, with what of the query it offers."""
        kept = QueryDict(mutable=True)
        for name, values in request.GET.lists():
            known = name in IGNORED_PARAMS or name == PAGE_VAR
            if name != TO_FIELD_VAR and (
                known or all(self.lookup_allowed(name, value, request) for value in values)
            ):
                kept.setlist(name, values)
        return f"{request.path}?{kept.urlencode()}" if kept else request.path

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SortedAsShown

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """An address that no row can have is one that no row has; an empty `_to_field` is none."""
        key = self.model._meta.get_field(from_field) if from_field else self.model._meta.pk
        if not _may_be_kept(key, object_id):
            return None
        return super().get_object(request, object_id, from_field or None)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        made = super().formfield_for_dbfield(db_field, request, **kwargs)
        if isinstance(made, forms.SplitDateTimeField):
            _name_the_zone(made, f"id_{db_field.name}_zone")
        return made

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.get_autocomplete_fields(request):
            kwargs.setdefault("widget", Suggested(db_field, self.admin_site, using=kwargs.get("using")))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, **{"form_class": Chosen, **kwargs})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [self._followable(one, request) for one in super().get_readonly_fields(request, obj)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Django links every relation that is only shown, also for those who may not open what it leads to."""
        found = super().get_fieldsets(request, obj)
        changes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        shown = set(super().get_readonly_fields(request, obj)) if changes else set(flatten_fieldsets(found))
        return [
            (title, {**options, "fields": [self._shown_in(row, shown, request) for row in options["fields"]]})
            for title, options in found
        ]

    def _shown_in(self, row: Any, shown: set[Any], request: HttpRequest) -> Any:
        """One field of a fieldset, or several that stand beside each other."""
        if isinstance(row, list | tuple):
            return [self._shown_in(one, shown, request) for one in row]
        return self._followable(row, request) if row in shown else row

    def _followable(self, name: Any, request: HttpRequest) -> Any:
        """A field that is only shown; of a relation to what the reader may not open, the words without the link."""
        field: Any = next((one for one in self.opts.fields if one.name == name and one.is_relation), None)
        led_to = self.admin_site._registry.get(field.related_model) if field else None
        if field is None or led_to is None or led_to.has_view_permission(request):
            return name
        return _Unlinked(field)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        return super().get_search_results(request, queryset, search_term[:LONGEST_TERM])

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if not all(_may_be_kept(self.model._meta.pk, one) for one in chosen):
            raise BadRequest("Something was chosen that is no row.")
        return super().response_action(request, *args, **kwargs)


class _Unlinked:
    """What stands for a relation, in words."""

    def __init__(self, field: Any) -> None:
        self.__name__, self.short_description = field.name, field.verbose_name

    def __eq__(self, other: object) -> bool:
        """Django looks for it among the read-only fields."""
        return isinstance(other, _Unlinked) and other.__name__ == self.__name__

    def __hash__(self) -> int:
        return hash(self.__name__)

    def __call__(self, obj: Any) -> str:
        other = getattr(obj, self.__name__)
        return "-" if other is None else str(other)


def _name_the_zone(made: forms.SplitDateTimeField, described_by: str) -> None:
    """Say at a field for a time which zone it is read in, and to whom cannot see what stands below it.

    Django gives the help of a field of two boxes no id, and so ties neither of them to it.
    """
    says = f"{made.help_text} Date and time in {zone_words()}.".strip()
    made.help_text = format_html('<span id="{}">{}</span>', described_by, says)
    made.widget.attrs["aria-describedby"] = described_by


def _may_be_kept(field: Any, text: str) -> bool:
    """Whether a row can have this in its key: SQLite fails on larger numbers, PostgreSQL on a NUL."""
    while field.remote_field:
        field = field.target_field
    try:
        field.run_validators(field.to_python(text))
    except (ValidationError, ValueError):
        return False
    return "\x00" not in text


def _parameters(model: type[models.Model], declared: Any) -> set[str]:
    """What one entry of `list_filter` reads from the address."""
    if isinstance(declared, type) and issubclass(declared, admin.SimpleListFilter):
        return {str(declared.parameter_name)}
    path = declared[0] if isinstance(declared, list | tuple) else declared
    field: Any = get_fields_from_path(model, path)[-1]
    names = {f"{path}__exact", f"{path}__isnull"}
    if isinstance(field, models.DateField):
        names |= {f"{path}__gte", f"{path}__lt"}
    elif field.is_relation:
        names = {f"{path}__{field.target_field.name}__exact", f"{path}__isnull"}
    elif not (field.flatchoices or isinstance(field, models.BooleanField)):
        names.add(path)  # a filter by each of its values
    return names


class Site(admin.AdminSite):
    """The admin's pages. Whatever is registered is bounded, without having to ask for it."""

    def register(
        self,
        model_or_iterable: type[models.Model] | Iterable[type[models.Model]],
        admin_class: type[admin.ModelAdmin] | None = None,
        **options: Any,
    ) -> None:
        found = admin_class or admin.ModelAdmin
        bounded = type(found.__name__, (Declared, found), {"__module__": found.__module__})
        super().register(model_or_iterable, bounded, **options)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """Suggestions for the fields that offer them; Django's own answers for every relation of every model."""
        named = [request.GET.get(name, "") for name in ("app_label", "model_name", "field_name")]
        if named[-1] not in self._suggested(*named[:2]):
            raise PermissionDenied
        return super().autocomplete_view(request)

    def _suggested(self, app_label: str, model_name: str) -> Sequence[str]:
        try:
            model = apps.get_model(app_label, model_name)
        except LookupError:
            return ()
        return self._registry[model].autocomplete_fields if model in self._registry else ()
