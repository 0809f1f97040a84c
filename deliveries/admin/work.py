"""The work that waits, and who is at it."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from campaigns.admin import CampaignFilter, RawRecord
from deliveries import models
from deliveries.admin.pills import pill


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
        return pill(entry.disposition, entry.get_status_display())


@admin.register(models.Heartbeat)
class HeartbeatAdmin(RawRecord):
    list_display = ("name", "at", "detail")
    ordering = ("name",)
