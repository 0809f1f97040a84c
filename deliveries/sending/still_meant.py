"""Messages of follow-ups that wait for people of whom the condition holds no more, as for somebody who clicked; and
those that are too early, as the earlier campaign goes on to try to reach somebody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.follow_ups import FollowWhen
from campaigns.models import Campaign
from deliveries.models import Message
from deliveries.sending.meant import follow_of
from deliveries.sending.who_sql import Follow, sql_follows, sql_goes_on

NO_LONGER_MEANT = "no_longer_meant"

# Of the waiting messages of a campaign, by `these`.
LEFT = """
SELECT o.message_id FROM deliveries_outbox o
JOIN deliveries_message m ON m.id = o.message_id
JOIN campaigns_recipient r ON r.campaign_id = %(earlier)s AND r.contact_id = m.contact_id
WHERE o.campaign_id = %(campaign)s AND o.claimed_until IS NULL AND {condition} {these}
ORDER BY o.message_id
"""


def waiting_in_vain(campaign: Campaign, now: datetime, most: int) -> list[int]:
    """At most so many of all the messages of a follow-up that wait."""
    follow = follow_of(campaign)
    return _no_longer(campaign, follow, now, limit=f"LIMIT {most:d}") if follow else []


def among(messages: Collection[Message], campaigns: Mapping[int, Campaign], now: datetime) -> list[int]:
    """Of these messages, which wait. A few queries for each campaign of theirs that is a follow-up, none for others."""
    found: list[int] = []
    for campaign, follow, these in _by_follow_up(messages, campaigns):
        found += _no_longer(campaign, follow, now, these=these)
    return found


def too_early(messages: Collection[Message], campaigns: Mapping[int, Campaign], now: datetime) -> list[int]:
    """Of these messages of follow-ups for people who were not reached, those whose earlier campaign goes on by itself:
    a late report has let it retry, or change the channel, after the follow-up was made. Queries as of `among`."""
    found: list[int] = []
    for campaign, follow, these in _by_follow_up(messages, campaigns):
        if follow.when == FollowWhen.NOT_REACHED:
            found += _waiting(campaign, follow, *sql_goes_on(follow, now), these=these)
    return found


def _by_follow_up(
    messages: Collection[Message], campaigns: Mapping[int, Campaign]
) -> Iterator[tuple[Campaign, Follow, str]]:
    """Each follow-up that any of them belongs to, and a condition that means its own."""
    theirs = defaultdict[int, list[int]](list)
    for message in messages:
        if campaigns[message.campaign_id].follows_id:
            theirs[message.campaign_id].append(message.pk)
    for pk, ids in theirs.items():
        if follow := follow_of(campaigns[pk]):
            yield campaigns[pk], follow, f"AND o.message_id IN ({', '.join(map(str, sorted(ids)))})"


def _no_longer(
    campaign: Campaign, follow: Follow, now: datetime, *, these: str = "", limit: str = ""
) -> list[int]:
    condition, values = sql_follows(follow, now)
    return _waiting(campaign, follow, f"NOT ({condition})", values, these=these, limit=limit)


def _waiting(
    campaign: Campaign,
    follow: Follow,
    condition: str,
    values: Mapping[str, Any],
    *,
    these: str = "",
    limit: str = "",
) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            LEFT.format(condition=condition, these=these) + limit,
            {**values, "earlier": follow.campaign, "campaign": campaign.pk},
        )
        return [message for (message,) in cursor.fetchall()]
