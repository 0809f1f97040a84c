"""Follow-ups: whoever of the earlier campaign has come to meet the condition becomes a recipient of the later one.

A step of the worker looks again and again for people of the earlier campaign who are no recipients yet, and takes them
a chunk at a time, as an expansion does and by the same statements: the gate, the permitted hours and what was decided
about lists hold as for every first message. Of those who were not reached it waits while the earlier campaign's own
playbook still has something for them. Nobody becomes a recipient twice: the statement leaves out who is one, and
a unique key says so too. What waits and is no longer meant is withdrawn, such as the reminder of somebody who clicked
meanwhile; of what was not yet, the claim asks once more (`still_meant.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from campaigns.models import Campaign
from deliveries.deciding.attempts import withdraw
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.sending import launching
from deliveries.sending.expansion import CHUNK, CannotSend, fill
from deliveries.sending.meant import newly_of, next_of
from deliveries.sending.still_meant import NO_LONGER_MEANT, waiting_in_vain

WITHDRAWN_AT_ONCE = 1_000
# A round looks at those of whom it came to be so since the last one that found nobody more, and a while before; and
# at all now and then, for what is reported late.
OVERLAP, ALL_AGAIN = timedelta(minutes=10), timedelta(minutes=10)


@dataclass
class LastLook:
    """When this process last looked at `all` and found nobody more, and last at any who were `new`."""

    all: datetime
    new: datetime


_looked: dict[int, LastLook] = {}  # by follow-up


def run(now: datetime) -> int:
    """A chunk of each follow-up that is going; return how many there were to look at."""
    going = list(Campaign.objects.filter(state=Campaign.State.SENDING, follows__isnull=False).order_by("pk"))
    done = sum(
        quarantine.run(Kind.PREPARE, each.pk, partial(_step, each.pk, now), now, hopeless=(CannotSend,))
        for each in going
    )
    aside = quarantine.reasons(Kind.PREPARE, [each.pk for each in going]) if going else {}
    for campaign in going:
        if campaign.pk in aside:
            launching.pause(campaign)
    return done


def _step(campaign_id: int, now: datetime, chunk: int = CHUNK) -> int:
    """1 while its round goes on, 0 at the end of it. Raises CannotSend. Holds the campaign's row only where it has
    found somebody."""
    campaign = Campaign.objects.select_related("follows__playbook").get(pk=campaign_id)
    if not _is_going(campaign, now):
        return 0
    since = _since(campaign, now)
    found = next_of(newly_of(campaign, since), campaign.expanded_to, chunk, now)
    if found is None:
        _note(campaign, since, now)
        return _end_round(campaign, now)
    first, last = found
    with transaction.atomic():
        campaign = Campaign.objects.select_for_update().get(pk=campaign_id)
        if not _is_going(campaign, now):
            return 0
        campaign.expanded_to = first - 1
        fill(campaign, last, now)
        campaign.audience_size = campaign.expanded_count
        campaign.save(update_fields=["audience_size"])
    return 1


def _since(campaign: Campaign, now: datetime) -> datetime | None:
    """The round looks at those of whom it is so only since then; None for all. What happened at a moment counts so many
    hours after it."""
    looked = _looked.get(campaign.pk)
    if looked is None or not looked.all <= looked.new <= now < looked.all + ALL_AGAIN:
        return None
    return looked.new - timedelta(hours=campaign.follow_hours) - OVERLAP


def _note(campaign: Campaign, since: datetime | None, now: datetime) -> None:
    """Nobody more was found: of all, where the round began with the first of them."""
    if campaign.expanded_to:
        return
    if since is None:
        _looked[campaign.pk] = LastLook(now, now)
    else:
        _looked[campaign.pk].new = now


def forget() -> None:
    """Look at all again."""
    _looked.clear()


def _end_round(campaign: Campaign, now: datetime) -> int:
    if left := waiting_in_vain(campaign, now, WITHDRAWN_AT_ONCE):
        with transaction.atomic():
            withdraw(left, NO_LONGER_MEANT, now)
    if len(left) == WITHDRAWN_AT_ONCE:
        return 1  # there are more
    if campaign.expanded_to:
        Campaign.objects.filter(pk=campaign.pk).update(expanded_to=0)
    return 0


def _is_going(campaign: Campaign, now: datetime) -> bool:
    return (
        campaign.state == Campaign.State.SENDING and campaign.has_begun(now) and not _is_late(campaign, now)
    )


def _is_late(campaign: Campaign, now: datetime) -> bool:
    return campaign.relevant_until is not None and campaign.relevant_until <= now
