"""Replies that people have to read: what they say each was, and what follows from it.

What somebody wrote is their own; whether it was an opt-out is said by a colleague by name, and can be said anew.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import User
from campaigns.models import Recipient
from contacts.consent_ledger import contacts_at
from contacts.consenting import record_opt_out
from contacts.gate import Reason
from contacts.gate_facts import unread_since
from contacts.models import Reply
from contacts.models.replies import HOLDING, TO_DO
from contacts.withdrawing import withdraw_opt_out
from deliveries.deciding.stopping import look_again, stop_paths
from deliveries.ledger import engagement
from deliveries.models import Outbox

Judgement, Reading = Reply.Judgement, Reply.Reading
COUNTED_AT_MOST = 1_000  # for the navigation


def count_to_read() -> int:
    """How many replies hold up what is sent to their writers; COUNTED_AT_MOST for that many and more."""
    return Reply.objects.holding()[:COUNTED_AT_MOST].count()


def count_to_do() -> int:
    """How many ask for something that nobody has done yet; counted as far as the others."""
    return Reply.objects.to_do()[:COUNTED_AT_MOST].count()


def count_waiting() -> int:
    """How many wait for somebody, to be read or to have done what they ask for; counted as far as the others."""
    return Reply.objects.filter(HOLDING | TO_DO)[:COUNTED_AT_MOST].count()


@transaction.atomic
def work_on(pk: int, act: str, by: User, now: datetime) -> str:
    """Take, give back, finish or open again what a reply asks for. What was done, in a sentence; '' where somebody
    was faster, or it asks for nothing."""
    acts: dict[str, tuple[str, Q, dict[str, Any]]] = {
        "take": ("It is yours.", Q(owner=None, done_at=None), {"owner": by}),
        "back": ("Given back. It is nobody's now.", Q(owner=by, done_at=None), {"owner": None}),
        "done": ("Done.", Q(done_at=None), {"done_at": now, "done_by": by}),
        "reopen": ("Open again.", Q(done_at__isnull=False), {"done_at": None, "done_by": None}),
    }
    said, condition, changed = acts[act]
    mine = Reply.objects.filter(condition, pk=pk).exclude(asks="")
    return said if mine.update(**changed) else ""


def count_acted_on() -> int:
    """How many were taken for opt-outs at once and wait to be looked over; counted as far as the others."""
    return Reply.objects.unread().filter(acted=True)[:COUNTED_AT_MOST].count()


@transaction.atomic
def judge(pk: int, judgement: str, seen: str, *, by: User, now: datetime) -> Reply | None:
    """Say what the reply was. None when there is no such reply, or somebody said otherwise since `seen`: the
    judgement, '' for none, that `by` was shown.

    An opt-out does what a STOP does. No opt-out lifts what was recorded for this reply, nothing else, and lets go
    what waited for it.
    """
    reply = Reply.objects.select_for_update().filter(pk=pk, doubtful=True, judgement=seen).first()
    if reply is None or reply.judgement == judgement:
        return None
    reply.judgement, reply.read_at, reply.read_by = judgement, now, by
    reply.reading = Reading.STOP if judgement == Judgement.OPT_OUT else Reading.OTHER
    reply.save(update_fields=["judgement", "read_at", "read_by", "reading"])
    if judgement == Judgement.OPT_OUT:
        _opt_out(reply, by, now)
        # Whoever wants nothing more from us asks nothing of us either.
        Reply.objects.to_do().filter(pk=pk).exclude(asks=Reply.Asks.WRONG).update(done_at=now, done_by=by)
    else:
        _no_opt_out(reply, by, now)
    engagement.note([reply.message_id])
    return reply


def _opt_out(reply: Reply, by: User, now: datetime) -> None:
    """Already done, it is confirmed."""
    if reply.acted:
        return
    for value in reply.values:
        record_opt_out(
            value=value,
            channel=reply.channel,
            how=f"Reply, read by {by.display_name}",
            evidence=reply.text[:500],
            at=reply.at,
            fact=reply.ground,
            by=by,
        )
    stop_paths(reply.values, now)
    Reply.objects.filter(pk=reply.pk).update(acted=True)


def _no_opt_out(reply: Reply, by: User, now: datetime) -> None:
    note = f"Read by {by.display_name}: no opt-out"
    contacts = {contact for value in reply.values for contact in contacts_at(value)}
    if reply.acted:
        for value in reply.values:
            withdraw_opt_out(value=value, fact=reply.ground, by=by, note=note, now=now)
        Reply.objects.filter(pk=reply.pk).update(acted=False, round=reply.round + 1)
        look_again(Recipient.objects.filter(contact_id__in=contacts), now)
    free = contacts - set(unread_since(contacts))
    Outbox.objects.filter(
        message__contact_id__in=free, held=Reason.REPLY_UNREAD, claimed_until=None, due_at__gt=now
    ).update(due_at=now)
