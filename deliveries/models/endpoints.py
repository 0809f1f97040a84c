"""Outgoing webhooks: where they go, what is to be told, and each call with its answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from contacts.access_log import WHOLE
from deliveries.credentials import EncryptedJSONField
from deliveries.references import new_reference


class EventKind(models.TextChoices):
    """What an endpoint can ask for: the `type` of the payload."""

    MESSAGE_STATUS = "message.status", "A message has another status"
    REACHED = "recipient.reached", "A person was reached"
    NOT_REACHED = "recipient.not_reached", "A person was not reached, or skipped"
    OPTED_OUT = "contact.opted_out", "A person opted out"
    SUPPRESSED = "suppression.created", "An address or a person was suppressed"
    RELEASED = "suppression.released", "A suppression was released"
    REPLY = "reply.received", "Somebody replied"
    FINISHED = "campaign.finished", "A campaign finished"
    ALERT_OPENED = "alert.opened", "An alert was raised"
    ALERT_CLOSED = "alert.closed", "An alert was closed"
    DECISION = "decision", "Something was decided, and why"


PING = "ping"  # of a test, which no endpoint asks for


class WebhookEndpoint(models.Model):
    """An address of another system that gets events.

    `secret` holds {"now": ..., "before": ...}: until `before_until` each call is signed by both. `disabled_at`: nothing
    is sent; `disabled_why` is empty where a person did it.
    """

    name = models.CharField(max_length=80, unique=True)
    url = models.URLField("address", max_length=500)
    kinds = models.JSONField("events", default=list)
    whole = models.BooleanField(
        "whole addresses",
        default=False,
        help_text="Numbers and emails in full, and what people wrote, as long as whoever made it may see them.",
    )
    secret: models.Field[Any, Any] = EncryptedJSONField(default=dict)
    before_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_why = models.CharField(max_length=200, blank=True, editable=False)
    taken_at = models.DateTimeField("last taken", null=True, editable=False)
    failures = models.PositiveIntegerField("failures in a row", default=0, editable=False)
    rests_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def shows_whole(self) -> bool:
        """Whether addresses go there in full: it says so, and whoever made it may see them, still."""
        maker = self.created_by
        return self.whole and maker is not None and maker.is_active and maker.has_perm(WHOLE)

    def secrets(self, now: datetime) -> list[str]:
        """Those that sign at `now`, the newest first."""
        both = [self.secret.get("now", "")]
        if self.before_until and now < self.before_until:
            both.append(self.secret.get("before", ""))
        return [one for one in both if one]


class WebhookEvent(models.Model):
    """Something that happened, written in the transaction in which it did; gone once each endpoint has its own row.

    `subject` names what it is about, such as "message 12": events of one subject are delivered in order.
    """

    kind = models.CharField(max_length=24, choices=EventKind)
    subject = models.CharField(max_length=40)
    message_id = models.BigIntegerField(null=True)
    contact_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}"


class WebhookDelivery(models.Model):
    """One event to one endpoint: what is sent, and what came of each attempt.

    `tries`: the last attempts as [{"at", "seconds", "status", "answer", "trouble"}], the oldest first.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waits"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Given up"

    TRIES_KEPT = 15

    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="deliveries", db_index=False)
    reference = models.UUIDField(
        default=new_reference, unique=True, help_text="The webhook-id, the same in each attempt."
    )
    kind = models.CharField(max_length=24)
    subject = models.CharField(max_length=40)
    contact_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()
    body = models.TextField()
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    next_at = models.DateTimeField(help_text="Not before; while a process sends it, when its claim runs out.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Counted before each attempt.")
    first_at = models.DateTimeField("first attempt", null=True)
    done_at = models.DateTimeField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True, help_text="Of the last answer.")
    tries = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["endpoint", "id"], name="webhook_due", condition=Q(state="waiting")),
            models.Index(
                fields=["endpoint", "subject", "id"], name="webhook_order", condition=Q(state="waiting")
            ),
            models.Index(fields=["endpoint", "-id"], name="webhook_log"),
            models.Index(
                fields=["contact_id"], name="webhook_contact", condition=Q(contact_id__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.webhook_id}"

    @property
    def webhook_id(self) -> str:
        return f"msg_{self.reference.hex}"


OVERLAP = timedelta(hours=24)  # for which a former secret signs too
