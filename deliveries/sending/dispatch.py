"""Handing messages over: claim, gate, call the provider, store its answer.

The claim and the gate are one transaction (`claiming.py`); the calls run outside of any (`transport.py`); the answers
are stored in another (`answers.py`). A process that dies between leaves claimed rows whose time runs out: those
messages may or may not have left, so they are looked up at the provider, or wait for their receipt, and are never
simply sent again.

Here one batch at a time: for the demo's simulated clock, and for whoever drains without a process that sends. That one
(`send_loop.py`) does the same with many calls under way.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import transaction

from deliveries.ledger.statements import inbound_waits, rewrite
from deliveries.models import Account, Outbox
from deliveries.receiving.recording import record_inbound
from deliveries.sending.answers import Dispatched, store_answers
from deliveries.sending.claiming import (
    Gated,
    claim_due,
    count_endings,
    give_back,
    give_back_refused,
    load,
    lock,
    prepare,
)
from deliveries.sending.pacing import Clock
from deliveries.sending.transport import BEGIN_WITHIN, LEASE, Claimed, Transport

CLAIM = 50  # of each account: messages that may be in doubt when a process is killed


def dispatch(now: datetime, transport: Transport | None = None, limit: int = CLAIM) -> Dispatched:
    """Hand over one batch of due messages, up to `limit` of each account."""
    result = Dispatched()
    accounts = Account.objects.readable()
    claimed = claim(now, {account.pk: limit for account in accounts}, result)
    store_answers((transport or Transport()).hand_over(claimed), now, result)
    return result


def recover(now: datetime, transport: Transport | None = None, limit: int = CLAIM) -> Dispatched:
    """Deal with handovers whose process died: look each message up; send again only what surely never left."""
    result = Dispatched()
    accounts = [account.pk for account in Account.objects.readable()]
    store_answers((transport or Transport()).hand_over(claim_in_doubt(now, accounts, limit)), now, result)
    return result


def claim(now: datetime, room: Mapping[int, int], result: Dispatched, *, busy: bool = False) -> list[Claimed]:
    """Due messages that may go, up to `room` of each account, once everything that people wrote so far is recorded.

    Who was told that their STOP has arrived is not written to any more, however much else waits to be recorded. Only
    what was claimed before it arrived is on its way already. What is held or stopped is counted in `result`.
    `busy`: other calls of this process are under way.
    """
    begin_by, clock = time.monotonic() + BEGIN_WITHIN, Clock(now)
    if not record_inbound(now):
        result.listened = 1
        return []
    with transaction.atomic():
        if inbound_waits():  # before the gate looks: what is recorded while it does, it may not see
            result.listened = 1
            return []
        gated = claim_due(now, room, busy=busy, clock=clock)
    gated = _without_who_wrote(gated, now)
    result.held += gated.held
    result.stopped += gated.stopped
    # Outside of the claim: a message that cannot be put together must not hold up those that were claimed with it.
    claimed = prepare(gated.claimed, gated.loaded, {}, now, begin_by)
    turns = gated.turns
    return [
        each._replace(begin_at=turn.begins, late=turn.late) if (turn := turns.get(each.message.pk)) else each
        for each in claimed
    ]


def _without_who_wrote(gated: Gated, now: datetime) -> Gated:
    """What was stored while the claim was made the gate has not seen, and it may be a STOP: it is recorded, and the
    gate is asked once more. Other opt-outs wait until the claim is committed, as they withdraw the same rows."""
    if not gated.claimed or not inbound_waits():
        return gated
    if record_inbound(now):
        with transaction.atomic():
            return give_back_refused(gated, now)
    give_back(gated.claimed)  # another process is just recording it
    return gated._replace(claimed=[])


def claim_in_doubt(
    now: datetime, accounts: Collection[int], limit: int, *, without: Collection[int] = ()
) -> list[Claimed]:
    """Up to `limit` messages of these accounts whose claim ran out, to be looked up at their providers; `without`
    those."""
    begin_by = time.monotonic() + BEGIN_WITHIN
    with transaction.atomic():
        ended = Outbox.objects.filter(claimed_until__lt=now, account_id__in=accounts)
        ended = ended.exclude(pk__in=without) if without else ended
        rows = lock(ended.order_by("claimed_until")[:limit])
        rows = count_endings(rows, now)
        began = {row.message_id: row.claimed_until - LEASE for row in rows if row.claimed_until}
        for row in rows:
            row.claimed_until, row.held = now + LEASE, ""
        rewrite(rows, ["claimed_until", "held"])
        loaded = load(rows)
    return prepare(rows, loaded, began, now, begin_by)
