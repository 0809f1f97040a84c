"""What somebody should look at: one open alert for each cause, and which kinds of causes are looked for."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns.models import Campaign


class Alert(models.Model):
    """Something that is wrong, or was. One open at most for each cause; it closes by itself when the cause is gone, and
    a cause that comes back opens a new one.

    `numbers`: what it rests on, a list of [label, n, address of exactly these rows or ''].
    """

    class Severity(models.TextChoices):
        URGENT = "urgent", "Urgent"
        WARNING = "warning", "Warning"
        NOTICE = "notice", "For your information"

    cause = models.CharField(max_length=120, help_text="Its kind and what it is about.")
    kind = models.CharField(max_length=20, help_text="A row of deliveries/alerting/kinds.csv.")
    severity = models.CharField(max_length=7, choices=Severity)
    campaign = models.ForeignKey(
        Campaign, models.CASCADE, null=True, related_name="alerts", help_text="Empty: of no campaign."
    )
    sentence = models.CharField(max_length=400)
    numbers = models.JSONField(default=list)
    url = models.CharField(max_length=300, blank=True, help_text="Where it is looked at.")
    seen_at = models.DateTimeField("first seen")
    last_seen_at = models.DateTimeField("last seen")
    raised_at = models.DateTimeField(null=True, help_text="Empty: seen, and not yet for long enough.")
    closed_at = models.DateTimeField(null=True)
    noticed_at = models.DateTimeField(null=True, help_text="When its notices were written down.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    snoozed_until = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)
    noted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["cause"], condition=Q(closed_at=None), name="one_open_alert_for_a_cause"
            )
        ]
        indexes = [
            models.Index(
                fields=["-closed_at", "-id"], name="alert_closed", condition=Q(closed_at__isnull=False)
            ),
            models.Index(
                fields=["id"],
                name="alert_without_notices",
                condition=Q(noticed_at=None, raised_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.sentence

    def is_asleep(self, now: datetime) -> bool:
        return self.snoozed_until is not None and self.snoozed_until > now


class AlertSetting(models.Model):
    """What an administrator has changed about one kind of alerts. Without a row it is as kinds.csv says."""

    kind = models.CharField(max_length=20, primary_key=True)
    active = models.BooleanField(default=True)
    threshold = models.FloatField(
        null=True, blank=True, help_text="In the unit of its kind; empty: the usual."
    )
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    def __str__(self) -> str:
        return self.kind
