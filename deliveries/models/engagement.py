"""Who did what with a campaign, one row a person, and the work that leads there."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from contacts.channels import Channel
from deliveries.models.messages import MachineWhy


class Deed(models.TextChoices):
    """What a person did, and what only a machine did at their end."""

    ANY = "any", "Did anything"
    CLICKED = "clicked", "Clicked"
    REPLIED = "replied", "Replied"
    OPTED_OUT = "opted_out", "Opted out by reply"
    PRESSED = "pressed", "Pressed a key"
    OPENED = "opened", "Opened"
    MACHINE_CLICK = "bot_click", "Clicked by machines only"
    MACHINE_OPEN = "bot_open", "Opened by machines only"


REACHED = "reached"  # in the tally, beside the deeds: the people to whom something was delivered


class EngagedPerson(models.Model):
    """A recipient who did this, counted once however often: kept in line with `Engagement` by the worker."""

    recipient_id = models.BigIntegerField()
    deed = models.CharField(max_length=12, choices=Deed)
    campaign_id = models.BigIntegerField()
    reached_by = models.CharField(
        max_length=8,
        choices=Channel,
        blank=True,
        help_text="The channel that reached them; empty: none is known of.",
    )
    at = models.DateTimeField(help_text="When they first did it.")

    class Meta:
        verbose_name = "engaged person"
        verbose_name_plural = "engaged people"
        constraints = [models.UniqueConstraint(fields=["recipient_id", "deed"], name="one_row_for_a_deed")]
        indexes = [
            models.Index(fields=["campaign_id", "deed", "reached_by", "-id"], name="engaged_in_a_campaign"),
        ]

    def __str__(self) -> str:
        return f"recipient {self.recipient_id}: {self.deed}"


class EngagementNote(models.Model):
    """A recipient who did something, or whose delivery changed: to be counted anew, and then gone."""

    recipient_id = models.BigIntegerField()

    class Meta:
        verbose_name = "engagement to be counted"

    def __str__(self) -> str:
        return f"recipient {self.recipient_id}"


class LinkVisit(models.Model):
    """A short link that was asked for, as it came in: a moment later it is a click, or a repetition, and gone."""

    message_id = models.BigIntegerField()
    link_id = models.BigIntegerField()
    at = models.DateTimeField(default=timezone.now)
    why = models.CharField(
        max_length=8, choices=MachineWhy, blank=True, help_text="A machine, by what it said of itself."
    )

    class Meta:
        verbose_name = "link visit"

    def __str__(self) -> str:
        return f"message {self.message_id}: link {self.link_id}"


class ReachDelta(models.Model):
    """A change of how many people a channel reached, appended by whatever moved them and folded a moment later."""

    campaign_id = models.BigIntegerField()
    reached_by = models.CharField(max_length=8)
    n = models.IntegerField()

    class Meta:
        verbose_name = "uncounted change of people reached"

    def __str__(self) -> str:
        return f"{self.n:+d} {self.reached_by}"
