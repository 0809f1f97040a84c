"""Warnings before a launch that an administrator accepted."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from campaigns.models.campaigns import Campaign


class CheckOverride(models.Model):
    """Holds while the check says the same: `says` is its sentence, word for word. A block is never accepted."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="overrides")
    check_name = models.CharField("check", max_length=60)
    says = models.TextField("what was accepted")
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.campaign_id}: {self.check_name}"
