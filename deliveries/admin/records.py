"""What happened: messages, receipts, decisions, what people did, and batches."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from campaigns.admin import NewestCampaignsFilter, RawRecord
from contacts.admin import Masking, ReadOnly
from deliveries import models
from deliveries.admin.pills import pill
from deliveries.models import Account, Message, PendingReceipt, Receipt, RetentionRun, SavedView, StatusEvent
from deliveries.outcomes.keyset import read_id
from deliveries.receiving import dead_letters
from deliveries.running import again
from deliveries.wording import SKIPS, decided_by


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
    list_filter = (NewestCampaignsFilter,)
    search_fields = ("uuid",)
    search_help_text = "Our reference, the provider's message id, or the number of a message or contact."
    readonly_fields = ("events",)
    masking = {"events": "masked_events", "provider_message_id": ""}

    def get_fields(self, request: HttpRequest, obj: Message | None = None) -> list[Any]:
        """What was reported about it comes first: it is what people open a message for."""
        computed = ("events", "masked_events")
        columns = [field for field in super().get_fields(request, obj) if field not in computed]
        return [*self._for(request, ["events"]), *columns]

    @admin.display(description="status")
    def outcome(self, message: Message) -> SafeString | str:
        label = message.get_status_display()
        return pill(message.disposition, label) if message.disposition else label

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

    def change_view(self, request: HttpRequest, object_id: str, *given: Any, **more: Any) -> HttpResponse:
        """One that retention has dropped is named as such."""
        number = read_id(object_id)
        if number and self.has_view_permission(request) and not Receipt.objects.filter(pk=number).exists():
            since = RetentionRun.dropped(RetentionRun.Kind.RECEIPTS, [number]).get(number)
            if since:
                day = date_format(timezone.localtime(since), "j M Y")
                words = f"Receipt {number} is no longer kept: it was dropped on {day}."
                self.message_user(request, words, messages.WARNING)
                return redirect("admin:deliveries_receipt_changelist")
        return super().change_view(request, object_id, *given, **more)

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
        count = dead_letters.try_again(keys, cast(User, request.user), timezone.now())
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
    list_display = ("id", "at", "contact_id", "message_id", "channel", "kind", "machine", "machine_why")
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


@admin.register(SavedView)
class SavedViewAdmin(ReadOnly, admin.ModelAdmin):
    """They are made and changed on the page of saved views, by whose they are. What is private stays so here, too."""

    list_display = ("name", "owner", "shared", "campaign", "queue", "created_at")
    list_select_related = ("owner", "campaign")
    list_filter = ("shared",)
    search_fields = ("name", "owner__username")
    fields = ("name", "owner", "shared", "campaign", "queue", "narrowed_by", "created_at")
    readonly_fields = ("narrowed_by",)

    @admin.display(description="filters")
    def narrowed_by(self, view: SavedView) -> str:
        """Without what is searched for, which may be somebody's number."""
        given = {**view.filters, **({"s": "…"} if "s" in view.filters else {})}
        return ", ".join(f"{name}: {value}" for name, value in given.items()) or "none"

    def get_queryset(self, request: HttpRequest) -> QuerySet[SavedView]:
        rows = SavedView.objects.select_related("owner", "campaign").order_by("-pk")
        return rows if cast(User, request.user).is_superuser else rows.seen_by(cast(User, request.user).pk)
