"""Acting on decisions: the one place where recipients move, queues fill, and retries and switches are made.

`settle` looks at recipients with everything that is known about them, asks `decide`, and makes it so, in one
transaction. It may be called for any recipient at any time: with nothing new it changes nothing. What calls it:
a status that changed, a due time, a bulk action, an opt-out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from campaigns.models import Recipient
from contacts.models import AddressHealth
from deliveries.deciding.attempts import succeed, withdraw
from deliveries.deciding.automatic_suppression import suppress_failed
from deliveries.deciding.context import (
    Context,
    arguments,
    fallible,
    load_context,
)
from deliveries.deciding.decide import ARRIVED, State, Step, decide
from deliveries.deciding.facts import Decided
from deliveries.deciding.health import FAILING, refresh
from deliveries.deciding.queues import line_up
from deliveries.deciding.recipients import RecipientContext, load_recipients
from deliveries.deciding.rests import note_reported
from deliveries.deciding.skipping import RECIPIENT_FIELDS, skip
from deliveries.deciding.stopping import apply_opt_outs
from deliveries.ledger import engagement, failure_index, quarantine
from deliveries.ledger.events import apply, event
from deliveries.ledger.latency import Latencies
from deliveries.ledger.quarantine import Kind
from deliveries.ledger.statements import chunks, rewrite
from deliveries.ledger.tallies import bump
from deliveries.models import Cause, Decision, Message, QueueEntry, RecipientTally
from deliveries.statuses import REACHING, Disposition, Evidence, FailureClass, Fault, Meaning, Queue, Status

# Of one transaction: so many share its queries, and its locks are soon free again.
STATUS_CHANGES_LIMIT = 500  # messages
DUE_LIMIT = 500  # recipients
FAILED_LIMIT = 20  # recipients that failed before: each has a transaction of its own
PROGRESS = (Status.QUEUED, Status.SENDING, Status.SENT)  # in time, it asks for nothing
NEVER_LATE = timedelta(
    hours=1
)  # the shortest that a playbook can set (`hours` in campaigns/models/playbooks.py)
CLAIM_STATUS_CHANGES = """
DELETE FROM deliveries_statuschange WHERE id IN (SELECT id FROM deliveries_statuschange ORDER BY id LIMIT %s {lock})
RETURNING message_id
"""


def follow_status_changes(now: datetime, limit: int = STATUS_CHANGES_LIMIT) -> int:
    """Settle the recipients of messages whose status changed; return how many messages were looked at."""
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(CLAIM_STATUS_CHANGES.format(lock=lock), [limit])
            changed = [message for (message,) in cursor.fetchall()]
        quarantine.isolated(
            sorted(set(changed)), partial(_follow, now=now), partial(_message_at_fault, now=now)
        )
    return len(changed)


def _follow(message_ids: Sequence[int], now: datetime) -> None:
    latencies, tally = Latencies(now), Counter[tuple]()
    rest = _arrive(message_ids, now, latencies, tally)
    _settle_all(rest, now, tally)
    failure_index.note(message_ids)
    note_reported(message_ids if rest else [], now)
    bump(RecipientTally, tally)  # late, as those who send do: many wait for these few cells
    latencies.save()


def follow_failed(now: datetime, limit: int = FAILED_LIMIT) -> int:
    """Try the recipients once more, each alone, that could not be decided about; return how many came to an end.

    What goes on failing is set aside in the end: `quarantine` keeps the reason.
    """
    return sum(
        quarantine.run(Kind.DECIDE, pk, partial(_follow_one, pk, now), now)
        for pk in quarantine.due(Kind.DECIDE, now, limit)
    )


@transaction.atomic
def _follow_one(recipient: int, now: datetime) -> int:
    tally = Counter[tuple]()
    _settle([recipient], now, tally)
    failure_index.note(list(Message.objects.filter(recipient=recipient).values_list("pk", flat=True)))
    bump(RecipientTally, tally)
    return 1


def _message_at_fault(message: int, problem: Exception, now: datetime) -> None:
    for recipient in Message.objects.filter(pk=message).values_list("recipient_id", flat=True):
        _at_fault(recipient, problem, now)


def _at_fault(recipient: int, problem: Exception, now: datetime) -> None:
    """It leaves the line of what is due; from here on `follow_failed` looks after it.

    An opt-out holds all the same: it does not wait for anybody to find out what else is wrong.
    """
    quarantine.failed(Kind.DECIDE, recipient, problem, now)
    Recipient.objects.filter(pk=recipient).update(next_step_at=None)
    quarantine.isolated(
        [recipient], lambda ids: _apply_opt_outs(load_recipients(ids, lock=True), now), lambda pk, again: None
    )


def _arrive(
    message_ids: Sequence[int], now: datetime, latencies: Latencies, tally: Counter[tuple]
) -> set[int]:
    """Deal with the plain cases at once, and return the recipients that need a decision; `latencies` gets what arrived,
    `tally` how the recipients' states change.

    Most messages go out and arrive at the first attempt. Then there is nothing to decide: progress in time asks for
    nothing, and an arrival makes the recipient reached. `settle` would come to the same, row by row.
    """
    # Locked before they are looked at: what changes meanwhile must not be overwritten by what was seen before.
    reached = Message.objects.filter(pk__in=message_ids, disposition=Disposition.DELIVERED)
    ids = list(reached.values_list("recipient_id", flat=True))
    locked = Recipient.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    recipients = {recipient.pk: recipient for recipient in locked.only("campaign_id", *RECIPIENT_FIELDS)}
    # Said as the index `one_successor` says it, so that both databases use it.
    follower = Message.objects.filter(follows=OuterRef("pk"), follows__isnull=False, canceled_at__isnull=True)
    sick = AddressHealth.objects.filter(FAILING, address=OuterRef("address"))
    rows = Message.objects.filter(pk__in=message_ids).values_list(
        "recipient_id", "disposition", "status", "parts", "channel", "delivered_at", "updated_at", "follows",
        "handed_over_at", "account_id", "region", "carrier",
        Exists(follower), Exists(QueueEntry.objects.filter(message=OuterRef("pk"))), Exists(sick),
    )  # fmt: skip
    arrived, rest = {}, set()
    for recipient, disposition, status, parts, channel, delivered, updated, follows, left, *more in rows:
        account, region, carrier, *special = more
        if status in REACHING and delivered:
            latencies.add(account, channel, region, carrier, left, delivered)
        plain = follows is None and parts <= 1 and not any(special)
        if plain and disposition == Disposition.DELIVERED and recipient in recipients:
            arrived[recipient] = (delivered or updated, channel)
        elif not (plain and status in PROGRESS and not (left and left <= now - NEVER_LATE)):
            rest.add(recipient)
    _reach([recipients[pk] for pk in sorted(arrived)], arrived, tally)
    return rest


def _reach(
    recipients: Sequence[Recipient], arrived: dict[int, tuple[datetime, str]], tally: Counter[tuple]
) -> None:
    """These recipients' only attempt arrived: recipient -> (when, on which channel)."""
    moves = []
    for recipient in recipients:
        moves.append((recipient, engagement.channel_of(recipient), arrived[recipient.pk][1]))
        tally[recipient.campaign_id, recipient.state, recipient.skip_reason] -= 1
        tally[recipient.campaign_id, State.REACHED, ""] += 1
        recipient.state, recipient.skip_reason = State.REACHED, ""
        recipient.reached_at, recipient.reached_by = arrived[recipient.pk]
        recipient.next_step, recipient.next_step_at, recipient.next_step_reason = Step.NONE, None, ARRIVED
    rewrite(recipients, RECIPIENT_FIELDS)
    engagement.note_moves(moves)


def follow_due(now: datetime, limit: int = DUE_LIMIT) -> int:
    """Settle the recipients whose next step has come; return how many there were."""
    due = Recipient.objects.filter(next_step_at__lte=now).order_by("next_step_at")
    with transaction.atomic():
        ids = list(due.values_list("pk", flat=True)[:limit])
        settle(ids, now)
    return len(ids)


def settle(recipient_ids: Collection[int], now: datetime) -> None:
    """Bring these recipients' states, queues and next steps in line with what is known. Call in a transaction.

    One that raises does not hold up the others: it is set aside, and tried again alone.
    """
    tally = Counter[tuple]()
    _settle_all(recipient_ids, now, tally)
    bump(RecipientTally, tally)


def _settle_all(recipient_ids: Collection[int], now: datetime, tally: Counter[tuple]) -> None:
    for chunk in chunks(sorted(set(recipient_ids)), 500):
        failed_before = quarantine.troubled(Kind.DECIDE, chunk)
        at_fault = partial(_at_fault, now=now)
        quarantine.isolated(
            [pk for pk in chunk if pk not in failed_before], partial(_settle, now=now, tally=tally), at_fault
        )
        for pk in failed_before:
            quarantine.isolated([pk], partial(_settle_again, now=now, tally=tally), at_fault)


def lock_with_context(
    recipient_ids: Collection[int], now: datetime
) -> tuple[list[RecipientContext], Context]:
    """Those of these recipients that have attempts, locked, and what a decision about them depends on, for whoever acts
    on it. Call in a transaction.

    What the attempts say about the health of their addresses is stored first: the gate goes by what is stored.
    """
    views = load_recipients(sorted(recipient_ids), lock=True)
    return views, load_context(views, now, refresh(fallible(views)))


def _settle(recipient_ids: Sequence[int], now: datetime, tally: Counter[tuple]) -> None:
    """`tally` gets how their states change, once all of it has come to its end."""
    changes = Counter[tuple]()
    views, context = lock_with_context(recipient_ids, now)
    if without := set(recipient_ids) - {view.recipient.pk for view in views}:
        skip(without, changes)
    if views:
        _decide_about(views, context, changes, now)
    tally.update(changes)


def _decide_about(
    views: Sequence[RecipientContext], context: Context, changes: Counter[tuple], now: datetime
) -> None:
    decided = {view.recipient.pk: decide(*arguments(view, context), now) for view in views}
    _apply_opt_outs(views, now)
    suppress_failed(views, decided, context, now)
    _time_out(views, decided, now)
    made = _make_due(views, decided, context, now)
    withdraw([m.pk for v in views if v.reached_by for m in v.messages], "superseded", now)
    ended = [v for v in views if decided[v.recipient.pk].rule == "opted-out"]
    withdraw([m.pk for v in ended for m in v.messages], "opted_out", now)
    _explain(views, decided, now)
    line_up(views, decided, made, context, now)
    _move_recipients(views, decided, made, changes, now)


def _settle_again(recipient_ids: Sequence[int], now: datetime, tally: Counter[tuple]) -> None:
    """Those that failed before: what went wrong with them is over."""
    _settle(recipient_ids, now, tally)
    quarantine.forget(Kind.DECIDE, recipient_ids)


def _apply_opt_outs(views: Sequence[RecipientContext], now: datetime) -> None:
    apply_opt_outs([m for view in views for m in view.messages if m.disposition == Disposition.OPTOUT], now)


def _time_out(views: Sequence[RecipientContext], decided: dict[int, Decided], now: datetime) -> None:
    """No receipt came, by our own clock. Evidence `clock`, so any real receipt still overrides it."""
    meaning = Meaning(Status.TIMED_OUT, FailureClass.NONE, Fault.NONE, Evidence.CLOCK)
    silent = [view.head for view in views if decided[view.recipient.pk].give_up]
    silent += [message for view in views for message, ends in view.earlier_open_attempts if ends <= now]
    apply([event(m.pk, m.goal, meaning, at=now) for m in silent], now)


def _make_due(
    views: Sequence[RecipientContext], decided: dict[int, Decided], context: Context, now: datetime
) -> dict[int, Message]:
    """Make the retries and switches that are due: recipient -> its new message."""
    wanted = []
    for view in views:
        plan = decided[view.recipient.pk]
        if plan.step in (Step.RETRY, Step.SWITCH) and plan.due_at is not None and plan.due_at <= now:
            channel = plan.switch_to or view.head.channel
            cause = Cause.SWITCH if plan.switch_to else Cause.RETRY
            wanted.append((view, channel, cause, plan.reason))
    made = succeed(wanted, context, now)
    for view in views:
        plan = decided[view.recipient.pk]
        due = plan.step in (Step.RETRY, Step.SWITCH) and plan.due_at is not None and plan.due_at <= now
        if due and view.recipient.pk not in made:
            decided[view.recipient.pk] = Decided(
                "no-route", Step.REVIEW, State.FAILED,
                f"{plan.reason} There is no active account or content for that channel.", queue=Queue.REVIEW,
            )  # fmt: skip
    return made


def _explain(views: Sequence[RecipientContext], decided: dict[int, Decided], now: datetime) -> None:
    """Record each decision that says something new."""
    rows = []
    for view in views:
        plan, recipient = decided[view.recipient.pk], view.recipient
        if plan.rule in ("arrived", "planned", "under-way"):
            continue  # the message itself says it
        if (plan.step, plan.reason) == (recipient.next_step, recipient.next_step_reason):
            continue  # said when it was planned; the attempt that carries it out repeats the reason
        rows.append(
            Decision(
                message_id=view.head.pk,
                recipient_id=recipient.pk,
                contact_id=recipient.contact_id,
                at=now,
                by="playbook",
                rule=plan.rule,
                rule_version=view.campaign.playbook.version,
                step=plan.step,
                due_at=plan.due_at,
                reason=plan.reason[:300],
            )
        )
    Decision.objects.bulk_create(rows, batch_size=300)


def _move_recipients(
    views: Sequence[RecipientContext],
    decided: dict[int, Decided],
    made: dict[int, Message],
    tally: Counter[tuple],
    now: datetime,
) -> None:
    changed, moves = [], []
    for view in views:
        recipient, plan = view.recipient, decided[view.recipient.pk]
        before, reached_by = _fields(recipient), engagement.channel_of(recipient)
        state_was = (recipient.campaign_id, recipient.state, recipient.skip_reason)
        _show(view, plan, now, acted=recipient.pk in made)
        if _fields(recipient) != before:
            changed.append(recipient)
            tally[state_was] -= 1
            tally[recipient.campaign_id, recipient.state, recipient.skip_reason] += 1
            moves.append((recipient, reached_by, engagement.channel_of(recipient)))
    rewrite(changed, RECIPIENT_FIELDS)
    engagement.note_moves(moves)


def _fields(recipient: Recipient) -> tuple:
    return tuple(getattr(recipient, name) for name in RECIPIENT_FIELDS)


def _show(view: RecipientContext, plan: Decided, now: datetime, *, acted: bool) -> None:
    """Write a decision onto the recipient."""
    recipient, reached = view.recipient, view.reached_by
    tried = any(message.handed_over_at for message in view.messages)
    recipient.state = State.OPEN if acted or (plan.state == State.PLANNED and tried) else plan.state
    recipient.skip_reason = ""
    recipient.reached_at = (reached.delivered_at or reached.updated_at) if reached else None
    recipient.reached_by = reached.channel if reached else ""
    recipient.next_step = Step.WAIT if acted else plan.step
    # An earlier attempt that is still silent has its own clock, whatever became of the later ones.
    clocks = [ends for _, ends in view.earlier_open_attempts if ends > now]
    planned = [] if acted else [at for at in (plan.due_at, plan.look_at) if at]
    recipient.next_step_at = min(clocks + planned, default=None)
    recipient.next_step_reason = ("Just sent on: " + plan.reason if acted else plan.reason)[:300]
