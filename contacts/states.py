"""The states of a campaign and of a sender, and which of them let a message leave.

`Campaign.State` and `Sender.State` are these. They stand here because the gate judges by them and may not import
`campaigns`, which stands above it.
"""

from __future__ import annotations

from django.db import models


class CampaignState(models.TextChoices):
    DRAFT = "draft", "Draft"
    LAUNCHING = "launching", "Preparing"
    SENDING = "sending", "Sending"
    PAUSED = "paused", "Paused"
    COMPLETED = "completed", "Completed"
    CANCELED = "canceled", "Canceled"


class SenderState(models.TextChoices):
    NOT_REGISTERED = "not_registered", "Not registered yet"
    APPROVED = "approved", "Approved"
    NOT_NEEDED = "not_needed", "Needs no registration"
    IN_REVIEW = "in_review", "In review"
    ACTION_REQUIRED = "action_required", "Action required"
    SUSPENDED = "suspended", "Suspended"
    EXPIRED = "expired", "Registration expired"


# Campaigns whose messages leave: at once, or while paused once it goes on. A completed one still retries what failed.
CAMPAIGN_SENDS = frozenset(
    {CampaignState.LAUNCHING, CampaignState.SENDING, CampaignState.PAUSED, CampaignState.COMPLETED}
)
SENDER_MAY_SEND = frozenset({SenderState.APPROVED, SenderState.NOT_NEEDED})
