"""What keeps a campaign from doing harm: the slice that goes first, and that it was stopped by itself."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns.models import Campaign


class Canary(models.Model):
    """The slice of a campaign that is written to first, while the others wait for its outcomes."""

    class Ending(models.TextChoices):
        OUTCOMES = "outcomes", "Enough outcomes are in"
        TIME = "time", "They were waited for long enough"
        PERSON = "person", "A colleague sent the rest"
        STOPPED = "stopped", "It was stopped by itself"

    campaign = models.OneToOneField(
        Campaign, on_delete=models.CASCADE, primary_key=True, related_name="canary"
    )
    share = models.PositiveIntegerField(help_text="Of ten thousand people.")
    wanted = models.PositiveIntegerField(
        help_text="Outcomes that are enough; fewer are where the slice is small."
    )
    began_at = models.DateTimeField(null=True, help_text="When the first message of it had left.")
    over_at = models.DateTimeField(null=True, help_text="Since then nobody waits for it.")
    ending = models.CharField(max_length=8, choices=Ending, blank=True)

    class Meta:
        verbose_name = "first slice"
        default_permissions = ()
        indexes = [models.Index(fields=["campaign"], name="canary_waiting", condition=Q(over_at=None))]

    def __str__(self) -> str:
        return f"first slice of campaign {self.campaign_id}"

    @property
    def percent(self) -> float:
        """Of the people, at most two decimals."""
        return self.share / 100

    @property
    def waits(self) -> bool:
        """Whether the others wait for it."""
        return self.over_at is None


class CampaignStop(models.Model):
    """A campaign was paused by itself, as failures were surely above what is usual. What was seen then stays.

    `causes`: a list of {"dimension", "value", "label", "failed", "sent"}, the most telling first. `parts`: the same of
    what it can go on without, with "waiting" where that is known. `before`: what had been sent and reported until it
    went on, by (channel, carrier), which counts no more after that.
    """

    class Kind(models.TextChoices):
        LASTING = "lasting", "Failures that a retry does not help"
        ANY = "any", "Failures of every kind"
        OPT_OUT = "opt_out", "Opt-outs and complaints"

    WORDS: ClassVar = {
        Kind.LASTING: "failed for good",
        Kind.ANY: "failed",
        Kind.OPT_OUT: "were answered with a no",
    }

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="stops", db_index=False)
    at = models.DateTimeField()
    kind = models.CharField(max_length=8, choices=Kind)
    sent = models.PositiveIntegerField(help_text="Messages that had left and counted.")
    failed = models.PositiveIntegerField()
    usual = models.FloatField(help_text="The share that is usual, 0..1, for its channels and carriers.")
    tolerated = models.FloatField(help_text="The share, 0..1, that it was surely above.")
    waiting = models.PositiveIntegerField(help_text="Messages that were not sent.")
    causes = models.JSONField(default=list)
    parts = models.JSONField(default=list)
    saved = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, help_text="Where prices are known."
    )
    saved_in = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="Its currency, where that is known, and whether the prices are examples.",
    )
    resumed_at = models.DateTimeField(null=True)
    resumed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    without = models.CharField(max_length=200, blank=True, help_text="What it went on without, in words.")
    before = models.JSONField(default=dict)

    class Meta:
        verbose_name = "stop"
        default_permissions = ()
        ordering = ["-id"]
        indexes = [models.Index(fields=["campaign", "-id"], name="stop_newest")]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(resumed_at=None), name="one_open_stop_per_campaign"
            )
        ]

    def __str__(self) -> str:
        return f"campaign {self.campaign_id} stopped: {self.failed} of {self.sent} {self.WORDS[self.Kind(self.kind)]}"

    @property
    def saved_words(self) -> str:
        """ "96.40 USD"; '' where no price was known."""
        return "" if self.saved is None else f"{self.saved} {self.saved_in}".strip()

    @property
    def observed(self) -> float:
        """The share that failed, 0..1."""
        return self.failed / self.sent if self.sent else 0.0
