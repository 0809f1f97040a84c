"""What the first of a campaign's people will read: its texts with that person's own details in them."""

from __future__ import annotations

from typing import Any

from campaigns.gaps import first_contacts
from campaigns.models import Campaign
from campaigns.texts import worded


def preview_context(campaign: Campaign) -> dict[str, Any]:
    """`person` is None while nobody is on the lists; `texts` are (channel, what that person gets)."""
    person = first_contacts(campaign).order_by("pk").first()
    contents = campaign.contents.order_by("pk") if person else []
    return {"person": person, "texts": [(one.channel, worded(one, person)) for one in contents if person]}
