"""Bulk actions: run, undo. Every one is a record with the result of each row; `previewing.py` says what it would do.

A small batch is carried out at once, a larger one by the workers in slices. It can be undone until its messages leave.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F

from accounts.models import User
from campaigns.models import Recipient
from contacts.models import AddressHealth, Suppression
from contacts.suppressing import release_each, suppress_each
from deliveries.bulk.previewing import Judged, judge
from deliveries.bulk.selections import Selection
from deliveries.deciding.attempts import succeed, withdraw
from deliveries.deciding.context import (
    Context,
)
from deliveries.deciding.followup import lock_with_context, settle
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.ledger.statements import rewrite
from deliveries.models import Batch, BatchItem, Cause, Message, Outbox
from deliveries.outcomes.filters import BadFilter, read_view
from deliveries.wake import wake

logger = logging.getLogger(__name__)

Action = Batch.Action
SLICE = 200  # rows of one transaction: so many share its queries, and a person waits for them
GRACE = timedelta(seconds=60)  # what a bulk action sends leaves a minute later, so that Undo means something
STOPPED = "stopped"  # among the options of a batch: why it could not go on
UNDONE_BY = "undone_by"  # among the options of a batch: the user who undid it


def start(action: str, selection: Selection, options: dict, user: User, now: datetime) -> Batch:
    """Record the batch and have it run: at once, in this call, when it fits into one slice."""
    batch = Batch.objects.create(
        action=action,
        options=options,
        selection=selection.as_json(),
        selected_at=selection.selected_at,
        created_by=user,
        created_at=now,
        total=selection.messages().count(),
    )
    if batch.total <= SLICE:
        run_slice(batch, now)
        batch.refresh_from_db()
    transaction.on_commit(wake)
    return batch


def run(now: datetime) -> int:
    """Carry on with unfinished batches, one slice each; return how many rows were looked at."""
    done = 0
    for batch in Batch.objects.filter(state__in=[Batch.State.RUNNING, Batch.State.UNDOING]).order_by("pk"):
        # A batch that cannot be carried out must not hold up the others.
        done += quarantine.run(Kind.BATCH, batch.pk, partial(_go_on, batch, now), now)
    return done


def _go_on(batch: Batch, now: datetime) -> int:
    try:
        return run_slice(batch, now) if batch.state == Batch.State.RUNNING else undo_slice(batch, now)
    except BadFilter as problem:  # kept by an older version that knew other filters
        logger.error("Batch %d ends here: %s", batch.pk, problem)
        Batch.objects.filter(pk=batch.pk).update(
            state=Batch.State.DONE, finished_at=now, total=F("acted") + F("skipped"),
            options={**batch.options, STOPPED: str(problem)},
        )  # fmt: skip
    return 0


def run_slice(batch: Batch, now: datetime) -> int:
    """The next rows of a batch, with their results, in one transaction."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch.pk)
        if batch.state != Batch.State.RUNNING:
            return 0
        messages = list(selection_of(batch).messages().filter(pk__gt=batch.cursor)[:SLICE])
        if messages:
            results = _act_on_each(batch, messages, now)
            batch.cursor = messages[-1].pk
            batch.acted += sum(item.outcome == BatchItem.Outcome.ACTED for item in results)
            batch.skipped += sum(item.outcome == BatchItem.Outcome.SKIPPED for item in results)
            BatchItem.objects.bulk_create(results, batch_size=200)
        if len(messages) < SLICE:
            batch.state, batch.finished_at = Batch.State.DONE, now
            # Rows that left the selection meanwhile (delivered, retried by itself) never got here.
            batch.total = batch.acted + batch.skipped
        batch.save()
    return len(messages)


def selection_of(batch: Batch) -> Selection:
    """The selection as it was recorded. Raises BadFilter."""
    chosen = dict(batch.selection.get("filter", {}))
    return Selection(
        view=read_view(chosen.pop("campaign", None), chosen.pop("queue", ""), chosen),
        message_ids=tuple(batch.selection.get("messages", ())),
        selected_at=batch.selected_at,
        **({"zone": batch.selection["zone"]} if "zone" in batch.selection else {}),
    )


def _act_on_each(batch: Batch, messages: Sequence[Message], now: datetime) -> list[BatchItem]:
    """`act`, but a row that raises stands alone with that as its result."""
    by_id = {message.pk: message for message in messages}
    results: list[BatchItem] = []

    def some(ids: Sequence[int]) -> None:
        results.extend(act(batch, [by_id[pk] for pk in ids], now))

    def at_fault(pk: int, problem: Exception) -> None:
        skipped = BatchItem.Outcome.SKIPPED
        results.append(BatchItem(batch=batch, message=by_id[pk], outcome=skipped, reason="failed"))

    quarantine.isolated(list(by_id), some, at_fault)
    return results


def act(batch: Batch, messages: Sequence[Message], now: datetime) -> list[BatchItem]:
    """Carry the action out on these messages; the result of each. Judged anew, as the preview may be minutes old.

    Locks their recipients: call in a transaction.
    """
    views, context = lock_with_context({message.recipient_id for message in messages}, now)
    judged = judge(batch.action, messages, views, context, batch.options, now)
    going = [one for one in judged if not one.skip]
    carry = {
        Action.RETRY: _send_on,
        Action.SWITCH: _send_on,
        Action.CORRECT: _mark,
        Action.SUPPRESS: _suppress,
    }[Action(batch.action)]
    done = carry(batch, going, context, now) if going else {}
    settle({message.recipient_id for message in messages}, now)
    return [
        done.get(one.message.pk)
        or BatchItem(
            batch=batch, message=one.message, outcome=BatchItem.Outcome.SKIPPED, reason=one.skip or "no_route"
        )
        for one in judged
    ]


def _send_on(batch: Batch, going: Sequence[Judged], context: Context, now: datetime) -> dict[int, BatchItem]:
    """Retry, or move to another channel: the next attempt of each, queued for handover."""
    cause = Cause.BULK_RETRY if batch.action == Action.RETRY else Cause.BULK_SWITCH
    verb = "retried this" if batch.action == Action.RETRY else "moved this to another channel"
    reason = f"{batch.created_by.display_name} {verb} (batch {batch.pk})."
    wanted = [
        (one.view, batch.options.get("channel") or one.message.channel, cause, reason)
        for one in going
        if one.view is not None
    ]
    made = succeed(wanted, context, now, due_at=now + GRACE)
    return {
        one.message.pk: BatchItem(
            batch=batch, message=one.message, outcome=BatchItem.Outcome.ACTED, successor_id=successor.pk,
            reason="later" if one.later else "",
        )
        for one in going
        if (successor := made.get(one.message.recipient_id))
    }  # fmt: skip


def _mark(batch: Batch, going: Sequence[Judged], context: Context, now: datetime) -> dict[int, BatchItem]:
    """Mark the addresses as in need of correction: until then nothing is sent to them on the channel that failed."""
    pairs = {(one.message.address_id, one.message.channel) for one in going}
    AddressHealth.objects.bulk_create(
        [
            AddressHealth(address_id=address, channel=channel, marked_at=now)
            for address, channel in sorted(pairs)
        ],
        update_conflicts=True,
        unique_fields=["address", "channel"],
        update_fields=["marked_at", "updated_at"],
    )
    return {
        one.message.pk: BatchItem(
            batch=batch, message=one.message, outcome=BatchItem.Outcome.ACTED,
            before={"address": one.message.address_id, "channel": one.message.channel},
        )
        for one in going
    }  # fmt: skip


def _suppress(batch: Batch, going: Sequence[Judged], context: Context, now: datetime) -> dict[int, BatchItem]:
    """Block the addresses, all at once; messages to the same one share the block."""
    note = str(batch.options.get("note", "")) or f"Batch {batch.pk}"
    wanted = [
        Suppression(
            contact_id=one.message.contact_id,
            value=one.message.address.value,
            channel=one.message.channel,
            reason=Suppression.Reason.STAFF,
            origin=Suppression.Origin.STAFF,
            evidence=note,
            fact=f"batch {batch.pk}",
            created_by=batch.created_by,
            created_at=now,
        )
        for one in going
    ]
    return {
        one.message.pk: BatchItem(
            batch=batch, message=one.message, outcome=BatchItem.Outcome.ACTED, suppression_id=entry.pk
        )
        for one, entry in zip(going, suppress_each(wanted), strict=True)
    }


def results(batch: Batch) -> dict[BatchItem.Outcome, int]:
    """The rows of a batch by what became of them, each counted once; from its own sums, so it costs no query.

    While it is being undone, what turns out to be too late still counts as done.
    """
    outcome = BatchItem.Outcome
    in_effect = batch.acted - batch.undone
    final = outcome.TOO_LATE if batch.state == Batch.State.UNDONE else outcome.ACTED
    found = {outcome.SKIPPED: batch.skipped, outcome.UNDONE: batch.undone, final: in_effect}
    return {one: found.get(one, 0) for one in outcome}


def undone_by(batch: Batch) -> User | None:
    return User.objects.filter(pk=batch.options.get(UNDONE_BY)).first()


def can_undo(batch: Batch) -> bool:
    """Whether anything of this batch can still be taken back."""
    if batch.state not in (Batch.State.DONE, Batch.State.RUNNING):
        return False
    acted = batch.items.filter(outcome=BatchItem.Outcome.ACTED)
    if batch.action in (Action.CORRECT, Action.SUPPRESS):
        return acted.exists()
    waiting = Outbox.objects.filter(pk__in=acted.values("successor_id"), claimed_until=None)
    return waiting.exists()


def undo(batch: Batch, user: User, now: datetime) -> None:
    """Take back what has not left yet; the rest is marked as too late. Large batches go on in the background."""
    Batch.objects.filter(pk=batch.pk, state__in=[Batch.State.RUNNING, Batch.State.DONE]).update(
        state=Batch.State.UNDOING, options={**batch.options, UNDONE_BY: user.pk}
    )
    logger.info("Batch %d is being undone by user %d", batch.pk, user.pk)
    undo_slice(batch, now)
    transaction.on_commit(wake)


def undo_slice(batch: Batch, now: datetime) -> int:
    """Take back the next rows of a batch, in one transaction."""
    with transaction.atomic():
        batch = Batch.objects.select_for_update().get(pk=batch.pk)
        if batch.state != Batch.State.UNDOING:
            return 0
        acted = batch.items.filter(outcome=BatchItem.Outcome.ACTED)
        items = list(acted.select_related("message").order_by("pk")[:SLICE])
        # Recipients are locked first, as everywhere.
        whose = Recipient.objects.filter(pk__in={item.message.recipient_id for item in items})
        list(whose.select_for_update().order_by("pk").values_list("pk"))
        for item in _take_back(batch, items, now):
            item.outcome = BatchItem.Outcome.UNDONE
        for item in items:
            if item.outcome == BatchItem.Outcome.ACTED:
                item.outcome = BatchItem.Outcome.TOO_LATE
        rewrite(items, ["outcome"])
        settle({item.message.recipient_id for item in items}, now)
        batch.undone = F("undone") + sum(item.outcome == BatchItem.Outcome.UNDONE for item in items)
        if len(items) < SLICE:
            batch.state, batch.finished_at = Batch.State.UNDONE, now
            batch.total = batch.acted + batch.skipped  # one that was stopped never came to the rest
        batch.save()
    return len(items)


def _take_back(batch: Batch, items: Sequence[BatchItem], now: datetime) -> list[BatchItem]:
    """Undo these rows; return those it worked for."""
    if batch.action in (Action.RETRY, Action.SWITCH):
        taken = set(withdraw([item.successor_id for item in items if item.successor_id], "undone", now))
        return [item for item in items if item.successor_id in taken]
    if batch.action == Action.CORRECT:
        marked: dict[str, list[int]] = {}
        for item in items:
            marked.setdefault(item.before["channel"], []).append(item.before["address"])
        for channel, addresses in marked.items():
            AddressHealth.objects.filter(address_id__in=addresses, channel=channel).update(marked_at=None)
        return list(items)
    theirs = Suppression.objects.filter(pk__in={item.suppression_id for item in items if item.suppression_id})
    release_each(theirs, by=undone_by(batch), note=f"Batch {batch.pk} undone", now=now)
    return list(items)
