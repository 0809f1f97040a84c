"""Why messages of a campaign fail: what was found out, and when."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns.models import Campaign


class CauseReport(models.Model):
    """What the failures of a campaign had in common when they were counted; the newest counts.

    Asked for by a row whose `counted_at` is empty, and counted in the background. The shape of `detail` is that of
    `CauseFindings` in `deliveries/outcomes/causes.py`.
    """

    class Why(models.TextChoices):
        JUMP = "jump", "More failed than usual"
        OVER = "over", "The campaign was over"
        ASKED = "asked", "Somebody asked"

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="cause_reports", db_index=False
    )
    why = models.CharField(max_length=8, choices=Why)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    tries = models.PositiveSmallIntegerField(default=0, help_text="Counted before each is made.")
    counted_at = models.DateTimeField(null=True)
    detail = models.JSONField(default=dict)

    class Meta:
        verbose_name = "report of causes"
        verbose_name_plural = "reports of causes"
        default_permissions = ()
        indexes = [models.Index(fields=["campaign", "-id"], name="cause_report_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(counted_at=None), name="one_open_cause_report"
            )
        ]

    def __str__(self) -> str:
        return f"causes of campaign {self.campaign_id}"
