"""What waits to be done, and since when: by which the health of the processes is judged."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from campaigns.models import Campaign
from deliveries.models import Account, Heartbeat, Outbox, PendingReceipt, Receipt, StatusChange
from deliveries.sending.lanes import lanes
from deliveries.sending.pacing import waiting_their_turn

Role = Heartbeat.Role


def overdue(roles: Collection[str], now: datetime) -> datetime | None:
    """Since when work of these roles waits that should have been done long ago; None when there is none."""
    oldest = [since for role in roles if (since := OLDEST[Role(role)](now))]
    limit = now - timedelta(seconds=settings.WORKER_STALL_SECONDS)
    return min((since for since in oldest if since < limit), default=None)


def oldest_receipt() -> datetime | None:
    """When the oldest receipt came in that nobody has looked at yet; None when there is none.

    One that was parked and is to be tried once more has been looked at.
    """
    waiting = PendingReceipt.objects.filter(state=PendingReceipt.State.NEW, attempts=0).order_by("receipt_id")
    first = waiting.values_list("receipt_id", flat=True).first()
    # By its id and not by a join, which would open every partition of the receipts.
    return Receipt.objects.filter(pk=first).values_list("received_at", flat=True).first() if first else None


def oldest_change() -> datetime | None:
    """When the message changed that deciding has not looked at for the longest time; None when there is none."""
    return StatusChange.objects.order_by("pk").values_list("changed_at", flat=True).first()


def oldest_due(now: datetime) -> datetime | None:
    """Since when the longest waiting message could have been handed over; None when nothing is due.

    One whose account rests, whose campaign is paused or whose sender keeps to a rate waits for that, not for a process.
    """
    stalled = now - timedelta(seconds=settings.WORKER_STALL_SECONDS)
    resting = Account.objects.filter(Q(paused_until__gt=now) | Q(active=False)).values_list("pk", flat=True)
    paused = Campaign.objects.filter(outbox_to__isnull=False, state=Campaign.State.PAUSED).values_list(
        "pk", flat=True
    )
    free = Outbox.objects.filter(claimed_until=None, due_at__lte=now)
    free = free.exclude(account_id__in=list(resting)).exclude(campaign_id__in=list(paused))
    # Twice for each lane, whose index holds the ordinary ones and the urgent ones apart: look-ups instead of a scan.
    waiting = list(lanes())
    paced = waiting_their_turn(waiting, stalled)
    halves = [
        free.filter(**lane._asdict(), urgent=urgent)
        for lane in waiting
        if lane not in paced
        for urgent in (True, False)
    ]
    firsts = (half.order_by("due_at", "message").values_list("due_at", flat=True).first() for half in halves)
    return min((due_at for due_at in firsts if due_at), default=None)


def oldest_launch() -> datetime | None:
    """When the campaign was launched whose audience has been prepared for the longest time; None for none."""
    launching = Campaign.objects.filter(state=Campaign.State.LAUNCHING).order_by("launched_at")
    return launching.values_list("launched_at", flat=True).first()


OLDEST: dict[Role, Callable[[datetime], datetime | None]] = {
    Role.RECORD: lambda now: oldest_receipt(),
    Role.DECIDE: lambda now: oldest_change(),
    Role.SEND: oldest_due,
    Role.REST: lambda now: oldest_launch(),
}
