"""How many failures suppress an address, where that was changed here; and what each automatic suppression rests on."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from contacts.channels import Channel, Closed
from contacts.models import Suppression

MOST_FAILURES, LONGEST_PAUSE_DAYS = 50, 3_650


class Certainty(models.TextChoices):
    """What a failure says of an address, the surest first."""

    NUMBER = Closed.NUMBER.value, "The number is not in service"
    TEXTING = Closed.TEXTING.value, "The number takes no text messages"
    CHANNEL = Closed.CHANNEL.value, "The number cannot take this channel"
    MAILBOX = "mailbox", "Email refused for good"
    OTHER = "other", "Another permanent failure of a number"
    UNREACHABLE = "unreachable", "Not reachable: off, full or expired"


class FailureLimit(models.Model):
    """One change of how many failures in a row suppress an address, for a kind of failure or for one code.

    Append-only: the newest of a kind or code counts. Empty `failures`: from then on it is as Waybill brings it.
    """

    certainty = models.CharField(max_length=12, choices=Certainty, blank=True)
    table = models.CharField(max_length=24, blank=True, help_text="A provider's table of codes.")
    channel = models.CharField(max_length=8, choices=Channel, blank=True)
    code = models.CharField(max_length=64, blank=True)
    failures = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_FAILURES)]
    )
    pause_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MaxValueValidator(LONGEST_PAUSE_DAYS)],
        help_text="How long the first suppression lasts; 0: until somebody lifts it.",
    )
    note = models.CharField(max_length=300, help_text="Why.")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "change of automatic suppression"
        verbose_name_plural = "changes of automatic suppression"
        constraints = [
            models.CheckConstraint(
                condition=(Q(certainty="") & ~Q(table="") & ~Q(channel="") & ~Q(code=""))
                | (~Q(certainty="") & Q(table="") & Q(channel="") & Q(code="")),
                name="limit_of_a_kind_or_a_code",
            )
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def subject(self) -> str:
        """What it is about, in words."""
        if self.certainty:
            return str(self.get_certainty_display())
        return f"{self.table}, {Channel(self.channel).label}, code {self.code}"


class SuppressionEvidence(models.Model):
    """One of the messages that an automatic suppression rests on, with what was reported of it at that time."""

    suppression = models.ForeignKey(
        Suppression, models.CASCADE, related_name="grounds_counted", db_index=False, db_constraint=False
    )
    message = models.ForeignKey("deliveries.Message", models.CASCADE, related_name="+", db_constraint=False)
    code = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=12)
    certainty = models.CharField(max_length=12, choices=Certainty)
    failed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "evidence of a suppression"
        verbose_name_plural = "evidence of suppressions"
        constraints = [
            models.UniqueConstraint(fields=["suppression", "message"], name="counted_once_for_a_suppression")
        ]

    def __str__(self) -> str:
        return f"message {self.message_id}: {self.code or self.status}"
