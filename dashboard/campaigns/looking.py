"""A draft looked at once for all parts of a page."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from campaigns.models import Campaign
from contacts.models import Contact
from deliveries.sending import checks
from deliveries.sending.meant import first_contacts

KEPT = "_looked_at"


def looked_at(campaign: Campaign, now: datetime) -> checks.Draft:
    """What the checks ask of it, kept with this very object: who asks again at the same moment gets the same."""
    draft = campaign.__dict__.get(KEPT)
    if draft is None or draft.now != now:
        draft = checks.load(campaign, now)
        campaign.__dict__[KEPT] = draft
    return draft


def contacts_looked_at(campaign: Campaign, now: datetime) -> QuerySet[Contact]:
    """The people by whom it is judged: those of the last look at this very object, where there was one."""
    draft = campaign.__dict__.get(KEPT)
    return first_contacts(campaign, now, draft.first if draft else None)
