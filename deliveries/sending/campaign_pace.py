"""Campaigns that send only so many messages a minute, whatever their senders may: each message gets its own moment.

A campaign's row of `Pace` says when its next message may begin; the transaction that claims locks it. What is due
before its turn waits for that moment, and then goes without another one, unless it could not go then and comes much
later: what had piled up meanwhile must not leave all at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection

from campaigns.models import Campaign, Pace
from campaigns.rates import campaign_key
from deliveries.ledger.statements import backend, rewrite
from deliveries.models import Outbox
from deliveries.models.work import OWN_PACE
from deliveries.sending.lanes import Lane
from deliveries.sending.pacing import HORIZON

# Seconds over which so many messages stand as may leave in a minute: by the one more, one call may be later or earlier
# than it should be, by far less than that, and no minute holds more all the same.
MINUTE = 61.0
STALE = timedelta(seconds=5)  # a turn that was not taken by then is gone
MORE_AT_ONCE = 500  # messages behind those claimed that are given their turn with them, out of others' way


class CampaignTurns(NamedTuple):
    """Of messages that may go by all else: those whose campaign lets them go now, though they may have to wait for
    their sender; and those that wait, `until` then, None: for a moment."""

    taken: frozenset[int] = frozenset()
    until: Mapping[int, datetime | None] = {}


NONE = CampaignTurns()


def campaign_turns(rows: Sequence[Outbox], campaigns: Mapping[int, Campaign], now: datetime) -> CampaignTurns:
    """Of `rows`, those of campaigns with a pace, urgent ones and the longest waiting first. Call it in the transaction
    that claims, before senders' turns are given."""
    theirs = _by_campaign(rows, campaigns)
    if not theirs:
        return NONE
    paces = _lock(theirs, now)
    taken: set[int] = set()
    until: dict[int, datetime | None] = {}
    for campaign_id, those in theirs.items():
        pace = paces.get(campaign_id)
        for row in those:
            if row.held == OWN_PACE and row.due_at > now - STALE:
                taken.add(row.message_id)
            elif pace is None:  # another process is just giving turns
                until[row.message_id] = None
            elif (at := _next(pace, campaigns[campaign_id], now)) <= now + timedelta(seconds=HORIZON):
                taken.add(row.message_id)
            else:
                until[row.message_id] = at
    rewrite(list(paces.values()), ["next_at"])
    return CampaignTurns(frozenset(taken), until)


def give_more_turns(
    pushed: Sequence[Outbox], campaigns: Mapping[int, Campaign], now: datetime, without: Sequence[int]
) -> list[Outbox]:
    """What is due behind messages that wait for their campaign's turn, in the same lanes, and would be in the way of
    other campaigns there: given its turn too. The rows, changed and not saved."""
    lanes = dict.fromkeys((Lane(row.account_id, row.sender_id) for row in pushed), MORE_AT_ONCE)
    if not lanes:
        return []
    known = [row.message_id for row in pushed]
    due = [
        row
        for urgent in (True, False)
        for row in backend().lock_due(lanes, now, without, known, urgent=urgent)
    ]
    theirs = _by_campaign([row for row in due if row.held != OWN_PACE], campaigns)
    paces = _lock(theirs, now) if theirs else {}
    more: list[Outbox] = []
    for campaign_id, pace in paces.items():
        for row in theirs[campaign_id]:
            row.due_at, row.held = _next(pace, campaigns[campaign_id], now), OWN_PACE
            more.append(row)
    rewrite(list(paces.values()), ["next_at"])
    return more


def _by_campaign(rows: Sequence[Outbox], campaigns: Mapping[int, Campaign]) -> dict[int, list[Outbox]]:
    found: dict[int, list[Outbox]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (not row.urgent, row.due_at, row.message_id)):
        campaign = campaigns.get(row.campaign_id)
        if campaign and campaign.per_minute:
            found[row.campaign_id].append(row)
    return found


def _lock(campaign_ids: Mapping[int, object], now: datetime) -> dict[int, Pace]:
    """Their rows, made where there is none; those that another process has locked are left out."""
    keys = {campaign_key(pk): pk for pk in sorted(campaign_ids)}
    skip = connection.features.has_select_for_update_skip_locked
    if len(found := list(Pace.objects.filter(pk__in=keys))) < len(keys):
        missing = keys.keys() - {pace.key for pace in found}
        Pace.objects.bulk_create(
            [Pace(key=key, next_at=now) for key in sorted(missing)], ignore_conflicts=True
        )
    rows = Pace.objects.select_for_update(skip_locked=skip).filter(pk__in=keys).order_by("pk")
    return {keys[pace.key]: pace for pace in rows}


def _next(pace: Pace, campaign: Campaign, now: datetime) -> datetime:
    """The next moment, which is taken."""
    at = max(pace.next_at, now)
    pace.next_at = at + timedelta(seconds=MINUTE / (campaign.per_minute or 1))
    return at
