"""How the receipts of each account come in, when they did not, and who had dead letters tried again."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from deliveries.models.accounts import Account
from deliveries.models.tallies import Tally


class ReceiverCount(Tally):
    """Of one account in five minutes: receipts by how long they waited, or messages that were handed over."""

    slot = models.DateTimeField(help_text="When its five minutes begin.")
    account_id = models.BigIntegerField()
    what = models.PositiveSmallIntegerField(
        help_text="An index of BOUNDS in ledger/receiver_counts.py, or HANDED_OVER."
    )

    KEY: ClassVar = ("slot", "account_id", "what")

    class Meta:
        verbose_name = "count of a receiver"
        verbose_name_plural = "counts of receivers"
        constraints = [
            models.UniqueConstraint(fields=["slot", "account_id", "what"], name="receiver_count_key")
        ]

    def __str__(self) -> str:
        return f"{self.slot:%d %b %H:%M}, account {self.account_id}: {self.n}"


class ReceiptGap(models.Model):
    """A time in which no receipt came from an account although messages were handed over there; it begins with the last
    receipt, or with the first message after that.

    While one is open nothing is concluded from the silence of its messages, unless somebody has let them go.
    """

    account = models.ForeignKey(Account, models.CASCADE, related_name="gaps")
    began_at = models.DateTimeField(help_text="When the last receipt before it came.")
    noticed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, help_text="When receipts came again.")
    per_hour = models.FloatField(help_text="Receipts that were to be expected in an hour.")
    handed_over = models.PositiveIntegerField(help_text="Messages since it began: their evidence is missing.")
    released_at = models.DateTimeField(null=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    note = models.CharField(max_length=300, blank=True, help_text="Why they were let go.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(ended_at=None), name="one_open_gap_of_an_account"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: no receipts since {self.began_at:%d %b %H:%M}"

    @classmethod
    def held(cls) -> dict[int, datetime]:
        """The accounts on whose messages automatic steps wait -> since when their receipts are missing. One query."""
        return dict(cls.objects.filter(ended_at=None, released_at=None).values_list("account_id", "began_at"))

    @property
    def holds(self) -> bool:
        """Whether automatic steps on its messages wait."""
        return self.ended_at is None and self.released_at is None


class ReceiptRetry(models.Model):
    """Dead letters that somebody had tried again: which, how many, and why. Never changed."""

    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(
        max_length=300, blank=True, help_text="Those with this reason; empty: single ones."
    )
    n = models.PositiveIntegerField()
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.n} tried again"
