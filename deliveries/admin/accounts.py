"""Provider accounts and their credentials: what is entered here, and where receipts come in."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import CharField, ManyToManyField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from campaigns.models import Pace
from contacts.channels import Channel
from deliveries.credentials import CredentialsUnreadable
from deliveries.models import Account
from deliveries.providers import PROVIDERS
from deliveries.providers.base import NOT_SECRET, Unsigned
from deliveries.providers.kit.signatures import URL_SECRET
from deliveries.wake import wake


def _provider_choices() -> list[tuple[str, str]]:
    return [(slug, provider.name) for slug, provider in PROVIDERS.items()]


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
        fields = (
            "name", "provider", "channels", "senders", "rank", "per_second", "at_a_time", "active", "paused_until",
        )  # fmt: skip

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
    list_display = ("name", "provider_name", "channel_names", "rank", "active", "paused_until", "waits_until")
    list_filter = ("active",)
    search_fields = ("name",)
    formfield_overrides = {ManyToManyField: {"widget": forms.CheckboxSelectMultiple}}
    readonly_fields = ("receipt_addresses", "created_at")
    actions = ("resume_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        """Credentials are opened by the form alone, which has an answer when the key no longer fits."""
        key = Concat(
            Value("account:"), Cast(OuterRef("pk"), CharField()), Value(":")
        )  # as `account_key` makes it
        waits = Pace.objects.filter(pk=key, next_at__gt=timezone.now())
        found = super().get_queryset(request).defer("credentials")
        return found.annotate(waits_until=Subquery(waits.values("next_at")))

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
        then = "its messages leave now" if account.active else "nothing leaves by it while it is not active"
        self.message_user(request, f"{account} is resumed: {then}.", messages.SUCCESS)
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

    @admin.display(description="asked to wait until")
    def waits_until(self, account: Account) -> datetime | None:
        """By its provider, which had a limit reached; empty where nothing is waited for."""
        return getattr(account, "waits_until", None)  # see `get_queryset`

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
