"""The action queues: which attempt stands in which, by what was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from contacts.blocking import Target, blocks, stand_for
from contacts.channels import Closed
from contacts.models import Address
from deliveries.deciding.context import Context, reason_of
from deliveries.deciding.decide import CORRECT_IT, PERMANENT, Step, is_record_right
from deliveries.deciding.facts import Decided
from deliveries.deciding.health import NO_FAILURES, is_forgiven
from deliveries.deciding.recipients import RecipientContext
from deliveries.ledger.tallies import bump
from deliveries.models import Message, QueueEntry, QueueTally
from deliveries.statuses import Disposition, Fault, Queue


def line_up(
    views: Sequence[RecipientContext],
    decided: dict[int, Decided],
    made: dict[int, Message],
    context: Context,
    now: datetime,
) -> None:
    """Let each attempt stand in the queue its decision names, and in no other."""
    entries = QueueEntry.objects.in_bulk([m.pk for view in views for m in view.messages])
    earlier = [m for view in views for m in view.messages[:-1] if m.pk in entries or _is_bad(m, context)]
    keep = _still_asked(earlier, entries, context, now)
    fresh, gone = [], []
    changes: Counter[tuple] = Counter()
    for view in views:
        plan = decided[view.recipient.pk]
        for message in view.messages:
            entry = entries.get(message.pk)
            queue = _queue_of(view, message, plan, keep.get(message.pk, ""), acted=view.recipient.pk in made)
            if entry and queue != entry.queue:
                gone.append(entry.pk)
                changes[entry.campaign_id, entry.queue] -= 1
            if queue and (entry is None or queue != entry.queue):
                changes[view.campaign.pk, queue] += 1
            if queue:
                before = entry if entry and entry.queue == queue else None
                is_head = message is view.head
                fresh.append(_entry(message, queue, plan, before, context, now, is_head=is_head))
    QueueEntry.objects.filter(pk__in=gone).delete()
    QueueEntry.objects.bulk_create(
        fresh,
        batch_size=300,
        update_conflicts=True,
        unique_fields=["message"],
        update_fields=["status", "disposition", "reason_code", "due_at", "reason"],
    )
    bump(QueueTally, changes)


def _still_asked(
    earlier: Sequence[Message], entries: Mapping[int, QueueEntry], context: Context, now: datetime
) -> dict[int, str]:
    """The queues that earlier attempts go on standing in: until their address was corrected, or while it is not
    suppressed for anything but their own failure. Whoever is not in a queue any more comes back to be corrected."""
    if not earlier:
        return {}
    addresses = Address.objects.in_bulk({message.address_id for message in earlier})
    targets = {
        message.pk: Target.at(addresses[message.address_id], message.contact_id, message.channel)
        for message in earlier
    }
    met = blocks(set(targets.values()), now)
    keep = {}
    for message in earlier:
        address, entry = addresses[message.address_id], entries.get(message.pk)
        queue = entry.queue if entry else Queue.CORRECT
        blocked = met[targets[message.pk]]
        asked = not blocked or (
            stand_for(blocked, f"message {message.pk}") and (entry is not None or _is_dead(message, context))
        )
        if queue in (Queue.CORRECT, Queue.SUPPRESS) and address.preferred and asked:
            keep[message.pk] = queue
    return keep


def _is_dead(message: Message, context: Context) -> bool:
    health = context.health.get((message.address_id, message.channel), NO_FAILURES)
    return health.closed == Closed.NUMBER


def _is_bad(message: Message, context: Context) -> bool:
    """Whether its address failed for good there, and nothing was found out since that makes it worth no correction."""
    health = context.health.get((message.address_id, message.channel), NO_FAILURES)
    failed = message.disposition == Disposition.BOUNCED_HARD and message.fault == Fault.RECIPIENT
    correctable = not is_record_right(health.closed, message.fault, message.status)
    return failed and correctable and not is_forgiven(message, health)


def _queue_of(view: RecipientContext, message: Message, plan: Decided, kept: str, *, acted: bool) -> str:
    if view.reached_by or plan.rule == "opted-out":
        return ""
    if message is view.head:
        # A retry or switch that was just made has left its queue; a bad address still waits to be corrected.
        return "" if acted and plan.queue in (Queue.RETRY, Queue.SWITCH, Queue.WATCH) else plan.queue
    return kept


def _entry(
    message: Message,
    queue: str,
    plan: Decided,
    before: QueueEntry | None,
    context: Context,
    now: datetime,
    *,
    is_head: bool,
) -> QueueEntry:
    """The row of `message` in `queue`. What an earlier attempt waits for stays in its own words."""
    return QueueEntry(
        message_id=message.pk,
        queue=queue,
        campaign_id=message.campaign_id,
        contact_id=message.contact_id,
        channel=message.channel,
        status=message.status,
        disposition=message.disposition or Disposition.UNKNOWN,
        reason_code=message.reason_code,
        carrier=message.carrier,
        list_source_id=message.list_source_id,
        at=before.at if before else (message.settled_at or now),
        due_at=plan.due_at if is_head and plan.step in (Step.RETRY, Step.SWITCH) else None,
        reason=_words(message, plan, before, context, is_head=is_head)[:300],
        owner_id=before.owner_id if before else None,
        snoozed_until=before.snoozed_until if before else None,
    )


def _words(
    message: Message, plan: Decided, before: QueueEntry | None, context: Context, *, is_head: bool
) -> str:
    if is_head:
        return plan.reason
    return before.reason if before else f"{reason_of(message, context) or PERMANENT}. {CORRECT_IT}"
