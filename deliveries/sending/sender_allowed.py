"""What waits for a sender that may not send leaves once it may again, whoever set that right and however.

Claiming holds it with no time (`WHEN_ALLOWED`), so that it is not claimed for nothing again and again. It goes by what
holds now: whoever approves a sender need not come here. What is no longer relevant meanwhile is withdrawn by the gate.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from campaigns.models import Campaign, Sender
from contacts.gate import Reason
from contacts.states import SENDER_MAY_SEND
from deliveries.models import Message, Outbox
from deliveries.models.work import WHEN_ALLOWED
from deliveries.sending.claiming import lock
from deliveries.sending.lanes import lanes
from deliveries.wake import wake

AT_ONCE = 5_000  # messages in one transaction
State = Campaign.State


def let_go(now: datetime) -> int:
    """The next messages of senders that may send again, or that are to be withdrawn, are due; how many."""
    those = list(lanes())
    if not those:
        return 0
    senders = Sender.objects.filter(pk__in={lane.sender_id for lane in those}, state__in=SENDER_MAY_SEND)
    allowed = set(senders.values_list("pk", flat=True))
    # Both values of `urgent` are named for the index of the lanes.
    waiting = Outbox.objects.filter(
        claimed_until=None, urgent__in=[True, False], due_at=WHEN_ALLOWED, held=Reason.SENDER_NOT_APPROVED
    )
    late = Campaign.objects.filter(state__in=[State.LAUNCHING, State.SENDING], relevant_until__lte=now)
    groups = [waiting.filter(**lane._asdict()) for lane in those if lane.sender_id in allowed]
    return sum(
        map(_let_go, [*groups, waiting.filter(campaign_id__in=list(late.values_list("pk", flat=True)))])
    )


def _let_go(waiting: QuerySet[Outbox]) -> int:
    if not waiting.exists():
        return 0  # without taking SQLite's only write lock
    with transaction.atomic():
        ids = [row.pk for row in lock(waiting.order_by("pk")[:AT_ONCE])]
        meant = Message.objects.filter(pk=OuterRef("pk")).values("due_at")
        Outbox.objects.filter(pk__in=ids).update(due_at=Subquery(meant), held="")
        transaction.on_commit(wake)
    return len(ids)
