"""Campaigns and senders in the admin. Launching, pausing and cancelling are done on the product's pages.

Playbooks stand in `deliveries/admin/`, as a change of one changes what becomes of messages.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db import models
from django.db.models import Q, QuerySet
from django.forms import (
    BaseModelFormSet,
    CheckboxSelectMultiple,
    IntegerField,
    ModelForm,
    SlugField,
)
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts.models import User
from campaigns import registering
from campaigns.drafting import SECTIONS, count_edit
from campaigns.models import Brand, Campaign, Content, Playbook, Price, Recipient, Sender
from campaigns.models.campaigns import CANARY_PERCENT, MOST_CANARY_PERCENT
from campaigns.rate_words import keeps_to
from campaigns.sender_form import SenderForm
from contacts.admin import FewForms, Large, ReadOnly
from contacts.channels import Channel
from contacts.gate import Reason
from contacts.slugs import free_slug


def _is_number(text: str) -> bool:
    """Whether `text` spells a number that may be some row's. Python reads none of more than 4,300 digits."""
    return text.isdecimal() and len(text) <= 18


class RawRecord(ReadOnly, Large):
    """A large table that only the program writes, found by exact keys."""

    ordering: ClassVar[tuple[str, ...]] = ("-pk",)

    def named(self, term: str) -> Q:
        """The rows whose one search field, a number, is what was searched for."""
        number = int(term) if _is_number(term) else -1  # no row has it
        return Q(**{self.search_fields[0]: number})


class NewestCampaignsFilter(admin.SimpleListFilter):
    """The newest campaigns; the column it filters by leads an index of every table that uses this."""

    title = "campaign"
    parameter_name = "campaign"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = Campaign.objects.order_by("-id").values_list("pk", "name")[:30]
        return [(str(pk), name) for pk, name in newest]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value() or ""
        return queryset.filter(campaign_id=int(value)) if _is_number(value) else queryset


@admin.register(Brand)
class BrandAdmin(admin.ModelAdmin):
    list_display = ("name", "domains", "is_default")
    search_fields = ("name",)
    readonly_fields = ("is_default",)


@admin.register(Price)
class PriceAdmin(admin.ModelAdmin):
    list_display = ("channel", "country", "sender_kind", "amount", "currency", "is_example", "changed_at")
    list_filter = ("channel", "is_example")
    search_fields = ("=country",)
    readonly_fields = ("is_example", "changed_at")

    def save_model(self, request: HttpRequest, obj: Price, form: ModelForm, change: bool) -> None:
        """What somebody saved is no example any more."""
        obj.is_example, obj.changed_at = False, timezone.now()
        super().save_model(request, obj, form, change)


@admin.register(Sender)
class SenderAdmin(admin.ModelAdmin):
    form = SenderForm
    list_display = ("name", "brand", "channel", "value", "state", "keeps_to")
    list_filter = ("channel", "state")
    list_select_related = ("brand",)
    search_fields = ("name", "=value")
    readonly_fields = ("created_at", "keeps_to")
    fieldsets = (
        (None, {"fields": ("name", "brand", "channel", "value", "state", "state_reason", "created_at")}),
        ("How fast", {"fields": ("keeps_to", "registered_as", "per_second", "per_day", "warm_up_from")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sender]:
        return super().get_queryset(request).prefetch_related("accounts")

    def save_model(self, request: HttpRequest, obj: Sender, form: ModelForm, change: bool) -> None:
        """Its state is set with a reason, and follows its registrations where there is none; both stay on record."""
        now, by = timezone.now(), request.user
        assert isinstance(by, User)
        state, reason = obj.state, obj.state_reason
        obj.state, obj.state_reason = form.initial.get("state", Sender.State.NOT_REGISTERED), ""
        if change:
            obj.state_reason = form.initial["state_reason"]
        super().save_model(request, obj, form, change)
        if not change:
            registering.begin(obj, by, now)
        if state != obj.state or reason != obj.state_reason:
            by_hand = "Set in the admin." if "state" in form.changed_data or not change else ""
            registering.set_state(obj, state, reason or by_hand, by, now)

    @admin.display(description="keeps to")
    def keeps_to(self, sender: Sender) -> str:
        return keeps_to(sender, timezone.now()) if sender.pk else ""


class ContentInline(FewForms, admin.StackedInline):
    model = Content
    max_num = len(Channel)
    readonly_fields = ("version",)
    exclude = ("key_more", "key_stop", "on_machine")  # of calls alone: the composer asks for them
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        """What messages left with is part of the record."""
        return not _launched(obj) and super().has_delete_permission(request, obj)

    def get_extra(self, request: HttpRequest, obj: Campaign | None = None, **kwargs: Any) -> int:
        """A new campaign starts with a form for what it says; later ones are asked for."""
        return 0 if obj else 1


class CampaignForm(ModelForm):
    canary_percent = IntegerField(
        label="First slice",
        min_value=0,
        max_value=MOST_CANARY_PERCENT,
        required=False,
        initial=CANARY_PERCENT,
        help_text=f"Percent of a large audience that goes first. Empty: {CANARY_PERCENT}; 0: everybody at once.",
    )
    slug = SlugField(
        label="Link name",
        max_length=140,
        required=False,
        help_text="Part of the address of its report and of the names of exported files. Empty: made from the name.",
    )

    def clean_canary_percent(self) -> int:
        given = self.cleaned_data["canary_percent"]
        return CANARY_PERCENT if given is None else given

    def clean_slug(self) -> str:
        others = Campaign.objects.exclude(pk=self.instance.pk)
        return self.cleaned_data["slug"] or free_slug(self.cleaned_data.get("name", ""), others, "campaign")


@admin.register(Campaign)
class CampaignAdmin(admin.ModelAdmin):
    form = CampaignForm
    list_display = ("name", "state", "channel", "goal", "launched_at")
    list_filter = ("state", "channel", "goal")
    search_fields = ("name", "=slug")
    ordering = ("-id",)
    prepopulated_fields = {"slug": ("name",)}
    formfield_overrides = {models.ManyToManyField: {"widget": CheckboxSelectMultiple}}
    list_select_related = ("playbook",)
    inlines = (ContentInline,)
    fieldsets = (
        (None, {"fields": ("name", "slug", "goal", "purpose", "priority", "lists")}),
        (
            "How it is sent",
            {
                "fields": (
                    "channel",
                    "playbook",
                    "window_start",
                    "window_end",
                    "track_links",
                    "canary_percent",
                    "breaker",
                )
            },
        ),
        (
            "When",
            {
                "fields": (
                    "starts_at",
                    "local_date",
                    "local_time",
                    "relevant_until",
                    "per_minute",
                    "spread_hours",
                )
            },
        ),
        (
            "Record",
            {"fields": ("state", "created_by", "created_at", "launched_by", "launched_at", "completed_at")},
        ),
    )
    record = ("state", "created_by", "created_at", "launched_by", "launched_at", "completed_at", "breaker")
    # What its recipients and messages were made from: changing it afterwards would make the report untrue.
    settled_by_launch = ("slug", "goal", "purpose", "lists", "channel", "canary_percent")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Of the playbooks, those that any campaign may follow, and its own."""
        if db_field.name == "playbook":
            match = request.resolver_match
            mine = match.kwargs.get("object_id") if match else None
            own = Q(own_of=int(mine)) if mine and _is_number(mine) else Q()
            kwargs["queryset"] = Playbook.objects.filter(Q(own_of=None) | own)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {
            "playbook": Playbook.objects.order_by("pk").first(),
            **super().get_changeform_initial_data(request),
        }

    def response_add(
        self, request: HttpRequest, obj: Campaign, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to the draft's own page, where it is checked and launched."""
        if {"_continue", "_addanother", "_popup"} & set(request.POST):
            return super().response_add(request, obj, post_url_continue)
        return redirect(obj)

    def response_change(self, request: HttpRequest, obj: Campaign) -> HttpResponse:
        """Back to its own page, which led here."""
        if {"_continue", "_addanother", "_saveasnew", "_popup"} & set(request.POST):
            return super().response_change(request, obj)
        super().response_change(request, obj)  # says that it was saved
        return redirect(obj)

    def get_fieldsets(self, request: HttpRequest, obj: Campaign | None = None) -> Any:
        """A campaign that is just being written has no record yet."""
        return self.fieldsets if obj else self.fieldsets[:-1]

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> tuple[str, ...]:
        return self.record + (self.settled_by_launch if _launched(obj) else ())

    def get_prepopulated_fields(self, request: HttpRequest, obj: Campaign | None = None) -> dict[str, Any]:
        return {} if _launched(obj) else dict(self.prepopulated_fields)

    def has_delete_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        """Drafts only, one at a time: everything else has recipients, and they are the record."""
        return obj is not None and not _launched(obj) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Campaign, form: ModelForm, change: bool) -> None:
        if not change:
            obj.created_by_id = request.user.pk
        super().save_model(request, obj, form, change)
        if obj.state == Campaign.State.DRAFT:  # whoever has it open in the composer must not overwrite this
            count_edit(obj, list(SECTIONS), cast(User, request.user), timezone.now())

    def save_formset(
        self, request: HttpRequest, form: ModelForm, formset: BaseModelFormSet, change: bool
    ) -> None:
        for content_form in formset.forms:
            content_form.instance.changed_by = request.user
        super().save_formset(request, form, formset, change)


def _launched(campaign: Campaign | None) -> bool:
    return campaign is not None and campaign.launched_at is not None


@admin.register(Recipient)
class RecipientAdmin(RawRecord):
    list_display = ("id", "campaign", "contact", "state", "skipped", "next_step", "next_step_at")
    list_select_related = ("campaign", "contact")
    list_filter = (NewestCampaignsFilter,)
    search_fields = ("contact_id",)
    search_help_text = "The number of a contact."
    ordering = ("-campaign_id", "-contact_id")  # as the index has them: a campaign may have a million

    @admin.display(description="skipped for")
    def skipped(self, recipient: Recipient) -> str:
        reason = recipient.skip_reason
        return str(Reason(reason).label) if reason in Reason.values else reason.capitalize()
