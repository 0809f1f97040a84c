"""Addresses in the admin, and how they fare."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from contacts import searching
from contacts.access_log import sees_whole
from contacts.admin.inlines import FewForms, PlainFormSet
from contacts.admin.lists import ADDRESSES, ClosedOnceErased, Large, Masking, ReadOnly
from contacts.carrying import addresses_of, carry
from contacts.channels import Kind
from contacts.correcting import email_address, phone_address, retire
from contacts.emails import NotAnEmail
from contacts.hours import known_zone
from contacts.models import (
    Address,
    AddressHealth,
)
from contacts.phones import NotAPhone, mask


class ZonedForm(forms.ModelForm):
    """A zone that nobody knows would be passed over, and the hours of another one kept."""

    def clean_time_zone(self) -> str:
        names = self.cleaned_data["time_zone"].split()
        if wrong := [name for name in names if not known_zone(name)]:
            raise ValidationError(f"No time zone: {', '.join(wrong)}. Give one such as America/Chicago.")
        return " ".join(names)


class AddressForm(ZonedForm):
    """Takes any usual notation, keeps the one form that sends and suppressions compare."""

    # Addresses of the contact that the same page takes the preference from, or removes.
    set_free: Collection[int] = ()
    whole = False  # whether whoever fills it in may see whole addresses

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        kind, value = data.get("kind"), data.get("value")
        if not (kind and value) or {"kind", "value"}.isdisjoint(self.changed_data):
            return data
        try:
            found = (
                phone_address(value, settings.DEFAULT_REGION) if kind == Kind.PHONE else email_address(value)
            )
        except (NotAPhone, NotAnEmail) as problem:
            self.add_error("value", str(problem))
            return data
        for field in ("line_type", "carrier", "region", "time_zone"):
            setattr(self.instance, field, getattr(found, field))
            if field in data:
                data[field] = getattr(found, field)
        data["value"] = found.value
        return data

    def _post_clean(self) -> None:
        """Which address is in the way says more than that one is."""
        super()._post_clean()  # type: ignore[misc] # of every ModelForm
        row = self.instance
        if row.preferred and row.contact_id:
            others = Address.objects.filter(contact=row.contact_id, kind=row.kind, preferred=True)
            other = others.exclude(pk__in=[*self.set_free, row.pk or 0]).first()
            if other is not None:
                self.add_error("preferred", self.in_the_way(other))

    def in_the_way(self, other: Address) -> str:
        value = other.value if self.whole else mask(other.value)
        noun = "number" if other.kind == Kind.PHONE else "email"
        return f"{value} is already the preferred {noun}; untick it first."

    def _get_validation_exclusions(self) -> set[str]:
        """Whether the preference clashes is said above: what the page changes elsewhere is not stored yet."""
        return {*super()._get_validation_exclusions(), "preferred"}  # type: ignore[misc]

    def save(self, commit: bool = True) -> Address:
        """Another value is another address: what was sent to the old one stays there, and what is reported of it."""
        row, before = self.instance, self.initial.get("value", "")
        if row.pk and before not in ("", row.value):
            retire(Address.objects.get(pk=row.pk), row.value)
            row.pk, row._state.adding, row.created_at = None, True, timezone.now()
            if "validity" not in self.changed_data:
                row.validity = Address.Validity.UNVERIFIED
            row.network = row.line_type_source = row.carrier_source = ""
            row.line_type_at = row.carrier_at = None
        else:
            self._say_who_typed()
        return super().save(commit)

    def _say_who_typed(self) -> None:
        """What a person enters about the line has its date as well: only what is newer replaces it."""
        for name in {"line_type", "carrier"} & set(self.changed_data):
            setattr(self.instance, f"{name}_at", timezone.now())
            setattr(self.instance, f"{name}_source", "entered by staff")


class AddressFormSet(PlainFormSet):
    """One preferred address of each kind, as the page leaves them."""

    forms: list[AddressForm]  # type: ignore[assignment]

    def full_clean(self) -> None:
        if self.is_bound:
            free = {form.instance.pk for form in self.initial_forms if self._gives_way(form)}
            for form in self.forms:
                form.set_free = free
        super().full_clean()

    def clean(self) -> None:
        super().clean()
        preferred: dict[str, Address] = {}
        for form in self.forms:
            data = getattr(form, "cleaned_data", {})
            empty = not form.instance.pk and not form.has_changed()
            if empty or not data.get("preferred") or data.get("DELETE"):
                continue
            first = preferred.setdefault(form.instance.kind, form.instance)
            if first is not form.instance and "preferred" not in form.errors:
                form.add_error("preferred", form.in_the_way(first))

    def save(self, commit: bool = True) -> Any:
        """The old preference is given up before the new one is stored."""
        if commit:
            free = [form.instance.pk for form in self.initial_forms if self._gives_way(form)]
            Address.objects.filter(pk__in=free, contact=self.instance).update(preferred=False)
        return super().save(commit)

    def _gives_way(self, form: Any) -> bool:
        ticked = {name: form[name].data for name in ("preferred", "DELETE") if name in form.fields}
        return bool(ticked.get("DELETE")) or not ticked.get("preferred", True)


class AddressInline(Masking, FewForms, admin.TabularInline):
    model = Address
    form = AddressForm
    formset = AddressFormSet
    extra = 0
    fields = ("kind", "value", "line_type", "validity", "preferred")
    masking = {"value": "masked"}

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        made = super().get_formset(request, obj, **kwargs)
        made.form.whole = sees_whole(request)
        return made

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Without the field for the value there is none to add."""
        return (obj is None or sees_whole(request)) and super().has_add_permission(request, obj)


@admin.register(Address)
class AddressAdmin(ClosedOnceErased, Masking, Large):
    form = AddressForm
    fields = (
        "contact",
        "kind",
        "value",
        "line_type",
        ("line_type_source", "line_type_at"),
        "carrier",
        ("carrier_source", "carrier_at", "network"),
        "region",
        "time_zone",
        "validity",
        "preferred",
        "created_at",
    )
    masking = {"value": "masked"}
    list_display = ("value", "kind", "contact", "line_type", "validity", "preferred")
    list_select_related = ("contact",)
    search_fields = ("value",)
    search_help_text = ADDRESSES
    ordering = ("-id",)
    raw_id_fields = ("contact",)
    readonly_fields = (
        "line_type_source",
        "line_type_at",
        "carrier_source",
        "carrier_at",
        "network",
        "created_at",
    )

    def get_form(
        self, request: HttpRequest, obj: Address | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.whole = sees_whole(request)
        return form

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """Saving the form retires the address that another value replaces: until here all stands as it was."""
        form.whose = {form.initial.get("contact"), form.instance.contact_id} - {None}
        form.before = addresses_of(form.whose)
        return super().save_form(request, form, change)

    def save_model(self, request: HttpRequest, obj: Address, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        carry(form.before, form.whose, timezone.now())

    def named(self, term: str) -> Q:
        return Q(match_key__in=searching.keys(searching.clean(term)))


@admin.register(AddressHealth)
class AddressHealthAdmin(ReadOnly, Large):
    list_display = ("address", "channel", "hard_fails", "last_code", "last_failed_at")
    list_select_related = ("address",)
    search_fields = ("address",)
    search_help_text = ADDRESSES
    ordering = ("-id",)

    def named(self, term: str) -> Q:
        addresses = Address.objects.filter(match_key__in=searching.keys(searching.clean(term)))
        return Q(address__in=addresses.values("pk"))
