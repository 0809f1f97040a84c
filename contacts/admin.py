"""Contacts, consent and suppressions in the admin. Made for a million rows: no counting of everything, searches
that an index answers, and no list that loads all contacts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.text import Truncator

from contacts import searching
from contacts.blocking import closes
from contacts.channels import Kind
from contacts.consenting import PERSON, WHO_ASKED, record_entered, record_request
from contacts.correcting import email_address, phone_address, retire
from contacts.emails import NotAnEmail, parse_email
from contacts.grounds import occasion
from contacts.hours import known_zone
from contacts.models import (
    Address,
    AddressHealth,
    Consent,
    Contact,
    ContactList,
    ListMembership,
    Note,
    Suppression,
)
from contacts.phones import NotAPhone, concealed, mask, parse_phone
from contacts.slugs import free_slug
from contacts.suppressing import (
    LONGEST_NOTE,
    BlocksNothing,
    CannotRelease,
    carry_over,
    keep_for_good,
    refuse_idle,
    release,
    suppress,
)

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


class OfContact(Large):
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


def sees_whole(request: HttpRequest) -> bool:
    return request.user.has_perm("contacts.view_full_address")


class ReadOnly:
    """What is only ever written by the program."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(ContactList)
class ContactListAdmin(admin.ModelAdmin):
    list_display = ("name", "description", "created_at")
    search_fields = ("name",)
    fields = ("name", "description", "created_at")
    readonly_fields = ("created_at",)

    def save_model(self, request: HttpRequest, obj: ContactList, form: Any, change: bool) -> None:
        obj.slug = obj.slug or free_slug(obj.name, ContactList.objects.all(), "list")
        super().save_model(request, obj, form, change)


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
        return super().save(commit)


class PlainFormSet(forms.BaseInlineFormSet):
    """Says in plain words that two of its rows are the same."""

    def get_unique_error_message(self, unique_check: Sequence[str]) -> str:
        shown = [name for name in unique_check if name != self.fk.name]
        fields = [self.model._meta.get_field(name) for name in shown]  # type: ignore[union-attr]
        names = " and ".join(str(field.verbose_name) for field in fields)
        return f"Two rows have the same {names}: change one of them, or leave it out."

    def get_form_error(self) -> str:
        return "Another row says the same."


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


class FewForms:
    """As many forms as there are ever rows. Django makes two thousand for whoever asks: half a minute's work."""

    max_num: int | None = 50
    formset: type[forms.BaseInlineFormSet] = PlainFormSet

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        return super().get_formset(request, obj, absolute_max=self.max_num, **kwargs)  # type: ignore[misc]


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


@admin.register(Contact)
class ContactAdmin(Large):
    form = ZonedForm
    list_display = ("__str__", "external_id", "stage", "value_tier", "source", "created_at")
    list_select_related = ("source",)
    search_fields = ("external_id",)
    search_help_text = CONTACTS_NAMES
    ordering = ("-id",)
    autocomplete_fields = ("source",)
    readonly_fields = ("created_at", "updated_at")
    inlines = (AddressInline,)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """What the person asked for holds at an address that takes the place of another one, too."""
        before = [one.initial.get("value", "") for one in formset.initial_forms]
        super().save_formset(request, form, formset, change)
        entered = [*formset.new_objects, *(obj for obj, _ in formset.changed_objects)]
        carry_over(entered, timezone.now(), {form.instance.pk: before})

    def named(self, term: str) -> Q:
        return searching.wholly(term)


@admin.register(ListMembership)
class ListMembershipAdmin(OfContact):
    list_display = ("contact_list", "contact", "added_at")
    list_select_related = ("contact_list", "contact")
    ordering = ("-id",)
    raw_id_fields = ("contact",)
    autocomplete_fields = ("contact_list",)


@admin.register(Address)
class AddressAdmin(Masking, Large):
    form = AddressForm
    fields = (
        "contact",
        "kind",
        "value",
        "line_type",
        "carrier",
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
    readonly_fields = ("created_at",)

    def get_form(
        self, request: HttpRequest, obj: Address | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.whole = sees_whole(request)
        return form

    def save_model(self, request: HttpRequest, obj: Address, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        carry_over([obj], timezone.now())

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


class Ledger(OfContact):
    """Added to, never changed."""

    ordering = ("-id",)
    raw_id_fields = ("contact",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Consent)
class ConsentAdmin(Masking, Ledger):
    list_display = ("contact", "channel", "what", "at", "how", "recorded_by")
    list_select_related = ("contact", "recorded_by", "withdraws")
    fields = ("contact", "channel", "opted_in", "at", "how", "wording", "evidence")
    masking = {"evidence": ""}

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = super().get_fields(request, obj)
        return ["what" if name == "opted_in" else name for name in names] if obj else names

    def save_model(self, request: HttpRequest, obj: Consent, form: Any, change: bool) -> None:
        obj.recorded_by_id = request.user.pk
        proven = not obj.opted_in or obj.evidence.strip()
        obj.origin = Consent.Origin.RECIPIENT if proven else Consent.Origin.STAFF
        super().save_model(request, obj, form, change)
        record_entered(obj)


@admin.register(Note)
class NoteAdmin(ReadOnly, Ledger):
    list_display = ("contact", "text", "author", "at")
    list_select_related = ("contact", "author")


ASKED_FOR = "Asked for by the person, so staff cannot release it. It is lifted when they opt in again."


class ReleaseForm(ActionForm):
    """What an action on suppressions has to be told beside the rows."""

    note = forms.CharField(label="Why", required=False, max_length=LONGEST_NOTE)


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("blocking", "Blocking"), ("released", "Released"), ("expired", "Expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> QuerySet[Suppression]:
        now = timezone.now()
        wanted = {
            "blocking": Q(released_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now)),
            "released": Q(released_at__isnull=False),
            "expired": Q(released_at=None, expires_at__lte=now),
        }
        return queryset.filter(wanted.get(self.value() or "", Q()))


class SuppressionForm(forms.ModelForm):
    """A number written in any other way than ours would block nobody."""

    who = forms.ChoiceField(choices=WHO_ASKED, initial=PERSON, required=False, widget=forms.RadioSelect)

    def clean_who(self) -> str:
        return self.cleaned_data["who"] or PERSON

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("who") == PERSON and cleaned.get("expires_at"):
            why = "What a person asked for has no end: it holds until they opt in again. Leave this empty."
            self.add_error("expires_at", why)
        try:
            refuse_idle(cleaned.get("value", ""), cleaned.get("channel", ""))
        except BlocksNothing as problem:
            self.add_error("channel", str(problem))
        return cleaned

    def clean_value(self) -> str:
        text = self.cleaned_data["value"]
        try:
            if "@" in text:
                return parse_email(text)
            return parse_phone(text, settings.DEFAULT_REGION).value if text else ""
        except (NotAPhone, NotAnEmail) as problem:
            raise ValidationError(str(problem)) from None


@admin.register(Suppression)
class SuppressionAdmin(Masking, Large):
    form = SuppressionForm
    list_display = (
        "address",
        "contact",
        "channels",
        "ground",
        "by",
        "why",
        "state",
        "since",
    )
    list_select_related = ("contact", "created_by")
    list_filter = ("reason", StateFilter)
    search_fields = ("value",)
    search_help_text = CONTACTS_NAMES
    ordering = ("-created_at", "-id")
    raw_id_fields = ("contact",)
    action_form = ReleaseForm
    actions = ("release_selected", "extend_selected")
    fields = (
        "value",
        "contact",
        "channel",
        "scope",
        "scope_value",
        "ground",
        "origin",
        "evidence",
        "occasion",
        "follows",
        "expires_at",
        "created_at",
        "created_by",
        "released_at",
        "released_by",
        "release_note",
    )
    # `suppress` knows the rest: staff add blocks of everything we send, in their own name.
    asked = ("value", "contact", "channel", "who", "evidence", "expires_at")
    masking = {"address": "masked", "value": "masked", "evidence": ""}

    @admin.display
    def address(self, suppression: Suppression) -> str:
        return suppression.value or "Every address"

    @admin.display(description="channel")
    def channels(self, suppression: Suppression) -> str:
        return closes(suppression)

    @admin.display(description="reason")
    def ground(self, suppression: Suppression) -> str:
        return suppression.ground

    @admin.display(description="recorded for")
    def occasion(self, suppression: Suppression) -> str:
        return occasion(suppression.fact)

    @admin.display
    def by(self, suppression: Suppression) -> str:
        """Whose wish it is, and the colleague who entered it."""
        colleague = suppression.created_by
        return f"{suppression.get_origin_display()}{f', {colleague.display_name}' if colleague else ''}"

    @admin.display
    def why(self, suppression: Suppression) -> str:
        """In the words of whoever entered it, without addresses: a list is seen over the shoulder."""
        return Truncator(concealed(suppression.evidence)).chars(50)

    @admin.display
    def state(self, suppression: Suppression) -> str:
        if suppression.released_at:
            return "Released"
        expired = suppression.expires_at and suppression.expires_at <= timezone.now()
        return "Expired" if expired else "Blocking"

    @admin.display
    def since(self, suppression: Suppression) -> Any:
        return timezone.localdate(suppression.created_at)

    def named(self, term: str) -> Q:
        """By its own address, which may be no contact's, or by the contact's foreign id or number."""
        text = searching.clean(term)
        by_value = Suppression.objects.filter(match_key__in=searching.keys(text)).values("pk")
        _, *contacts = searching.exactly(text)
        by_contact = (Suppression.objects.filter(contact__in=one.order_by()).values("pk") for one in contacts)
        return Q(pk__in=by_value.union(*by_contact))

    def get_fieldsets(self, request: HttpRequest, obj: Suppression | None = None) -> Any:
        """With the way out of an opt-out, which is no button."""
        theirs = obj is not None and obj.by_recipient and obj.released_at is None
        fields = {"fields": self.get_fields(request, obj)}
        return [(None, {**fields, "description": ASKED_FOR} if theirs else fields)]

    def get_fields(self, request: HttpRequest, obj: Suppression | None = None) -> Any:
        return super().get_fields(request, obj) if obj else self.asked

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What blocks is not edited into something milder: it is released, and a new one is added."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        """Only the same words of the same colleague are not kept twice; `response_add` tells."""
        context: dict[str, Any] = {
            "contact": obj.contact, "value": obj.value, "channel": obj.channel, "evidence": obj.evidence,
            "by": request.user, "now": obj.created_at,
        }  # fmt: skip
        if form.cleaned_data["who"] == PERSON:
            saved = record_request(**context, expires_at=obj.expires_at)
        else:
            reason, origin = Suppression.Reason.STAFF, Suppression.Origin.STAFF
            saved = suppress(**context, expires_at=obj.expires_at, reason=reason, origin=origin)
        obj.stood = saved.created_at != obj.created_at  # type: ignore[attr-defined]
        obj.pk = saved.pk
        obj.refresh_from_db()

    def response_add(
        self, request: HttpRequest, obj: Suppression, post_url_continue: str | None = None
    ) -> HttpResponse:
        if not obj.stood or "_popup" in request.POST:  # type: ignore[attr-defined]
            return super().response_add(request, obj, post_url_continue)
        context = f"“{obj}” is in force already, in your own words, so there is no second one."
        self.message_user(request, context, messages.WARNING)
        return self.response_post_save_add(request, obj)

    @admin.action(description="Release selected suppressions", permissions=["change"])
    def release_selected(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        note, now = request.POST.get("note", "").strip()[:LONGEST_NOTE], timezone.now()
        if not note:
            self.message_user(request, "Nothing was released: say why beside the action.", messages.ERROR)
            return
        released = refused = 0
        for suppression in queryset.filter(released_at=None):
            try:
                release(suppression, by=request.user, note=note, now=now)  # type: ignore[arg-type]
                released += 1
            except CannotRelease:
                refused += 1
        if released:
            self.message_user(request, f"{released} released.", messages.SUCCESS)
        if refused:
            why = f"{refused} kept: asked for by the person, so only new consent from them can lift it."
            self.message_user(request, why, messages.WARNING)

    @admin.action(description="Let selected suppressions never end", permissions=["change"])
    def extend_selected(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        extended = keep_for_good(queryset, timezone.now())
        self.message_user(request, f"{extended} will not end by themselves any more.", messages.SUCCESS)
