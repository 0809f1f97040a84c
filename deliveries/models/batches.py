"""Bulk actions as records."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from contacts.channels import Channel
from deliveries.models.messages import Message


class Batch(models.Model):
    """A bulk action as a record: who, when, over which selection, with the result of every row, and its undo."""

    class Action(models.TextChoices):
        RETRY = "retry", "Retry"
        SWITCH = "switch", "Switch channel"
        CORRECT = "correct", "Mark for correction"
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
        verbose_name = "bulk action"
        permissions = [("act_in_bulk", "May retry, switch, correct and suppress from reports and queues")]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return deed(self.action, self.total, self.options.get("channel", ""))


# What is done to how many messages, as titles and buttons say it.
DEEDS = {
    Batch.Action.RETRY: "Retry {messages}",
    Batch.Action.SWITCH: "Switch {messages} to {channel}",
    Batch.Action.CORRECT: "Mark the address{es} of {messages} for correction",
    Batch.Action.SUPPRESS: "Suppress the address{es} of {messages}",
}


def deed(action: str, n: int, channel: str = "", *, at_most: bool = False) -> str:
    """ "Switch 3 messages to email"; without a channel, "to another channel"."""
    one = n == 1
    return DEEDS[Batch.Action(action)].format(
        messages=f"{'up to ' if at_most else ''}{n:,} message{'' if one else 's'}",
        es="" if one else "es",
        channel=Channel(channel).in_sentence if channel in Channel.values else "another channel",
    )


class BatchItem(models.Model):
    """The result of a bulk action for one message."""

    class Outcome(models.TextChoices):
        ACTED = "acted", "Done"
        SKIPPED = "skipped", "Skipped"
        UNDONE = "undone", "Undone"
        TOO_LATE = "too_late", "Could not be undone"

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="items", db_index=False)
    message = models.ForeignKey(Message, models.CASCADE, related_name="batch_items", db_constraint=False)
    outcome = models.CharField(max_length=8, choices=Outcome)
    reason = models.CharField(
        max_length=40, blank=True, help_text="Why it was skipped, a key of batches.SKIPS."
    )
    successor_id = models.BigIntegerField(null=True, help_text="The message this made.")
    suppression_id = models.BigIntegerField(null=True)
    before = models.JSONField(default=dict, help_text="What undo restores.")

    class Meta:
        verbose_name = "bulk action result"
        constraints = [models.UniqueConstraint(fields=["batch", "message"], name="one_result_per_message")]

    def __str__(self) -> str:
        return f"batch {self.batch_id}, message {self.message_id}: {self.outcome}"
