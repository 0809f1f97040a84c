"""Accounts from which no receipt comes any more: each such time is a gap, which opens and ends by itself.

Receipts follow what is handed over, so that is what they are held against: of the messages since the last receipt, as
many receipts were to be expected as came for each message in the eight days before, as many write once a week. None
where surely some should have come is silence; a weekend on which nothing is sent is none. A few queries that read
counts, however much was sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Max, Min, Q, Sum

from accounts.models import User
from deliveries.ledger.receiver_counts import HANDED_OVER, SLOT, prune
from deliveries.models import Account, Bookmark, ReceiptGap, ReceiverCount

# What was handed over less long ago may be answered yet: of texts nine in ten receipts come within a minute.
LAG = timedelta(minutes=10)
BEFORE = timedelta(days=8)
HOUR = timedelta(hours=1)
FEWEST_BEFORE = 50  # messages by which is judged how many receipts come for each
MOST_EACH = 5.0  # receipts for one message: queued, sent, delivered and what a provider adds
# Receipts that are missing. If they came by chance alone, independently of each other, none of 20 would be seen once in
# 500 million looks; they come in bursts, hence so many.
ENOUGH_MISSING = 20
NAME = "gaps"  # of the bookmark that lets one process do it at a time
CAME = Q(what__lt=HANDED_OVER)


class Lately(NamedTuple):
    """Of one account: when its last receipt came, and how many did within `BEFORE`."""

    last: datetime
    receipts: int


def watch(now: datetime) -> int:
    """How many gaps opened or ended."""
    with transaction.atomic():
        Bookmark.objects.get_or_create(name=NAME, defaults={"at": now})
        mark = Bookmark.objects.select_for_update().get(name=NAME)
        opened = list(
            ReceiptGap.objects.filter(ended_at=None).select_related("account").defer("account__credentials")
        )
        ended = sum(_follow(gap) for gap in opened)
        began = _open({gap.account_id for gap in opened}, now)
        if mark.at.date() != now.date():
            prune(now)
        Bookmark.objects.filter(pk=mark.pk).update(at=now)
    return began + ended


def lately(now: datetime) -> dict[int, Lately]:
    """By account, of those from which receipts came within `BEFORE`. Two queries.

    A receipt that waits to be recorded has come: the account knows its last one from the receiver.
    """
    noted = dict(Account.objects.values_list("pk", "receipt_at"))
    within = ReceiverCount.objects.filter(CAME, slot__gt=now - BEFORE, slot__lte=now).order_by()
    rows = within.values_list("account_id").annotate(last=Max("slot"), receipts=Sum("n"))
    return {
        pk: Lately(max(filter(None, [last + SLOT, noted[pk]])), receipts)
        for pk, last, receipts in rows
        if pk in noted
    }


class HandedOver(NamedTuple):
    """Messages of one account; `first`: when the slot of the first of them begins."""

    n: int
    first: datetime


def handed_over(since: Mapping[int, datetime], until: datetime) -> dict[int, HandedOver]:
    """By account, each from its own moment on until this one. One query; none for no account."""
    if not since:
        return {}
    places = Q()
    for pk, moment in since.items():
        places |= Q(account_id=pk, slot__gte=moment)
    rows = ReceiverCount.objects.filter(places, what=HANDED_OVER, slot__lte=until - SLOT).order_by()
    found = rows.values_list("account_id").annotate(total=Sum("n"), first=Min("slot"))
    return {pk: HandedOver(n, first) for pk, n, first in found}


def _open(known: Collection[int], now: datetime) -> int:
    """Open a gap for each account that is silent now and is not `known` to be."""
    quiet = {pk: one for pk, one in lately(now).items() if pk not in known and one.last < now - LAG}
    silent = handed_over({pk: one.last for pk, one in quiet.items()}, now - LAG)
    whole = handed_over(dict.fromkeys(silent, now - BEFORE), now)
    gaps = []
    for pk, (n, first) in silent.items():
        answered, before = whole[pk].n - n, quiet[pk]
        if answered < FEWEST_BEFORE:
            continue
        expected = min(before.receipts / answered, MOST_EACH) * n
        if expected >= ENOUGH_MISSING:
            began = max(before.last, first)
            hours = max((now - LAG - began) / HOUR, SLOT / HOUR)
            gap = ReceiptGap(
                account_id=pk, began_at=began, noticed_at=now, per_hour=expected / hours, handed_over=n
            )
            gaps.append(gap)
    ReceiptGap.objects.bulk_create(gaps, ignore_conflicts=True)
    return len(gaps)


def _follow(gap: ReceiptGap) -> bool:
    """Count the messages it is about by now; whether it has ended, for receipts have come again."""
    rows = ReceiverCount.objects.filter(account_id=gap.account_id, slot__gte=gap.began_at).order_by()
    found = rows.aggregate(again=Min("slot", filter=CAME), handed_over=Sum("n", filter=~CAME))
    gap.handed_over = found["handed_over"] or gap.handed_over
    noted = gap.account.receipt_at
    gap.ended_at = found["again"] or (noted if noted and noted > gap.began_at else None)
    gap.save(update_fields=["handed_over", "ended_at"])
    return gap.ended_at is not None


def release(pk: int, by: User, note: str, now: datetime) -> bool:
    """Let what waits for evidence go on as if there were no gap; False when it ended or was let go meanwhile."""
    rows = ReceiptGap.objects.filter(pk=pk, ended_at=None, released_at=None)
    return bool(rows.update(released_at=now, released_by=by, note=" ".join(note.split())[:300]))
