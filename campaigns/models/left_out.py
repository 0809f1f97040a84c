"""Parts of an audience that a campaign goes on without, after it was stopped for them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from campaigns.models.campaigns import Campaign
from contacts.channels import Channel
from contacts.gate_facts import Dimension


class SliceLeftOut(models.Model):
    """Nobody of this carrier, region or list source is sent anything on this channel by this campaign any more.

    The gate refuses it, whichever way a message is made. Other channels of the playbook may still reach them.
    """

    Dimension = Dimension

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="left_out", db_index=False)
    channel = models.CharField(max_length=8, choices=Channel)
    dimension = models.CharField(max_length=8, choices=Dimension)
    value = models.CharField(max_length=60, help_text="The carrier, the region, or the number of the list.")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    outbox_to = models.BigIntegerField(
        null=True,
        help_text="What waits is being withdrawn: messages up to this id were looked at. Empty: all of them were.",
    )

    class Meta:
        verbose_name = "part left out"
        verbose_name_plural = "parts left out"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "channel", "dimension", "value"], name="left_out_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["id"], name="left_out_under_way", condition=models.Q(outbox_to__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.channel} without {self.dimension} {self.value}"
