"""The record of what was sent: attempts, the facts reported about them, what was decided, what people did."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from campaigns.models import Campaign, Priority, Recipient, Sender
from contacts import grounds
from contacts.blocking import Target
from contacts.channels import Channel
from contacts.models import Address, AppendOnly, Contact
from deliveries.models.accounts import Account
from deliveries.references import new_reference
from deliveries.statuses import Disposition, Evidence, FailureClass, Fault, Status


class Cause(models.TextChoices):
    CAMPAIGN = "campaign", "The campaign"
    RETRY = "retry", "Automatic retry"
    SWITCH = "switch", "Automatic change of channel"
    BULK_RETRY = "bulk_retry", "Retried by a colleague"
    BULK_SWITCH = "bulk_switch", "Moved to another channel by a colleague"


# What left so shortly before the last receipt of its account may have been answered after it.
JUST_BEFORE = timedelta(minutes=15)
# A link without constraint and index: `deliveries.models` says why.
BARE: dict[str, Any] = {"db_constraint": False, "db_index": False}


class Message(models.Model):
    """One attempt. A retry or a switch is a new Message that names the one it follows, and why."""

    uuid = models.UUIDField(
        default=new_reference, unique=True, help_text="Our reference, in every callback address."
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
    precedence = models.BigIntegerField(
        default=0, help_text="deliveries.statuses.precedence of the event shown."
    )
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
    created_on = models.DateField(
        help_text="The UTC day that tallies count it on: when it was made, or its campaign begins later."
    )
    due_at = models.DateTimeField(help_text="Not before.")
    handed_over_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
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

    def is_without_evidence(self, since: datetime) -> bool:
        """Whether it is silent as no receipts of its account come: it left after `since`, or not long before."""
        left = self.handed_over_at
        return self.disposition == Disposition.PENDING and left is not None and left >= since - JUST_BEFORE

    @property
    def seconds_to_arrive(self) -> int | None:
        """From handover to arrival; None where one of them is not known."""
        if self.handed_over_at is None or self.delivered_at is None:
            return None
        return round((self.delivered_at - self.handed_over_at).total_seconds())

    @property
    def target(self) -> Target:
        """Where it went, whoever the sender is: what stands against sending there once more. Reads the address."""
        return Target.at(self.address, self.contact_id, self.channel)


class StatusEvent(models.Model):
    """One normalised fact about a message. The key says the fact, so a repeated receipt adds nothing."""

    pk = models.CompositePrimaryKey("message_id", "fact")
    message_id = models.BigIntegerField()
    fact = models.BigIntegerField(help_text="deliveries.statuses.fact_key of what was said.")
    receipt_id = models.BigIntegerField(
        null=True, help_text="Empty: said by our own clock or by the handover's answer."
    )
    status = models.CharField(max_length=12, choices=Status)
    precedence = models.BigIntegerField()
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


class MachineWhy(models.TextChoices):
    """By what a click or an open is taken for a machine's. Words that end "Probably a machine: ..."."""

    AGENT = "agent", "its name is that of a link preview or a scanner"
    NETWORK = "network", "it came from the network of a mail filter"
    HEAD = "head", "it only asked whether the page is there"
    EARLY = "early", "it came before the message was delivered"
    FAST = "fast", "it came within seconds of the delivery"
    ALL = "all", "every link of the message was opened within seconds"
    PROXY = "proxy", "a mail program opens every mail, read or not"


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
        AUTO_REPLY = "auto_reply", "Automatic reply"

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="engagements", db_index=False)
    message_id = models.BigIntegerField(null=True)
    receipt_id = models.BigIntegerField(null=True)
    place = models.PositiveSmallIntegerField(default=0, help_text="Among the facts of its receipt.")
    native_id = models.CharField(
        max_length=80,
        blank=True,
        help_text="The provider's id of what was written: told twice, it counts once.",
    )
    channel = models.CharField(max_length=8, choices=Channel)
    kind = models.CharField(max_length=12, choices=Kind)
    text = models.TextField(blank=True)
    link_id = models.BigIntegerField(null=True, help_text="Of a click: the TrackedLink that was followed.")
    machine = models.BooleanField(default=False, help_text="Known to be no person's doing.")
    machine_why = models.CharField(
        max_length=8, choices=MachineWhy, blank=True, help_text="What it is taken for a machine by."
    )
    shared = models.BooleanField(
        default=False, help_text="Others go by the same address: which of them wrote it is not known."
    )
    at = models.DateTimeField()

    @property
    def what(self) -> str:
        """What they did, in words: not every reply that asks to stop says STOP."""
        if self.kind == self.Kind.STOP:
            return grounds.reply(self.text, by_mail=self.channel == Channel.EMAIL)
        return str(self.get_kind_display())

    class Meta:
        verbose_name = "reply or click"
        verbose_name_plural = "replies and clicks"
        indexes = [
            models.Index(fields=["contact", "-at", "-id"], name="engagement_newest"),
            models.Index(fields=["native_id"], name="engagement_native", condition=~Q(native_id="")),
            models.Index(
                fields=["message_id"], name="engagement_message", condition=Q(message_id__isnull=False)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["receipt_id", "place", "contact"], name="one_engagement_for_a_fact_and_contact"
            )
        ]

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
    by = models.CharField(max_length=16, help_text="playbook, gate, staff, route or clock.")
    rule = models.CharField(max_length=40)
    rule_version = models.PositiveIntegerField(default=0)
    step = models.CharField(max_length=8, choices=Recipient.NextStep)
    due_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300)

    class Meta:
        indexes = [models.Index(fields=["contact", "-at", "-id"], name="decision_newest")]

    def __str__(self) -> str:
        return f"{self.rule}: {self.step}"
