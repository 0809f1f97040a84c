"""What happened to each message, and what is to be done next.

Three kinds of tables: the record (`Message`, `Receipt`, `StatusEvent`, `Decision`, `Engagement`, `Batch`), the
work that is waiting (`Outbox`, `PendingReceipt`, `Moved`, `QueueEntry`: small, one row per thing to do, gone when
it is done), and the tallies that the report pages read.

Constraints stay off the links of `Message` and `StatusEvent` (`db_constraint=False`): they are written by the
million in set-based statements whose inputs come from the linked tables themselves, and checking each link costs
more than the insert. No column that a receipt changes is indexed, so that PostgreSQL updates rows in place.
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from campaigns.models import Campaign, Priority, Recipient, Sender
from contacts.channels import Channel
from contacts.models import Address, AppendOnly, Contact
from deliveries.credentials import EncryptedJSONField
from deliveries.statuses import Disposition, Evidence, FailureClass, Fault, Status


def new_token() -> str:
    return secrets.token_urlsafe(18)


class Account(models.Model):
    """One account at one provider: where messages are handed over and whose receipts come in."""

    name = models.CharField(max_length=80, unique=True)
    provider = models.CharField(max_length=24, help_text="A slug of deliveries/providers.")
    token = models.CharField(
        max_length=40,
        unique=True,
        default=new_token,
        help_text="Part of the address its receipts are sent to.",
    )
    credentials: models.Field[Any, Any] = EncryptedJSONField(default=dict, blank=True)
    channels = models.JSONField(default=list, help_text="Channels handed over here.")
    senders = models.ManyToManyField(Sender, blank=True, related_name="accounts")
    rank = models.PositiveSmallIntegerField(
        default=10, help_text="Among accounts for a channel the lowest is used."
    )
    active = models.BooleanField(default=True)
    paused_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Nothing is handed over before: an outage, or the provider asked us to wait.",
    )
    failures = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Handovers failed in a row."
    )
    forged = models.PositiveIntegerField(
        default=0, editable=False, help_text="Callbacks refused for their signature."
    )
    forged_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["rank", "id"]

    def __str__(self) -> str:
        return self.name


class Cause(models.TextChoices):
    CAMPAIGN = "campaign", "The campaign"
    RETRY = "retry", "Automatic retry"
    SWITCH = "switch", "Automatic change of channel"
    BULK_RETRY = "bulk_retry", "Retried by a colleague"
    BULK_SWITCH = "bulk_switch", "Moved to another channel by a colleague"


# A link without constraint and index: see the top of this module.
BARE: dict[str, Any] = {"db_constraint": False, "db_index": False}


class Message(models.Model):
    """One attempt. A retry or a switch is a new Message that names the one it follows, and why."""

    uuid = models.UUIDField(
        default=uuid.uuid4, unique=True, help_text="Our reference, in every callback address."
    )
    recipient = models.ForeignKey(Recipient, models.PROTECT, related_name="messages", **BARE)
    campaign = models.ForeignKey(Campaign, models.PROTECT, related_name="messages", **BARE)
    contact = models.ForeignKey(Contact, models.PROTECT, related_name="messages", **BARE)
    address = models.ForeignKey(Address, models.PROTECT, related_name="messages", **BARE)
    sender = models.ForeignKey(Sender, models.PROTECT, related_name="+", **BARE)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", **BARE)
    follows = models.ForeignKey("self", models.PROTECT, null=True, related_name="followers", **BARE)
    list_source_id = models.BigIntegerField(default=0, help_text="ContactList, 0 for none.")
    channel = models.CharField(max_length=8, choices=Channel)
    attempt = models.PositiveSmallIntegerField(default=1, help_text="On this channel, for this recipient.")
    cause = models.CharField(max_length=12, choices=Cause, default=Cause.CAMPAIGN)
    cause_reason = models.CharField(max_length=200, blank=True)
    rule_version = models.PositiveIntegerField(default=0, help_text="The playbook's version; 0 for none.")
    priority = models.CharField(max_length=8, choices=Priority, default=Priority.NORMAL)
    goal = models.CharField(max_length=12)
    carrier = models.CharField(max_length=60, blank=True)
    region = models.CharField(max_length=8, blank=True)
    content_version = models.PositiveSmallIntegerField(default=1)
    segments = models.PositiveSmallIntegerField(default=1)
    cost = models.DecimalField(max_digits=10, decimal_places=5, null=True)
    provider_message_id = models.CharField(max_length=80, blank=True)

    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    standing = models.BigIntegerField(default=0, help_text="deliveries.statuses.standing of the event shown.")
    failure_class = models.CharField(max_length=12, choices=FailureClass, default=FailureClass.NONE)
    fault = models.CharField(max_length=12, choices=Fault, default=Fault.NONE)
    evidence = models.CharField(max_length=12, choices=Evidence, default=Evidence.CLOCK)
    disposition = models.CharField(
        max_length=20, choices=Disposition, blank=True, default=Disposition.PENDING
    )
    reason_code = models.CharField(max_length=64, blank=True, help_text="The provider's own code.")
    parts = models.PositiveSmallIntegerField(
        default=0, help_text="Parts that report on their own; 0 or 1: it is whole."
    )

    created_at = models.DateTimeField(default=timezone.now)
    created_on = models.DateField(help_text="UTC day of created_at: the day the tallies count it on.")
    due_at = models.DateTimeField(help_text="Not before.")
    handed_over_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    confirm_by = models.DateTimeField(null=True, help_text="Silent past this: unknown.")
    updated_at = models.DateTimeField(default=timezone.now)
    canceled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "provider_message_id"],
                condition=~Q(provider_message_id=""),
                name="one_message_per_provider_id",
            ),
            # A message has one successor at most: nothing can be retried or switched twice for one cause.
            models.UniqueConstraint(
                fields=["follows"],
                condition=Q(follows__isnull=False, canceled_at__isnull=True),
                name="one_successor",
            ),
        ]
        indexes = [
            models.Index(fields=["campaign", "-id"], name="message_campaign"),
            models.Index(fields=["contact", "-id"], name="message_contact"),
            models.Index(fields=["recipient", "id"], name="message_recipient"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to contact {self.contact_id}: {self.status}"


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
    urgent = models.BooleanField(default=False)
    due_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted before each attempt.")
    held = models.CharField(
        max_length=24, blank=True, help_text="Why the gate postponed it, from contacts/gate.py."
    )

    class Meta:
        verbose_name_plural = "outbox"
        indexes = [
            models.Index(
                F("urgent").desc(), "due_at", "message", name="outbox_due", condition=Q(claimed_until=None)
            ),
            models.Index(
                fields=["claimed_until"], name="outbox_claimed", condition=Q(claimed_until__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"message {self.message_id}, due {self.due_at}"


class Receipt(AppendOnly):
    """What a provider told us, word for word. Evidence: never changed, never deleted but by retention."""

    account_id = models.BigIntegerField()
    kind = models.CharField(max_length=16)
    received_at = models.DateTimeField()
    method = models.CharField(max_length=8, default="POST")
    query = models.TextField(blank=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["received_at"], name="receipt_received")]

    def __str__(self) -> str:
        return f"{self.kind} receipt {self.pk}"


class PendingReceipt(models.Model):
    """A receipt that is not recorded yet: new, parked for a later try, or dead with its reason."""

    class State(models.TextChoices):
        NEW = "new", "New"
        PARKED = "parked", "Parked"
        DEAD = "dead", "Dead letter"

    receipt = models.OneToOneField(
        Receipt, models.CASCADE, primary_key=True, db_constraint=False, related_name="pending"
    )
    state = models.CharField(max_length=6, choices=State, default=State.NEW)
    not_before = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["receipt"], name="receipt_new", condition=Q(state="new")),
            models.Index(fields=["not_before"], name="receipt_parked", condition=Q(state="parked")),
            models.Index(fields=["-receipt"], name="receipt_dead", condition=Q(state="dead")),
        ]

    def __str__(self) -> str:
        return f"receipt {self.receipt_id}: {self.state}"


class StatusEvent(models.Model):
    """One normalised fact about a message. The key says the fact, so a repeated receipt adds nothing."""

    pk = models.CompositePrimaryKey("message_id", "fact")
    message_id = models.BigIntegerField()
    fact = models.BigIntegerField(help_text="deliveries.statuses.fact_key of what was said.")
    receipt_id = models.BigIntegerField(
        null=True, help_text="Empty: said by our own clock or by the handover's answer."
    )
    status = models.CharField(max_length=12, choices=Status)
    standing = models.BigIntegerField()
    failure_class = models.CharField(max_length=12, choices=FailureClass)
    fault = models.CharField(max_length=12, choices=Fault)
    evidence = models.CharField(max_length=12, choices=Evidence)
    native_status = models.CharField(max_length=64, blank=True)
    native_code = models.CharField(max_length=64, blank=True)
    native_text = models.CharField(max_length=300, blank=True)
    part = models.PositiveSmallIntegerField(default=0)
    parts = models.PositiveSmallIntegerField(default=0)
    occurred_at = models.DateTimeField(
        help_text="The provider's time, or when the first such receipt came in."
    )
    recorded_at = models.DateTimeField()
    mapping_version = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"message {self.message_id}: {self.status}"


class Moved(models.Model):
    """A message whose status moved and that deciding has not looked at yet."""

    message_id = models.BigIntegerField()
    moved_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"message {self.message_id}"


class Engagement(AppendOnly):
    """What a recipient did: replied, clicked, pressed a key. Never a status: a machine's open proves nothing."""

    class Kind(models.TextChoices):
        REPLY = "reply", "Reply"
        STOP = "stop", "Replied STOP"
        START = "start", "Replied START"
        HELP = "help", "Asked for help"
        KEY_PRESS = "key_press", "Pressed a key"
        OPEN = "open", "Opened"
        CLICK = "click", "Clicked"

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="engagements")
    message_id = models.BigIntegerField(null=True)
    receipt_id = models.BigIntegerField(null=True, unique=True)
    channel = models.CharField(max_length=8, choices=Channel)
    kind = models.CharField(max_length=12, choices=Kind)
    text = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["contact", "-at", "-id"], name="engagement_newest")]

    def __str__(self) -> str:
        return f"contact {self.contact_id}: {self.kind}"


class Decision(AppendOnly):
    """What was decided for one message or recipient, why, and by which version of which rule."""

    message_id = models.BigIntegerField(null=True)
    recipient = models.ForeignKey(Recipient, models.CASCADE, related_name="decisions", db_constraint=False)
    contact = models.ForeignKey(
        Contact, models.CASCADE, related_name="decisions", db_constraint=False, db_index=False
    )
    at = models.DateTimeField()
    by = models.CharField(max_length=16, help_text="playbook, gate, staff or clock.")
    rule = models.CharField(max_length=40)
    rule_version = models.PositiveIntegerField(default=0)
    step = models.CharField(max_length=8, choices=Recipient.NextStep)
    due_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300)

    class Meta:
        indexes = [models.Index(fields=["contact", "-at", "-id"], name="decision_newest")]

    def __str__(self) -> str:
        return f"{self.rule}: {self.step}"


class Queue(models.TextChoices):
    """The action queues. A tab of the report is one of these for one campaign."""

    RETRY = "retry", "Retry"
    SWITCH = "switch", "Switch channel"
    CORRECT = "correct", "Correct"
    REVIEW = "review", "Review content"
    SUPPRESS = "suppress", "Suppress"
    WATCH = "watch", "Watch"


class QueueEntry(models.Model):
    """A message that waits for somebody or something. Gone as soon as its outcome no longer asks for it."""

    message = models.OneToOneField(
        Message, models.CASCADE, primary_key=True, db_constraint=False, related_name="queue_entry"
    )
    queue = models.CharField(max_length=8, choices=Queue)
    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="+", **BARE)
    contact_id = models.BigIntegerField()
    channel = models.CharField(max_length=8, choices=Channel)
    status = models.CharField(max_length=12, choices=Status)
    disposition = models.CharField(max_length=20, choices=Disposition)
    reason_code = models.CharField(max_length=64, blank=True)
    carrier = models.CharField(max_length=60, blank=True)
    list_source_id = models.BigIntegerField(default=0)
    at = models.DateTimeField(help_text="When it came to stand here.")
    due_at = models.DateTimeField(
        null=True, help_text="When the playbook will act by itself; empty: it waits for you."
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
        ]

    def __str__(self) -> str:
        return f"{self.queue}: message {self.message_id}"


class Batch(models.Model):
    """A bulk action as a record: who, when, over which selection, with the result of every row, and its undo."""

    class Action(models.TextChoices):
        RETRY = "retry", "Retry"
        SWITCH = "switch", "Switch channel"
        CORRECT = "correct", "Correct"
        SUPPRESS = "suppress", "Suppress"

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        UNDOING = "undoing", "Undoing"
        UNDONE = "undone", "Undone"

    action = models.CharField(max_length=8, choices=Action)
    options = models.JSONField(
        default=dict, help_text="What the action needs: the channel, the reason, the note."
    )
    selection = models.JSONField(
        help_text="Either {'messages': [ids]} or {'filter': {...}} with campaign and queue."
    )
    selected_at = models.DateTimeField(
        help_text="Rows that came to stand in the queue later are not part of it."
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="batches")
    created_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    finished_at = models.DateTimeField(null=True)
    cursor = models.BigIntegerField(default=0, help_text="Messages up to this id have their result.")
    total = models.PositiveIntegerField(default=0)
    acted = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    undone = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "batches"
        permissions = [("act_in_bulk", "May retry, switch, correct and suppress from reports and queues")]

    def __str__(self) -> str:
        return f"{self.get_action_display()} of {self.total}"


class BatchItem(models.Model):
    """The result of a bulk action for one message."""

    class Outcome(models.TextChoices):
        ACTED = "acted", "Done"
        SKIPPED = "skipped", "Skipped"
        UNDONE = "undone", "Undone"
        TOO_LATE = "too_late", "Could not be undone"

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="items")
    message = models.ForeignKey(Message, models.CASCADE, related_name="batch_items", db_constraint=False)
    outcome = models.CharField(max_length=8, choices=Outcome)
    reason = models.CharField(
        max_length=40, blank=True, help_text="Why it was skipped, a key of batches.SKIPS."
    )
    successor_id = models.BigIntegerField(null=True, help_text="The message this made.")
    suppression_id = models.BigIntegerField(null=True)
    before = models.JSONField(default=dict, help_text="What undo restores.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "message"], name="one_result_per_message")]

    def __str__(self) -> str:
        return f"batch {self.batch_id}, message {self.message_id}: {self.outcome}"


class Heartbeat(models.Model):
    """The last sign of progress of a kind of process; liveness is judged by it, never by "a process exists"."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()
    detail = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.name} {self.at}"


# ---- Tallies: what the report pages read instead of counting messages -------------------------------------------


class TallyDelta(models.Model):
    """A change of the tallies, appended by whatever moved messages and folded into them a moment later.

    Appending instead of upserting keeps recorders from waiting for each other on the few hot rows of a campaign.
    """

    campaign_id = models.BigIntegerField()
    day = models.DateField()
    channel = models.CharField(max_length=8)
    account_id = models.BigIntegerField()
    carrier = models.CharField(max_length=60)
    region = models.CharField(max_length=8)
    list_source_id = models.BigIntegerField()
    status = models.CharField(max_length=12)
    failure_class = models.CharField(max_length=12)
    disposition = models.CharField(max_length=20)
    reason_code = models.CharField(max_length=64)
    n = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.n:+d} {self.status}"


class Tally(models.Model):
    """A cell: how many rows share its key."""

    KEY: ClassVar[tuple[str, ...]]

    n = models.BigIntegerField(default=0)

    objects = models.Manager()

    class Meta:
        abstract = True


class CarrierTally(Tally):
    """One campaign: by channel, status, class and carrier."""

    campaign_id = models.BigIntegerField()
    channel = models.CharField(max_length=8)
    carrier = models.CharField(max_length=60)
    status = models.CharField(max_length=12)
    failure_class = models.CharField(max_length=12)
    disposition = models.CharField(max_length=20)

    KEY: ClassVar = ("campaign_id", "channel", "carrier", "status", "failure_class", "disposition")

    class Meta:
        verbose_name_plural = "carrier tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_id", "channel", "carrier", "status", "failure_class", "disposition"],
                name="carrier_tally_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.channel} {self.carrier} {self.status}: {self.n}"


class SourceTally(Tally):
    """One campaign: by list source and region."""

    campaign_id = models.BigIntegerField()
    list_source_id = models.BigIntegerField()
    region = models.CharField(max_length=8)
    channel = models.CharField(max_length=8)
    disposition = models.CharField(max_length=20)

    KEY: ClassVar = ("campaign_id", "list_source_id", "region", "channel", "disposition")

    class Meta:
        verbose_name_plural = "source tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_id", "list_source_id", "region", "channel", "disposition"],
                name="source_tally_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.list_source_id} {self.region}: {self.n}"


class CodeTally(Tally):
    """One campaign: by the provider's code."""

    campaign_id = models.BigIntegerField()
    channel = models.CharField(max_length=8)
    account_id = models.BigIntegerField()
    reason_code = models.CharField(max_length=64)
    status = models.CharField(max_length=12)
    disposition = models.CharField(max_length=20)

    KEY: ClassVar = ("campaign_id", "channel", "account_id", "reason_code", "status", "disposition")

    class Meta:
        verbose_name_plural = "code tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_id", "channel", "account_id", "reason_code", "status", "disposition"],
                name="code_tally_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.reason_code}: {self.n}"


class DayTally(Tally):
    """All campaigns: by day, channel, account and carrier. The overview reads only this."""

    day = models.DateField()
    channel = models.CharField(max_length=8)
    account_id = models.BigIntegerField()
    carrier = models.CharField(max_length=60)
    disposition = models.CharField(max_length=20)

    KEY: ClassVar = ("day", "channel", "account_id", "carrier", "disposition")

    class Meta:
        verbose_name_plural = "day tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["day", "channel", "account_id", "carrier", "disposition"], name="day_tally_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.channel} {self.carrier} {self.disposition}: {self.n}"


MESSAGE_TALLIES = (CarrierTally, SourceTally, CodeTally, DayTally)


class RecipientTally(Tally):
    """One campaign: recipients by state, and why those skipped were. The reconciliation strip reads it."""

    campaign_id = models.BigIntegerField()
    state = models.CharField(max_length=8)
    skip_reason = models.CharField(max_length=24)

    KEY: ClassVar = ("campaign_id", "state", "skip_reason")

    class Meta:
        verbose_name_plural = "recipient tallies"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_id", "state", "skip_reason"], name="recipient_tally_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.state}: {self.n}"


class QueueTally(Tally):
    """Entries of the action queues by campaign."""

    campaign_id = models.BigIntegerField()
    queue = models.CharField(max_length=8)

    KEY: ClassVar = ("campaign_id", "queue")

    class Meta:
        verbose_name_plural = "queue tallies"
        constraints = [models.UniqueConstraint(fields=["campaign_id", "queue"], name="queue_tally_key")]

    def __str__(self) -> str:
        return f"{self.campaign_id} {self.queue}: {self.n}"
