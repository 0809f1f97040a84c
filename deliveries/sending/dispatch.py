"""Handing messages over: claim, gate, call the provider, store its answer.

The claim and the gate are one transaction (`claiming.py`); the calls run outside of any (`transport.py`); the answers
are stored in another (`answers.py`). A process that dies between leaves claimed rows whose time runs out: those
messages may or may not have left, so they are looked up at the provider, or wait for their receipt, and are never
simply sent again.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from deliveries.ledger.statements import inbound_waits, rewrite
from deliveries.models import Outbox
from deliveries.receiving.recording import record_inbound
from deliveries.sending.answers import Dispatched, note_not_asked, store_answers
from deliveries.sending.claiming import claim_due, count_endings, lock, prepare
from deliveries.sending.transport import LEASE, Transport

CLAIM = 50  # messages that may be in doubt when a process is killed


def dispatch(now: datetime, transport: Transport | None = None, limit: int = CLAIM) -> Dispatched:
    """Hand over one batch of due messages, once everything that people wrote so far is recorded.

    Who was told that their STOP has arrived is not written to any more, however much else waits to be recorded. What
    was claimed before it arrived, at most `limit` messages of each process, is on its way already.
    """
    result = Dispatched()
    transport = transport or Transport()
    if not record_inbound(now):
        return Dispatched(listened=1)
    with transaction.atomic():
        if inbound_waits():  # before the gate looks: what is recorded while it does, it may not see
            return Dispatched(listened=1)
        rows, result.held, result.stopped = claim_due(now, limit)
    # Outside of the claim: a message that cannot be put together must not hold up those that were claimed with it.
    claimed = prepare(rows, {}, now)
    if claimed:
        store_answers(transport.hand_over(claimed), now, result)
    return result


def recover(now: datetime, transport: Transport | None = None, limit: int = CLAIM) -> Dispatched:
    """Deal with handovers whose process died: look each message up; send again only what surely never left."""
    result = Dispatched()
    transport = transport or Transport()
    with transaction.atomic():
        rows = lock(Outbox.objects.filter(claimed_until__lt=now).order_by("claimed_until")[:limit])
        rows = count_endings(rows, now)
        began = {row.message_id: row.claimed_until - LEASE for row in rows if row.claimed_until}
        for row in rows:
            row.claimed_until, row.held = now + LEASE, ""
        rewrite(rows, ["claimed_until", "held"])
    claimed = prepare(rows, began, now)
    if claimed:
        answers = transport.find(claimed)
        note_not_asked(claimed, answers)
        store_answers(answers, now, result, found=True)
    return result
