"""Selections, queues and results of bulk actions, as tests ask for them."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from campaigns.models import Recipient
from deliveries.bulk.selections import Selection
from deliveries.models import Batch, Message, QueueEntry
from deliveries.outcomes.filters import read_view
from deliveries.outcomes.narrowing import OutcomeView

HOUR = timedelta(hours=1)
DONE, UNDONE = Batch.State.DONE, Batch.State.UNDONE


def these(*messages, now):
    return Selection(OutcomeView(None), tuple(message.pk for message in messages), now)


def queue(name, campaign, now, **filters):
    return Selection(read_view(campaign.pk, name, filters), (), now)


def outcomes(batch):
    return Counter(batch.items.values_list("outcome", "reason"))


def world():
    """What undo has to bring back."""
    return (
        list(Recipient.objects.order_by("pk").values()),
        list(QueueEntry.objects.order_by("pk").values()),
        list(Message.objects.filter(canceled_at=None).order_by("pk").values_list("pk", "status")),
    )
