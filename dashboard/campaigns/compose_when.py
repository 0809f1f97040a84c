"""The composer's section When: from when, at which hours and how fast it is sent, and by which rules it goes on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from accounts.models import User
from campaigns.models import Campaign
from dashboard.campaigns.when_form import WhenForm


def form(campaign: Campaign, user: User, data: Any = None, files: Any = None) -> WhenForm:
    return WhenForm(data, instance=campaign)


def context(campaign: Campaign, user: User, now: datetime) -> dict[str, Any]:
    return {}
