"""Who gets notices of alerts, by what, and what became of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from deliveries.credentials import EncryptedJSONField
from deliveries.models.alerts import Alert


class NoticeTiming(models.TextChoices):
    """When somebody, or a channel, gets to know."""

    AT_ONCE = "at_once", "At once"
    DAILY = "daily", "Once a day"
    NEVER = "never", "Never"


class AlertChannel(models.Model):
    """Where alerts are sent: a chat or an address on the web that colleagues share, or the mail server by which people
    get theirs. `secret` holds {"url": ...} as apprise writes it, with its tokens."""

    class Kind(models.TextChoices):
        SHARED = "shared", "A chat, a mailbox or a web address that colleagues share"
        MAIL = "mail", "The mail server by which people get theirs"

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.SHARED)
    secret: models.Field[Any, Any] = EncryptedJSONField(default=dict)
    when = models.CharField(max_length=7, choices=NoticeTiming, default=NoticeTiming.AT_ONCE)
    least = models.CharField(max_length=7, choices=Alert.Severity, default=Alert.Severity.WARNING)
    sent_at = models.DateTimeField("last sent", null=True, editable=False)
    trouble = models.CharField(max_length=300, blank=True, editable=False)
    trouble_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind"], condition=Q(kind="mail"), name="one_mail_server_for_alerts",
                violation_error_message="There is a mail server already: change that one.",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name


class AlertPreference(models.Model):
    """What one person wants to get by email. Without a row: nothing, the page has it all."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="alert_preference"
    )
    when = models.CharField(max_length=7, choices=NoticeTiming, default=NoticeTiming.NEVER)
    least = models.CharField(max_length=7, choices=Alert.Severity, default=Alert.Severity.URGENT)

    def __str__(self) -> str:
        return f"{self.user_id}: {self.when}"


class AlertNotice(models.Model):
    """One alert to one channel or person: sent once, tried again when that failed."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="notices")
    channel = models.ForeignKey(AlertChannel, models.CASCADE, null=True, related_name="notices")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    not_before = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted before each attempt.")
    sent_at = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["alert", "channel"], name="one_notice_for_a_channel"),
            models.UniqueConstraint(fields=["alert", "user"], name="one_notice_for_a_person"),
        ]
        indexes = [
            models.Index(fields=["not_before"], name="notice_due", condition=Q(sent_at=None)),
        ]

    def __str__(self) -> str:
        return f"alert {self.alert_id}"
