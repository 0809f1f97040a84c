"""Which account hands a message over, from which sender, with which content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from campaigns.models import Campaign, Content
from deliveries.models import Account


class Route(NamedTuple):
    """How one campaign sends on one channel."""

    content: Content
    account: Account


def routes(campaigns: Iterable[Campaign]) -> dict[tuple[int, str], Route]:
    """(campaign, channel) -> route, for every channel that has content and an active account with its credentials.

    Among the accounts for a channel the one that owns the sender comes first, then the lowest rank.
    """
    active = Account.objects.filter(active=True).prefetch_related("senders")
    accounts = [account for account in active if account.is_ready]
    found = {}
    wanted = {campaign.pk for campaign in campaigns}
    for content in Content.objects.filter(campaign__in=wanted).select_related("sender"):
        fitting = [account for account in accounts if content.channel in account.channels]
        owners = [a for a in fitting if any(s.pk == content.sender_id for s in a.senders.all())]
        if fitting:
            found[content.campaign_id, content.channel] = Route(content, (owners or fitting)[0])
    return found
