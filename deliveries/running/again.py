"""Trying again what was set aside: what has to be undone first differs with the kind of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from campaigns.models import Campaign
from deliveries.models import CampaignStop, Outbox, Quarantined
from deliveries.sending import launching
from deliveries.sending.claiming import ANSWER_LOST, SET_ASIDE
from deliveries.wake import wake

Kind = Quarantined.Kind


def try_again(rows: Sequence[Quarantined], now: datetime) -> int:
    """Have these tried again soon, their attempts counted anew; return how many there are."""
    with transaction.atomic():
        pks = [row.pk for row in rows]
        found = Quarantined.objects.filter(pk__in=pks)
        # A campaign that could not be prepared was paused for it. One that stopped by itself meanwhile stays paused:
        # whether it goes on is for somebody who has looked at why.
        unprepared = found.filter(kind=Kind.PREPARE, not_before=None).values("object_id")
        stopped = CampaignStop.objects.filter(resumed_at=None).values("campaign")
        for campaign in Campaign.objects.filter(pk__in=unprepared).exclude(pk__in=stopped):
            launching.resume(campaign, now=now)
        # A message is still claimed: whether it left is asked of the provider first.
        messages = found.filter(kind=Kind.HAND_OVER).values("object_id")
        aside = Outbox.objects.filter(pk__in=messages, held=SET_ASIDE)
        aside.update(claimed_until=now - timedelta(seconds=1), held=ANSWER_LOST)
        found.update(attempts=0, not_before=now)
        transaction.on_commit(wake)
    return len(pks)
