"""Accounts that rest: a provider that takes nothing is left alone for a while, and the queue waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db.models import F, Q

from deliveries.models import Account

OUTAGE_FAILURES = 5  # handovers refused in a row before the account rests
OUTAGE_PAUSE = timedelta(seconds=60)


def count_failures(failed: Sequence[Account], answered: Collection[int], now: datetime) -> None:
    """Handovers that were put off, or whose answer was lost: after several in a row the account rests.

    An account that answered to others of the same batch is busy, not away.
    """
    counts = Counter(account.pk for account in failed if account.pk not in answered)
    for pk, n in sorted(counts.items()):  # in one order everywhere, so that two processes cannot deadlock
        Account.objects.filter(pk=pk).update(failures=F("failures") + n)
    tired = Account.objects.filter(failures__gte=OUTAGE_FAILURES, pk__in=counts)
    until = now + OUTAGE_PAUSE
    shorter = Q(paused_until=None) | Q(paused_until__lt=until)  # a longer pause was made by hand
    tired.filter(shorter).update(paused_until=until)
    tired.update(failures=0)


def clear_failures(account_ids: set[int], now: datetime) -> None:
    """These accounts answered: whatever failed before is over."""
    Account.objects.filter(pk__in=account_ids, failures__gt=0).update(failures=0)
