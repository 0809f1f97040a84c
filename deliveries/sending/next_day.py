"""What waits for its sender's next day leaves today after all, where the sender may send more again: its limit was
raised or taken away, or its mail domain no longer warms up.

It goes by what holds now, not by what was changed: whoever changes a limit need not come here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from campaigns.models import Pace
from campaigns.rates import Limit, next_days
from deliveries.ledger.statements import rewrite
from deliveries.models import Outbox
from deliveries.models.work import DAILY_LIMIT
from deliveries.sending.claiming import load, lock
from deliveries.sending.lanes import Lane, lanes
from deliveries.sending.pacing import MUCH, limits_of, show_due, weights_of

AT_ONCE = 500  # messages of a lane, in one turn


def let_go(now: datetime) -> int:
    """What waits for the next day and fits into this one is due now, urgent ones first; how many messages."""
    waiting = Outbox.objects.filter(claimed_until=None, held=DAILY_LIMIT, due_at__in=next_days(now))
    those = [lane for lane in lanes() if waiting.filter(**lane._asdict()).exists()]
    limits = limits_of(those, now) if those else {}
    return sum(_let_go(lane, limits.get(lane, ()), now) for lane in those)


@transaction.atomic
def _let_go(lane: Lane, limits: Sequence[Limit], now: datetime) -> int:
    mine = Outbox.objects.filter(**lane._asdict(), claimed_until=None)
    # What is due already goes before it. A text that does not fit into the rest of the day goes on waiting.
    left = left_today(limits, now)
    left -= mine.filter(due_at__lte=now)[: max(left, 0)].count()
    if left <= 0:
        return 0
    waiting = mine.filter(held=DAILY_LIMIT, due_at__in=next_days(now)).order_by("-urgent", "due_at", "pk")
    rows = lock(waiting[: min(left, AT_ONCE)])
    messages, contents, _ = load(rows)
    weights = weights_of(rows, contents, messages)
    fitting = []
    for row in rows:
        if weights[row.message_id] <= left:
            left -= weights[row.message_id]
            row.held, row.due_at = "", now
            fitting.append(row)
    rewrite(fitting, ["held", "due_at"])
    show_due(fitting)
    return len(fitting)


def left_today(limits: Sequence[Limit], now: datetime) -> int:
    """How many more may leave today; as good as all where no day is limited."""
    daily = [limit for limit in limits if limit.rate.per_day]
    paces = Pace.objects.in_bulk([limit.key for limit in daily])
    left = [
        limit.rate.per_day - (paces[limit.key].used_on(limit.day(now)) if limit.key in paces else 0)
        for limit in daily
    ]
    return min(left, default=MUCH)
