"""The composer's section When: from when, at which hours, for how long, and by which rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms

from accounts.models import User
from campaigns.models import Campaign


class Moment(forms.DateTimeInput):
    """Date and time in one field, as the browser's own control writes them."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class Clock(forms.TimeInput):
    input_type = "time"

    def __init__(self) -> None:
        super().__init__(format="%H:%M")


class WhenForm(forms.ModelForm):
    class Meta:
        model = Campaign
        fields = (
            "starts_at", "relevant_until", "window_start", "window_end", "purpose", "priority", "goal",
        )  # fmt: skip
        widgets = {
            "starts_at": Moment, "relevant_until": Moment, "window_start": Clock, "window_end": Clock,
        }  # fmt: skip
        labels = {"starts_at": "Start", "relevant_until": "Don't send after"}

    def save(self, commit: bool = True) -> Campaign:
        self.instance.save(update_fields=list(self._meta.fields or ()))
        return self.instance


def form(campaign: Campaign, user: User, data: Any = None, files: Any = None) -> WhenForm:
    return WhenForm(data, instance=campaign, prefix="when")


def context(campaign: Campaign, user: User, now: datetime) -> dict[str, Any]:
    return {"playbook": campaign.playbook}
