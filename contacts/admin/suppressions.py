"""Suppressions in the admin: added in a colleague's own name, released with a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, ActionForm
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator

from contacts.admin.lists import CONTACTS_NAMES, Large, Masking
from contacts.blocking import closes
from contacts.consenting import PERSON, WHO_ASKED, record_request
from contacts.emails import NotAnEmail, parse_email
from contacts.grounds import occasion
from contacts.models import Suppression
from contacts.phones import NotAPhone, concealed, parse_phone
from contacts.suppressing import (
    LONGEST_NOTE,
    BlocksNothing,
    CannotRelease,
    keep_for_good,
    refuse_idle,
    release,
    suppress,
)
from contacts.suppression_lists import STATES, find_holders, in_state, named, state_of

ASKED_FOR = "Asked for by the person, so staff cannot release it. It is lifted when they opt in again."


class ReleaseActionForm(ActionForm):
    """What an action on suppressions needs beside the rows."""

    note = forms.CharField(label="Why:", required=False, max_length=LONGEST_NOTE)


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return STATES

    def queryset(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> QuerySet[Suppression]:
        return queryset.filter(in_state(self.value() or "", timezone.now()))


class SuppressionForm(forms.ModelForm):
    """A number written in any other way than ours would block nobody."""

    who = forms.ChoiceField(
        choices=WHO_ASKED,
        widget=forms.RadioSelect,
        error_messages={"required": "Say who wants it: only one of the two can be released."},
        help_text=(
            "What the person asked for cannot be released: it holds until they opt in again, which is recorded "
            "under Consent. What we decided ourselves can be released."
        ),
    )

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
        "whose",
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
    action_form = ReleaseActionForm
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

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """With whose the addresses of this page of the list are: a STOP names no contact."""
        found = super().get_changelist_instance(request)
        found.result_list = list(found.result_list)
        find_holders(found.result_list)
        return found

    @admin.display(description="contact")
    def whose(self, suppression: Suppression) -> str:
        if not suppression.holder:  # type: ignore[attr-defined]
            return ""
        contact, others = suppression.holder  # type: ignore[attr-defined]
        more = f" and {others:,} more" if others else ""
        return format_html(
            '<a href="{}">{}</a>{}', reverse("contacts:trail", args=[contact.pk]), contact, more
        )

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
        return state_of(suppression, timezone.now()).label

    @admin.display
    def since(self, suppression: Suppression) -> Any:
        return timezone.localdate(suppression.created_at)

    def named(self, term: str) -> Q:
        return named(term)

    def get_fieldsets(self, request: HttpRequest, obj: Suppression | None = None) -> Any:
        """With the way out of an opt-out, which is no button."""
        fields = {"fields": self.get_fields(request, obj)}
        if obj is None or not obj.by_recipient or obj.released_at:
            return [(None, fields)]
        return [
            (None, {**fields, "description": format_html("{} {}", ASKED_FOR, self._consent(request, obj))})
        ]

    def _consent(self, request: HttpRequest, obj: Suppression) -> str:
        """The way to record that they opted in again; '' for who may not, and where nobody is known to have it."""
        find_holders([obj])
        if not obj.holder or not request.user.has_perm("contacts.add_consent"):  # type: ignore[attr-defined]
            return ""
        url = reverse("admin:contacts_consent_add")
        contact, _ = obj.holder  # type: ignore[attr-defined]
        return format_html(
            '<a href="{}?contact={}&amp;opted_in=1">Record their new consent</a>', url, contact.pk
        )

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
    def release_selected(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> HttpResponse | None:
        note, now = request.POST.get("note", "").strip()[:LONGEST_NOTE], timezone.now()
        if not note:
            return self._ask_why(request, queryset)
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
        return None

    def _ask_why(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> HttpResponse:
        """A page for the reason alone: what was ticked is not lost."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Nothing was released yet: say why",
            "opts": self.opts,
            "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "across": request.POST.get("select_across", "0"),
            "count": queryset.count(),
            "longest": LONGEST_NOTE,
        }
        return TemplateResponse(request, "admin/contacts/suppression/release.html", context)

    @admin.action(description="Let selected suppressions never end", permissions=["change"])
    def extend_selected(self, request: HttpRequest, queryset: QuerySet[Suppression]) -> None:
        extended = keep_for_good(queryset, timezone.now())
        self.message_user(request, f"{extended} will not end by themselves any more.", messages.SUCCESS)
