"""The record of deliveries in the admin, to look at. What can be done about it is done on the product's pages.

Lists stay fast at millions of rows: searches go to an index, nothing is counted past a cap or sorted anew.
"""

from __future__ import annotations

import json
from contextlib import suppress
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import ManyToManyField, Q, QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from campaigns.admin import CampaignFilter, RawRecord
from contacts.admin import Masking
from contacts.channels import Channel
from deliveries import models
from deliveries.credentials import CredentialsUnreadable
from deliveries.models import Account, Message, PendingReceipt, Receipt, StatusEvent
from deliveries.outcomes.keyset import read_id
from deliveries.providers import PROVIDERS
from deliveries.providers.base import NOT_SECRET, Unsigned
from deliveries.providers.kit.signatures import URL_SECRET
from deliveries.running import again
from deliveries.wake import wake
from deliveries.wording import SKIPS, decided_by


def _provider_choices() -> list[tuple[str, str]]:
    return [(slug, provider.name) for slug, provider in PROVIDERS.items()]


def _pill(disposition: str, label: str) -> SafeString:
    return render_to_string("admin/deliveries/pill.html", {"disposition": disposition, "label": label})


# ---- Accounts --------------------------------------------------------------------------------------------


def wanted(slug: str) -> dict[str, str]:
    """Name and label of everything that can be set for a provider: what it needs to send, then what it may use."""
    provider = PROVIDERS.get(slug)
    return {**provider.credential_fields, **provider.optional_fields} if provider else {}


class AccountForm(forms.ModelForm):
    """Secrets go in and never come out: an empty field keeps what is stored. Plain settings are shown."""

    provider = forms.ChoiceField(choices=_provider_choices)
    channels = forms.MultipleChoiceField(choices=Channel, widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = Account
        fields = ("name", "provider", "channels", "senders", "rank", "active", "paused_until")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored = self._stored()
        for name, label in self._wanted().items():
            self.fields[f"credential_{name}"] = self._field(name, label)

    def _field(self, name: str, label: str) -> forms.CharField:
        stored = self.stored.get(name, "")
        if name in NOT_SECRET:
            return forms.CharField(label=label, required=False, initial=stored)
        return forms.CharField(
            label=label,
            required=False,
            widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
            help_text="Stored. Leave empty to keep it." if stored else self._unset(name),
        )

    def _unset(self, name: str) -> str:
        provider = PROVIDERS.get(self.instance.provider)
        if provider and name in provider.credential_fields:
            return "Not set yet. Nothing is sent here before it is."
        return "Not set. It may stay so."

    def clean_credential_allowed_addresses(self) -> str:
        """Networks that cannot be read would let nobody in."""
        given = str(self.cleaned_data["credential_allowed_addresses"])
        for one in given.replace(",", " ").split():
            try:
                ip_network(one, strict=False)
            except ValueError as problem:
                raise forms.ValidationError(
                    f"{one} is no address or network, such as 192.0.2.0/24."
                ) from problem
        return given

    def _stored(self) -> dict[str, str]:
        """Empty also when they were encrypted with another key: this form is where they are entered anew."""
        try:
            return self.instance.credentials or {}
        except CredentialsUnreadable:
            return {}

    def _wanted(self) -> dict[str, str]:
        return wanted(self.instance.provider)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        provider = PROVIDERS.get(cleaned.get("provider", ""))
        impossible = set(cleaned.get("channels", ())) - set(provider.channels) if provider else set()
        if provider and impossible:
            names = ", ".join(Channel(channel).label for channel in sorted(impossible))
            self.add_error("channels", f"{provider.name} does not offer {names}.")
        return cleaned

    def save(self, commit: bool = True) -> Account:
        words = {name: self.cleaned_data.get(f"credential_{name}") for name in self._wanted()}
        given = {
            name: word
            for name, word in words.items()
            if word or (name in NOT_SECRET and self.stored.get(name))
        }
        if given:
            self.instance.credentials = self.stored | given
        return super().save(commit)


@admin.register(Account)
class AccountAdmin(admin.ModelAdmin):
    form = AccountForm
    list_display = ("name", "provider_name", "channel_names", "rank", "active", "paused_until")
    list_filter = ("active",)
    search_fields = ("name",)
    formfield_overrides = {ManyToManyField: {"widget": forms.CheckboxSelectMultiple}}
    readonly_fields = ("receipt_addresses", "created_at")
    actions = ("resume_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Credentials are opened by the form alone, which has an answer when the key no longer fits."""
        return super().get_queryset(request).defer("credentials")

    def response_add(self, request: HttpRequest, obj: Account, post_url_continue: str | None = None) -> Any:
        """On to its own page, where the credentials are entered."""
        self.message_user(request, f"{obj} is saved. Enter its credentials now.", messages.SUCCESS)
        return redirect("admin:deliveries_account_change", obj.pk)

    def response_change(self, request: HttpRequest, obj: Account) -> Any:
        if "_resume" not in request.POST:
            return super().response_change(request, obj)
        self._resume(request, obj)
        return redirect("admin:deliveries_account_change", obj.pk)

    @admin.action(description="Resume selected accounts", permissions=["change"])
    def resume_selected(self, request: HttpRequest, queryset: QuerySet[Account]) -> None:
        for account in queryset:
            if account.is_paused:
                self._resume(request, account)
            else:
                self.message_user(request, f"{account} is not paused.", messages.WARNING)

    def _resume(self, request: HttpRequest, account: Account) -> None:
        account.resume()
        self.log_change(request, account, "Resumed.")
        self.message_user(request, f"{account} is resumed: its messages leave now.", messages.SUCCESS)
        transaction.on_commit(wake)

    def get_fieldsets(self, request: HttpRequest, obj: Account | None = None) -> list[Any]:
        fieldsets: list[Any] = [(None, {"fields": list(AccountForm.Meta.fields)})]
        if obj is None:
            fieldsets[0][1]["description"] = (
                "Credentials and receipt addresses follow once the account is saved."
            )
            return fieldsets
        names = [f"credential_{name}" for name in wanted(obj.provider)]
        if names and self.has_change_permission(request, obj):
            fieldsets.append(("Credentials", {"fields": names}))
        return [*fieldsets, ("Receipts", {"fields": list(self.readonly_fields)})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The credential fields differ from account to account, so the form adds them itself."""
        return super().get_form(request, obj, change, **kwargs | {"fields": list(AccountForm.Meta.fields)})

    @admin.display(description="provider", ordering="provider")
    def provider_name(self, account: Account) -> str:
        provider = PROVIDERS.get(account.provider)
        return provider.name if provider else account.provider

    @admin.display(description="channels")
    def channel_names(self, account: Account) -> str:
        return ", ".join(
            str(Channel(channel).label) for channel in account.channels if channel in Channel.values
        )

    @admin.display(description="Addresses to give the provider")
    def receipt_addresses(self, account: Account) -> SafeString:
        adapter = PROVIDERS.get(account.provider)
        if adapter is None:
            return format_html("No adapter for {}.", account.provider)
        # The secret itself is never shown again: whoever set it knows it.
        secret = f"?{URL_SECRET}=YOUR-SECRET" if issubclass(type(adapter), Unsigned) else ""
        addresses = [
            f"{settings.PUBLIC_URL}/hooks/{account.token}/{kind}{secret}" for kind in sorted(adapter.kinds)
        ]
        shown = format_html_join("", "<code class=address>{}</code><br>", ((one,) for one in addresses))
        hint = "Set a secret of your own above, and write it in place of YOUR-SECRET." if secret else ""
        return format_html("{}{}", shown, hint)


# ---- The record ------------------------------------------------------------------------------------------


@admin.register(Message)
class MessageAdmin(Masking, RawRecord):
    list_display = (
        "id",
        "channel",
        "outcome",
        "reason_code",
        "contact_id",
        "campaign",
        "account",
        "created_at",
    )
    list_select_related = ("campaign", "account")
    list_filter = (CampaignFilter,)
    search_fields = ("uuid",)
    search_help_text = "Our reference, the provider's message id, or the number of a message or contact."
    readonly_fields = ("events",)
    masking = {"events": "masked_events", "provider_message_id": ""}

    def get_fields(self, request: HttpRequest, obj: Message | None = None) -> list[Any]:
        """What was said about it comes first: it is what people open a message for."""
        computed = ("events", "masked_events")
        columns = [field for field in super().get_fields(request, obj) if field not in computed]
        return [*self._for(request, ["events"]), *columns]

    @admin.display(description="status")
    def outcome(self, message: Message) -> SafeString | str:
        label = message.get_status_display()
        return _pill(message.disposition, label) if message.disposition else label

    @admin.display(description="Reports about it")
    def events(self, message: Message) -> str:
        """Its status events, the one it shows first. Their key has two columns: they can have no pages of their own."""
        return _events(message, whole=True)

    @admin.display(description="Reports about it")
    def masked_events(self, message: Message) -> str:
        """The same without the provider's sentences, which may name the address."""
        return _events(message, whole=False)

    def named(self, term: str) -> Q:
        """Every reading of `term` that an index answers; provider ids are indexed behind their account."""
        accounts = list(Account.objects.values_list("pk", flat=True))
        wanted = Q(account__in=accounts, provider_message_id=term) & ~Q(provider_message_id="")
        number = read_id(term)
        if number is not None:
            wanted |= Q(pk=number) | Q(contact=number)
        with suppress(ValueError):  # not one of our references
            wanted |= Q(uuid=UUID(term))
        return wanted


def _events(message: Message, *, whole: bool) -> str:
    events = StatusEvent.objects.filter(message_id=message.pk).order_by("-precedence")
    return render_to_string("admin/deliveries/events.html", {"events": events, "whole": whole})


@admin.register(Receipt)
class ReceiptAdmin(Masking, RawRecord):
    list_display = ("id", "kind", "account_id", "received_at", "method")
    search_fields = ("id",)
    search_help_text = "The number of a receipt."
    fields = ("account_id", "kind", "received_at", "method", "query", "header_lines", "text", "reports")
    readonly_fields = ("header_lines", "text", "reports")
    masking = {"query": "", "header_lines": "", "text": ""}

    @admin.display(description="headers")
    def header_lines(self, receipt: Receipt) -> SafeString:
        return format_html('<pre class="raw">{}</pre>', json.dumps(receipt.headers, indent=1, sort_keys=True))

    @admin.display(description="body, word for word")
    def text(self, receipt: Receipt) -> SafeString:
        return format_html(
            '<pre class="raw">{}</pre>', bytes(receipt.body).decode("utf-8", "backslashreplace")
        )

    @admin.display(description="work")
    def reports(self, receipt: Receipt) -> str:
        pending = PendingReceipt.objects.filter(pk=receipt.pk).first()
        return f"{pending.get_state_display()}. {pending.reason}" if pending else "Recorded."


@admin.register(PendingReceipt)
class PendingReceiptAdmin(RawRecord):
    list_display = ("receipt_id", "state", "attempts", "not_before", "reason")
    list_filter = ("state",)
    search_fields = ("receipt_id",)
    search_help_text = "The number of a receipt."
    actions = ("try_again",)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("deliveries.change_pendingreceipt")

    @admin.action(description="Try dead letters again", permissions=["replay"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[PendingReceipt]) -> None:
        """Back to the front, as if they had just come in. What is not dead is on its way already."""
        keys = list(queryset.filter(state=PendingReceipt.State.DEAD).values_list("pk", flat=True))
        dead = PendingReceipt.objects.filter(pk__in=keys, state=PendingReceipt.State.DEAD)
        count = dead.update(state=PendingReceipt.State.NEW, attempts=0, not_before=None, reason="")
        level = messages.SUCCESS if count else messages.WARNING
        letters = "dead letter" if count == 1 else "dead letters"
        self.message_user(request, f"{count} {letters} will be tried again.", level)


@admin.register(models.Quarantined)
class QuarantinedAdmin(RawRecord):
    list_display = ("id", "kind", "object_id", "attempts", "not_before", "reason", "first_at", "last_at")
    list_filter = ("kind",)
    actions = ("try_again",)

    def has_again_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("deliveries.change_quarantined")

    @admin.action(description="Try again", permissions=["again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[models.Quarantined]) -> None:
        """As if nothing had failed yet: what is wrong still is set aside once more, with its reason."""
        count = again.try_again(list(queryset), timezone.now())
        self.message_user(request, f"{count} will be tried again.", messages.SUCCESS)


@admin.register(models.Decision)
class DecisionAdmin(RawRecord):
    list_display = ("id", "at", "contact_id", "message_id", "decided_by", "step", "reason")
    search_fields = ("contact_id",)
    search_help_text = "The number of a contact."

    @admin.display
    def decided_by(self, decision: models.Decision) -> str:
        return decided_by(decision.by, decision.rule, decision.rule_version)


@admin.register(models.Engagement)
class EngagementAdmin(RawRecord):
    list_display = ("id", "at", "contact_id", "message_id", "channel", "kind")
    search_fields = ("contact_id",)
    search_help_text = "The number of a contact."


@admin.register(models.Batch)
class BatchAdmin(RawRecord):
    list_display = (
        "id",
        "action",
        "state",
        "created_by",
        "created_at",
        "total",
        "acted",
        "skipped",
        "undone",
    )
    list_select_related = ("created_by",)
    list_filter = ("action", "state")


@admin.register(models.BatchItem)
class BatchItemAdmin(RawRecord):
    list_display = ("id", "batch_id", "message_id", "outcome", "why", "successor_id")
    search_fields = ("batch_id",)
    search_help_text = "The number of a batch."
    ordering = ("-batch_id", "-message_id")  # as the index has them: a batch may have a million

    @admin.display
    def why(self, item: models.BatchItem) -> str:
        return SKIPS.get(item.reason, item.reason)


# ---- The work that waits ---------------------------------------------------------------------------------


@admin.register(models.Outbox)
class OutboxAdmin(RawRecord):
    list_display = (
        "message_id",
        "campaign_id",
        "account_id",
        "urgent",
        "due_at",
        "claimed_until",
        "attempts",
        "held",
    )
    list_filter = ("urgent",)


@admin.register(models.StatusChange)
class StatusChangeAdmin(RawRecord):
    list_display = ("id", "message_id", "changed_at")


@admin.register(models.QueueEntry)
class QueueEntryAdmin(RawRecord):
    list_display = (
        "message_id",
        "queue",
        "campaign",
        "contact_id",
        "channel",
        "outcome",
        "at",
        "due_at",
        "owner",
    )
    list_select_related = ("campaign", "owner")
    list_filter = (CampaignFilter, "queue")
    ordering = ("queue", "-at", "-message_id")  # as the indexes have them, whatever is filtered by

    @admin.display(description="status")
    def outcome(self, entry: models.QueueEntry) -> SafeString:
        return _pill(entry.disposition, entry.get_status_display())


@admin.register(models.Heartbeat)
class HeartbeatAdmin(RawRecord):
    list_display = ("name", "at", "detail")
    ordering = ("name",)


# ---- What pages read instead of the messages ---------------------------------------------------------------


@admin.register(models.FailureIndex)
class FailureIndexAdmin(RawRecord):
    list_display = ("message_id", "campaign", "channel", "outcome", "reason_code", "carrier", "at")
    list_select_related = ("campaign",)
    list_filter = (CampaignFilter,)

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """A campaign's as its index has them: it may have a million."""
        return ("disposition", "-message_id") if "campaign" in request.GET else self.ordering

    @admin.display(description="status")
    def outcome(self, failure: models.FailureIndex) -> SafeString:
        return _pill(failure.disposition, failure.get_status_display())


@admin.register(models.TallyDelta)
class TallyDeltaAdmin(RawRecord):
    list_display = ("id", "n", "campaign_id", "day", "channel", "status", "disposition", "reason_code")


class TallyAdmin(RawRecord):
    """Every column of the tally's key, and its count."""

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return ("id", *self.model.KEY, "n")


admin.site.register([*models.MESSAGE_TALLIES, models.RecipientTally, models.QueueTally], TallyAdmin)
