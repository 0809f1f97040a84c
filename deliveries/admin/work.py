"""The work that waits, and who is at it."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from campaigns.admin import NewestCampaignsFilter, RawRecord
from deliveries import models
from deliveries.admin.pills import pill
from deliveries.statuses import Disposition


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
    list_filter = (NewestCampaignsFilter, "queue")
    ordering = ("queue", "-at", "-message_id")  # as the indexes have them, whatever is filtered by

    @admin.display(description="status")
    def outcome(self, entry: models.QueueEntry) -> SafeString:
        return pill(entry.disposition, entry.get_status_display())


@admin.register(models.Heartbeat)
class HeartbeatAdmin(RawRecord):
    """Every process that works, and what it did last."""

    list_display = ("roles", "host", "pid", "state", "step", "at", "done", "started_at")
    list_display_links = ("host", "pid")
    ordering = ("roles", "host", "pid")

    @admin.display(description="state")
    def state(self, row: models.Heartbeat) -> SafeString:
        now = timezone.now()
        if row.is_silent(now):
            return pill(Disposition.BOUNCED_HARD, f"Silent for {timesince(row.at, now, depth=1)}")
        return (
            pill(Disposition.DELIVERED, "At work")
            if row.step
            else pill(Disposition.PENDING, "Waits for a task")
        )


@admin.register(models.RetentionRun)
class RetentionRunAdmin(RawRecord):
    list_display = ("id", "kind", "below", "older_than", "at", "rows")
