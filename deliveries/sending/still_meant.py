"""Messages of follow-ups that wait for people of whom the condition holds no more, as for somebody who clicked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import connection

from campaigns.models import Campaign
from deliveries.models import Message
from deliveries.sending.meant import follow_of
from deliveries.sending.who_sql import Follow, sql_follows

NO_LONGER_MEANT = "no_longer_meant"

# Of the waiting messages of a campaign, by `these`.
LEFT = """
SELECT o.message_id FROM deliveries_outbox o
JOIN deliveries_message m ON m.id = o.message_id
JOIN campaigns_recipient r ON r.campaign_id = %(earlier)s AND r.contact_id = m.contact_id
WHERE o.campaign_id = %(campaign)s AND o.claimed_until IS NULL AND NOT ({condition}) {these}
ORDER BY o.message_id
"""


def waiting_in_vain(campaign: Campaign, now: datetime, most: int) -> list[int]:
    """At most so many of all the messages of a follow-up that wait."""
    follow = follow_of(campaign)
    return _left(campaign, follow, now, limit=f"LIMIT {most:d}") if follow else []


def among(messages: Collection[Message], campaigns: Mapping[int, Campaign], now: datetime) -> list[int]:
    """Of these messages, which wait. A query for each campaign of theirs that is a follow-up, none for others."""
    theirs = defaultdict[int, list[int]](list)
    for message in messages:
        if campaigns[message.campaign_id].follows_id:
            theirs[message.campaign_id].append(message.pk)
    found: list[int] = []
    for pk, ids in theirs.items():
        if follow := follow_of(campaigns[pk]):
            these = ", ".join(map(str, sorted(ids)))
            found += _left(campaigns[pk], follow, now, these=f"AND o.message_id IN ({these})")
    return found


def _left(
    campaign: Campaign, follow: Follow, now: datetime, *, these: str = "", limit: str = ""
) -> list[int]:
    condition, values = sql_follows(follow, now)
    with connection.cursor() as cursor:
        cursor.execute(
            LEFT.format(condition=condition, these=these) + limit,
            {**values, "earlier": follow.campaign, "campaign": campaign.pk},
        )
        return [message for (message,) in cursor.fetchall()]
