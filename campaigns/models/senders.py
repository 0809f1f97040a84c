"""Whom we send as."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from campaigns.models.brands import Brand
from contacts import states
from contacts.channels import Channel


class Sender(models.Model):
    """A number, short code, toll-free number, caller id or From address that we send from."""

    State = states.SenderState

    name = models.CharField(max_length=80)
    brand = models.ForeignKey(
        Brand, models.PROTECT, related_name="senders", blank=True, help_text="Empty: the default brand."
    )
    channel = models.CharField(max_length=8, choices=Channel)
    value = models.CharField(max_length=254, help_text="E.164 number, short code or From address.")
    state = models.CharField(
        max_length=16,
        choices=State,
        default=State.NOT_REGISTERED,
        help_text=(
            "Only a sender that is approved, or needs no registration, may send. Texts need one in the USA and in many "
            "other countries; email, calls and voicemail need none."
        ),
    )
    state_reason = models.CharField(
        "why it is in that state",
        max_length=300,
        blank=True,
        help_text="Empty: its state follows its registrations. With a reason it stays as it was set.",
    )
    dkim_selectors = models.CharField(
        "DKIM selectors",
        max_length=200,
        blank=True,
        help_text="Of a From address: the names under which its keys stand in the DNS, with spaces between.",
    )
    registered_as = models.CharField(
        max_length=24,
        blank=True,
        help_text="Which of the carriers' limits hold. Empty: those of its kind and provider, where they state any.",
    )
    per_second = models.FloatField(
        "at most a second",
        null=True,
        blank=True,
        validators=[MinValueValidator(0.01), MaxValueValidator(10_000)],
        help_text="A text counts as its segments. Empty: as the carriers and the provider say.",
    )
    per_day = models.PositiveIntegerField(
        "at most a day",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Counted like those a second; what is beyond waits for the next day. Empty: as the carriers say.",
    )
    warm_up_from = models.DateField(
        "warm-up from",
        null=True,
        blank=True,
        help_text="The first day on which a new mail domain sends: from then on more each day. Empty: no warm-up.",
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "campaigns"
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "value"],
                name="one_sender_per_channel",
                violation_error_message=(
                    "Value: there is a sender with this value on this channel already; change that one instead."
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.get_channel_display()})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.brand_id is None:
            self.brand = Brand.objects.default()
        super().save(*args, **kwargs)

    @property
    def may_send(self) -> bool:
        return self.state in states.SENDER_MAY_SEND
