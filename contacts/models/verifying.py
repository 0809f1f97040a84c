"""By which senders people are asked to check an address that was suppressed in doubt."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from contacts.channels import Channel


class VerifyingSender(models.Model):
    """The sender that asks on one channel; without a row nobody is asked there. `contacts.verifying` says what."""

    CHANNELS = [(Channel.EMAIL.value, "Email"), (Channel.SMS.value, "SMS")]

    channel = models.CharField(max_length=8, choices=CHANNELS, unique=True)
    sender_value = models.CharField(max_length=254, help_text="The number or From address of ours that asks.")
    since = models.DateTimeField(default=timezone.now)
    chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = "sender that asks about addresses"
        verbose_name_plural = "senders that ask about addresses"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_channel_display()} from {self.sender_value}"
