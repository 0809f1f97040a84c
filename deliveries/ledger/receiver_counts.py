"""How many receipts came from each account, how long they waited to be recorded, and how many messages were handed over
there: counted in slots of five minutes, so that nobody has to look at receipts or messages."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection

from deliveries.ledger.statements.values import ClaimedReceipt
from deliveries.ledger.tallies import bump
from deliveries.models import ReceiverCount

SLOT = timedelta(minutes=5)
# Seconds from the moment it came to the one at which it was read: the upper ends of the buckets, and one more.
BOUNDS = (1, 5, 15, 60, 300, 1_800)
HANDED_OVER = 100  # in the place of a bucket: how many messages were handed over in that slot
KEPT = timedelta(days=35)
WRITTEN = "inbound"  # the kind of receipt that answers no message of ours: people write when they like


def slot_of(moment: datetime) -> datetime:
    """When the slot begins that `moment` lies in."""
    return moment.replace(minute=moment.minute - moment.minute % 5, second=0, microsecond=0)


def count_receipts(claimed: Iterable[ClaimedReceipt], now: datetime) -> None:
    """Each once, at its first reading, by when it came. Call last in the transaction that records them."""
    counts: Counter[tuple] = Counter()
    for receipt in claimed:
        if receipt.attempts == 0 and receipt.kind != WRITTEN:
            waited = bisect_left(BOUNDS, (now - receipt.received_at).total_seconds())
            counts[_stored(slot_of(receipt.received_at)), receipt.account_id, waited] += 1
    bump(ReceiverCount, counts)


def count_handovers(accounts: Iterable[int], now: datetime) -> None:
    """`accounts`: those by which messages were handed over at `now`, each as often as it took one."""
    slot = _stored(slot_of(now))
    bump(ReceiverCount, Counter((slot, account, HANDED_OVER) for account in accounts))


def _stored(moment: datetime) -> object:
    return connection.ops.adapt_datetimefield_value(moment)


def prune(now: datetime) -> None:
    ReceiverCount.objects.filter(slot__lt=now - KEPT).delete()
