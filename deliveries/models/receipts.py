"""What providers reported, word for word, and what is left to do about it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Self

from django.db import models
from django.db.models import Q

from contacts.grounds import moment
from contacts.models import AppendOnly
from deliveries.providers.kit.signatures import without_secret


class Receipt(AppendOnly):
    """What a provider reported, word for word. Evidence: never changed, and kept until its retention ends."""

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

    @classmethod
    def from_db(cls, *given: Any, **more: Any) -> Self:
        """Without our secret, which a process of an older release may have stored: whoever reads it shows it."""
        found = super().from_db(*given, **more)
        if "query" in found.__dict__:
            found.query = without_secret(found.query)
        return found


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
    inbound = models.BooleanField(
        default=False,
        db_default=False,
        help_text="A person may have written it: recorded before all others, and nothing is sent until it is.",
    )

    class Meta:
        verbose_name = "unrecorded receipt"
        indexes = [
            models.Index(fields=["receipt"], name="receipt_inbound", condition=Q(state="new", inbound=True)),
            models.Index(fields=["receipt"], name="receipt_new", condition=Q(state="new")),
            models.Index(fields=["not_before"], name="receipt_parked", condition=Q(state="parked")),
            models.Index(fields=["-receipt"], name="receipt_dead", condition=Q(state="dead")),
        ]

    def __str__(self) -> str:
        return f"receipt {self.receipt_id}: {self.state}"


class RetentionRun(models.Model):
    """One time that old records were dropped: those of a kind below an id, but for what was still needed."""

    class Kind(models.TextChoices):
        RECEIPTS = "receipts", "Receipts"
        EVENTS = "events", "Status events"
        DECISIONS = "decision", "Decisions"
        ACCESS = "access", "Records of who saw addresses"
        SESSIONS = "sessions", "Sessions"
        CHANGES = "changes", "Corrections never confirmed"
        REPLIES = "replies", "Replies"
        FILES = "files", "Uploaded files of contacts"
        UNDOING = "undoing", "What undoes imports"

    kind = models.CharField(max_length=8, choices=Kind)
    below = models.BigIntegerField(
        help_text="Receipts with a smaller number are gone, or the status events of messages with a smaller one; of "
        "other records 0."
    )
    older_than = models.DateTimeField(help_text="All that was dropped came in before.")
    at = models.DateTimeField(help_text="When they were dropped.")
    rows = models.BigIntegerField(default=0, help_text="How many they were; on PostgreSQL an estimate.")

    def __str__(self) -> str:
        which = f"below {self.below}" if self.below else f"from before {moment(self.older_than)}"
        return f"{self.get_kind_display()} {which}, dropped {moment(self.at)}"

    @classmethod
    def floor(cls, kind: str) -> int:
        """The id below which records of this kind are no longer kept; 0 as long as all are."""
        return cls.objects.filter(kind=kind).aggregate(floor=models.Max("below"))["floor"] or 0

    @classmethod
    def dropped(cls, kind: str, ids: Collection[int]) -> dict[int, datetime]:
        """When each of these was dropped, for those that were; one query."""
        if not ids:
            return {}
        runs = list(cls.objects.filter(kind=kind, below__gt=min(ids)).order_by("at"))
        found = {pk: next((run.at for run in runs if run.below > pk), None) for pk in ids}
        return {pk: at for pk, at in found.items() if at is not None}
