"""A draft looked at once for all parts of a page."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import Campaign
from deliveries.sending import checks

KEPT = "_looked_at"


def looked_at(campaign: Campaign, now: datetime) -> checks.Draft:
    """What the checks ask of it, kept with this very object: who asks again at the same moment gets the same."""
    draft = campaign.__dict__.get(KEPT)
    if draft is None or draft.now != now:
        draft = checks.load(campaign, now)
        campaign.__dict__[KEPT] = draft
    return draft
