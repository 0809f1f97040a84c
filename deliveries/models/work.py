"""Work that is waiting: small tables, one row for each thing to do, gone when it is done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.grounds import moment
from deliveries.models.messages import BARE, Message
from deliveries.statuses import Disposition, Queue, Status

# Sorts behind everything that has a time: not before somebody lets it.
NOT_NOW = datetime(9000, 1, 1, tzinfo=UTC)
# The same of what waits for its sender to be allowed to send: found by it.
WHEN_ALLOWED = datetime(8999, 1, 1, tzinfo=UTC)
LIMIT_REACHED = (
    "limit_reached"  # why a message waits: its provider takes no more for the moment, and said how long
)
CANARY = "canary"  # why a message waits: the first slice of its campaign goes before it
# Why a message waits: its campaign sends only so many a minute, and its turn comes then.
OWN_PACE = "own_pace"
# Why a message waits: it follows up on people who were not reached, and the earlier campaign goes on to try it.
EARLIER_GOES_ON = "earlier_goes_on"
# As below, of a campaign that is paused: kept, so that it is not lost when the campaign goes on.
PAUSED_DAILY_LIMIT = "paused_daily_limit"
DAILY_LIMIT = "daily_limit"  # why a message waits: its sender has sent as much today as it may


class Outbox(models.Model):
    """A message that waits to be handed over. The row goes when the provider has answered.

    `claimed_until` in the past on a claimed row means that the process died while handing over: the message may
    or may not have left, so it is looked up or waits for its receipt, and is never simply sent again.
    """

    message = models.OneToOneField(
        Message, models.CASCADE, primary_key=True, db_constraint=False, related_name="outbox"
    )
    campaign_id = models.BigIntegerField()
    account_id = models.BigIntegerField()
    sender_id = models.BigIntegerField()
    urgent = models.BooleanField(default=False)
    due_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted before each attempt.")
    held = models.CharField(
        max_length=24,
        blank=True,
        help_text="Why it waits: a reason of contacts/gate.py, or a word of sending/claiming.py.",
    )

    class Meta:
        verbose_name = "outbox message"
        verbose_name_plural = "outbox"
        indexes = [
            # Each account and sender has a lane of its own, so that none waits behind another's backlog.
            models.Index(
                fields=["account_id", "sender_id", "urgent", "due_at", "message"],
                name="outbox_lane",
                condition=Q(claimed_until=None),
            ),
            models.Index(
                fields=["claimed_until"], name="outbox_claimed", condition=Q(claimed_until__isnull=False)
            ),
            # To hold, let go or withdraw a campaign's, some at a time.
            models.Index(fields=["campaign_id", "message"], name="outbox_campaign"),
        ]

    def __str__(self) -> str:
        return f"message {self.message_id}, due {moment(self.due_at)}"


class StatusChange(models.Model):
    """A message whose status changed and that deciding has not looked at yet."""

    message_id = models.BigIntegerField()
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "unprocessed message"

    def __str__(self) -> str:
        return f"message {self.message_id}"


class Narrowed(models.Model):
    """What lists of outcomes are narrowed by, copied from a message into a small table beside it."""

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", **BARE)
    contact_id = models.BigIntegerField()
    channel = models.CharField(max_length=8, choices=Channel)
    status = models.CharField(max_length=12, choices=Status)
    disposition = models.CharField(max_length=20, choices=Disposition)
    reason_code = models.CharField(max_length=64, blank=True)
    carrier = models.CharField(max_length=60, blank=True)
    list_source_id = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


class FailureIndex(Narrowed):
    """A message that did not arrive, or of which a code says more than its status.

    Lists look here for what is rare among a campaign's messages: no column of a message that receipts change may be
    indexed. Kept by `deliveries.ledger.failure_index`.
    """

    message = models.OneToOneField(
        Message, models.CASCADE, primary_key=True, db_constraint=False, related_name="failure"
    )
    at = models.DateTimeField(help_text="When the message came to say so.")

    class Meta:
        verbose_name = "failure"
        indexes = [
            models.Index(fields=["campaign", "disposition", "-message"], name="failure_disposition"),
            models.Index(fields=["campaign", "reason_code", "-message"], name="failure_code"),
        ]

    def __str__(self) -> str:
        return f"message {self.message_id}: {self.disposition or self.status} {self.reason_code}"


class QueueEntry(Narrowed):
    """A message that waits for somebody or something. Gone as soon as its outcome no longer asks for it."""

    message = models.OneToOneField(
        Message, models.CASCADE, primary_key=True, db_constraint=False, related_name="queue_entry"
    )
    queue = models.CharField(max_length=8, choices=Queue)
    at = models.DateTimeField(help_text="When it was put in the queue.")
    due_at = models.DateTimeField(
        null=True, help_text="When the playbook acts automatically; empty: it waits for a person."
    )
    reason = models.CharField(max_length=300)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "queue entries"
        indexes = [
            models.Index(fields=["campaign", "queue", "-at", "-message"], name="queue_campaign"),
            models.Index(fields=["queue", "-at", "-message"], name="queue_all"),
            # Few rows are, so that "12 snoozed" costs what twelve rows cost.
            models.Index(
                fields=["queue", "snoozed_until"],
                name="queue_snoozed",
                condition=Q(snoozed_until__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.queue}: message {self.message_id}"

    def is_asleep(self, now: datetime) -> bool:
        return self.snoozed_until is not None and self.snoozed_until > now


class Heartbeat(models.Model):
    """What one process that works said about itself last; liveness is judged by it, never by "a process exists".

    Written by that process alone, gone when it ends in good order. The row of one that hangs or was killed stays as it
    is, until it is too old to tell anything (`KEPT` in running/heartbeat.py).
    """

    class Role(models.TextChoices):
        """What a process can be started for; which steps each has stands in running/drain.py."""

        RECORD = "record"
        DECIDE = "decide"
        SEND = "send"
        REST = "rest"

    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField("process id")
    roles = models.CharField(
        max_length=40, blank=True, help_text="Empty: single steps, which make no role whole."
    )
    started_at = models.DateTimeField()
    at = models.DateTimeField("last sign")
    step = models.CharField(
        max_length=20, blank=True, help_text="What it was at then. Empty: it waits for a task."
    )
    done = models.PositiveBigIntegerField(default=0, help_text="Rows of work since it started.")

    class Meta:
        verbose_name = "worker status"
        verbose_name_plural = "worker status"
        constraints = [models.UniqueConstraint(fields=["host", "pid"], name="one_heartbeat_for_a_process")]

    def __str__(self) -> str:
        return f"{self.roles or self.step} on {self.host} (process {self.pid}), {moment(self.at)}"

    @property
    def role_names(self) -> list[str]:
        return self.roles.split(", ") if self.roles else []

    def is_silent(self, now: datetime) -> bool:
        """It was at work, and has given no sign for too long: it hangs, or was killed."""
        return bool(self.step) and self.at < now - timedelta(seconds=settings.READY_HEARTBEAT_SECONDS)


class Bookmark(models.Model):
    """How far a step has come that goes over a large table in slices, or is due once a day."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField(help_text="When it last came to the end.")
    detail = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.name} {moment(self.at)}"


class Quarantined(models.Model):
    """A piece of work that was begun and has not come to its end: how often, when it is tried next, or that it is not.

    Written before each attempt, so that one which ends its process is counted too, and gone with success.
    """

    class Kind(models.TextChoices):
        PREPARE = "prepare", "Preparing a campaign's audience"
        WITHDRAW = "withdraw", "Withdrawing a canceled campaign"
        HOLD = "hold", "Pausing or resuming a campaign"
        LEAVE_OUT = "leave_out", "Leaving a part of a campaign out"
        DECIDE = "decide", "Deciding about a recipient"
        HAND_OVER = "hand_over", "Handing over a message"
        BATCH = "batch", "Carrying out a bulk action"
        REPLAY = "replay", "Reading stored receipts anew"
        REPLAY_MESSAGE = "replay_one", "Reading one message's receipts anew"

    kind = models.CharField(max_length=10, choices=Kind)
    object_id = models.BigIntegerField(
        help_text="The campaign, recipient, message, bulk action or mapping version."
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted before each attempt.")
    not_before = models.DateTimeField(
        null=True, blank=True, help_text="Empty: set aside until somebody has it tried again."
    )
    reason = models.CharField(max_length=300, blank=True)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        verbose_name = "work set aside"
        verbose_name_plural = "work set aside"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "object_id"], name="one_quarantine_for_a_thing")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.object_id}"
