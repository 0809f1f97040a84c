"""A row for every person a campaign is meant for."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from campaigns import steps
from campaigns.models.campaigns import Campaign
from contacts.channels import Channel
from contacts.models import Contact


class Recipient(models.Model):
    """Campaign x contact: one row for every intended contact, also the skipped ones."""

    State = steps.RecipientState
    NextStep = steps.NextStep

    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, related_name="recipients", db_index=False
    )
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="recipients", db_index=False)
    state = models.CharField(max_length=8, choices=State, default=State.PLANNED)
    skip_reason = models.CharField(max_length=24, blank=True, help_text="A reason of contacts/gate.py.")
    reached_at = models.DateTimeField(null=True, blank=True)
    reached_by = models.CharField(max_length=8, choices=Channel, blank=True)
    next_step = models.CharField(max_length=8, choices=NextStep, default=NextStep.NONE)
    next_step_at = models.DateTimeField(null=True, blank=True)
    next_step_reason = models.CharField(max_length=300, blank=True)
    automatic = models.BooleanField(default=True, help_text="Off: a colleague stopped the automatic steps.")
    read_anew_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When a corrected code changed what an old attempt means: nothing is sent by itself for that one.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "contact"], name="one_recipient_per_contact")
        ]
        indexes = [
            models.Index(fields=["contact"], name="recipient_contact"),
            models.Index(
                fields=["next_step_at"], name="recipient_due", condition=Q(next_step_at__isnull=False)
            ),
            # Whoever was skipped, by reason. Of a large campaign those are few, and no others stand here.
            models.Index(
                fields=["campaign", "skip_reason", "contact"],
                name="recipient_skipped",
                condition=~Q(skip_reason=""),
            ),
            # Whoever was not reached is listed at once, also where they are few of a million.
            models.Index(
                fields=["campaign", "state"],
                name="recipient_not_reached",
                condition=Q(state__in=[steps.RecipientState.FAILED, steps.RecipientState.UNKNOWN]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id} x {self.contact_id}: {self.state}"

    @property
    def goes_on_by_itself(self) -> bool:
        """Whether its next step has a moment and needs no person. What waits for one (a failed attempt to retry by
        hand) has a moment too: then it is only looked at again."""
        waits = self.next_step_at is not None and self.state != self.State.FAILED
        return waits and self.automatic and self.next_step in steps.BY_ITSELF
