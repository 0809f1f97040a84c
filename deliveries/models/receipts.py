"""What providers reported, word for word, and what is left to do about it."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Q

from contacts.models import AppendOnly
from deliveries.providers.kit.signatures import without_secret


class Receipt(AppendOnly):
    """What a provider reported, word for word. Evidence: never changed, never deleted."""

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
