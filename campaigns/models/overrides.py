"""What administrators answer for: warnings accepted before a launch, and campaigns that do not stop by themselves."""

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


class BreakerSwitch(models.Model):
    """Somebody has let a campaign go on whatever fails, or stop by itself again: `on` from then."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="breaker_switches")
    on = models.BooleanField()
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.campaign_id}: {'on' if self.on else 'off'}"
