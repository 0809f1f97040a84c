"""Receipts that could not be processed, tried again because somebody asked for it. Who and when is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts.models import User
from deliveries.models import PendingReceipt, ReceiptRetry
from deliveries.wake import wake

MOST = 5_000  # of one act: the same button takes the next ones
State = PendingReceipt.State


def try_again(ids: Sequence[int], by: User, now: datetime, *, reason: str = "", note: str = "") -> int:
    """Back to the front, as if these had just come in; return how many. What is not dead is on its way already.

    `reason`: the one they share, where that is how they were chosen; `note`: why they are tried again.
    """
    with transaction.atomic():
        dead = PendingReceipt.objects.filter(receipt_id__in=ids, state=State.DEAD)
        n = dead.update(state=State.NEW, attempts=0, not_before=None, reason="")
        if n:
            ReceiptRetry.objects.create(at=now, by=by, reason=reason, n=n, note=" ".join(note.split())[:300])
            transaction.on_commit(wake)
    return n


def with_reason(reason: str) -> list[int]:
    """The dead letters with this reason, oldest first, at most MOST."""
    dead = PendingReceipt.objects.filter(state=State.DEAD, reason=reason).order_by("receipt_id")
    return list(dead.values_list("receipt_id", flat=True)[:MOST])
