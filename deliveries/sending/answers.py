"""Storing what providers answered: what left, what comes back later, what was refused, whose answer was lost."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from campaigns.models import Campaign, Recipient
from campaigns.rates import account_key, sender_key
from campaigns.segments import segments
from contacts.among import Among
from contacts.channels import Channel
from deliveries.deciding.decide import UNDER_WAY, State, Step
from deliveries.deciding.rests import RouteKey, RouteRefusal, note_answers
from deliveries.deciding.routes import concerns_route
from deliveries.deciding.rules import rules_of
from deliveries.ledger import quarantine
from deliveries.ledger.events import apply, event
from deliveries.ledger.latency import Latencies
from deliveries.ledger.quarantine import Kind
from deliveries.ledger.receiver_counts import count_handovers
from deliveries.ledger.statements import rewrite
from deliveries.ledger.statements.values import EventRow
from deliveries.ledger.tallies import bump
from deliveries.meaning import mappings
from deliveries.models import Account, Message, Outbox, RecipientTally
from deliveries.models.work import LIMIT_REACHED
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Busy, OutboundMessage, Report, SendResult
from deliveries.sending.circuit import clear_failures, count_failures
from deliveries.sending.claiming import ANSWER_LOST
from deliveries.sending.pacing import rest
from deliveries.sending.transport import NOT_BEGUN, NOT_SET_UP, Answered, Claimed
from deliveries.statuses import Disposition, Evidence, FailureClass, Fault, Meaning, Status

logger = logging.getLogger(__name__)

STORE_ATTEMPTS = 3
# A message whose handover has to be made again and again comes again ever later.
RECOVERIES_AT_ONCE = 3
RECOVERY_PAUSE = timedelta(minutes=1)
AT_ONCE = timedelta(0)

SENDING = Meaning(Status.SENDING, FailureClass.NONE, Fault.NONE, Evidence.HANDED_OVER)


class OutboxPlace(NamedTuple):
    """What an answer needs of the row of the outbox it belongs to."""

    message_id: int
    claimed_until: datetime | None
    attempts: int
    due_at: datetime


class RecipientFacts(NamedTuple):
    """What an answer needs of the recipient it belongs to."""

    id: int
    campaign_id: int
    state: str
    skip_reason: str


@dataclass
class Dispatched:
    """How many messages were handed over, refused by the provider, held or stopped by the gate, put off, in doubt."""

    handed_over: int = 0
    refused: int = 0
    held: int = 0
    stopped: int = 0
    put_off: int = 0
    in_doubt: int = 0
    listened: int = 0  # 1: nothing was claimed, as what people wrote is just being recorded

    @property
    def looked_at(self) -> int:
        return sum(vars(self).values())

    def add(self, other: Dispatched) -> None:
        for name, n in vars(other).items():
            setattr(self, name, getattr(self, name) + n)


def store_answers(
    answers: Sequence[Answered], now: datetime, result: Dispatched, *, wait: bool = True
) -> list[Answered]:
    """Store the answers, to handovers and to look-ups of those in doubt alike. Gives back those that were not: whose
    recipient somebody else had locked, where it does not `wait` for that.

    A transaction that lost to another one (a deadlock, a busy file) is tried again.

    An answer that the database refuses does not hold up its neighbours: it is kept as one that was lost.
    """
    for attempt in range(STORE_ATTEMPTS):
        try:
            with transaction.atomic():
                facts = _lock_recipients(answers, wait)
                locked = _locked(answers, facts)
                free = [each for each in answers if each not in locked]
                stored = _store(free, facts, now)
            result.add(stored)
            let_rest(free, now)  # once: tried again, a locked one would begin the rest anew each time
            return locked
        except OperationalError:
            if attempt == STORE_ATTEMPTS - 1:
                raise
            logger.warning("Storing %d answers has to be tried again", len(answers))
        except (DataError, IntegrityError):
            if all(answer is None for _, answer in answers):
                raise
            logger.exception("An answer of %d was refused by the database", len(answers))
            alone = answers if len(answers) > 1 else [Answered(answers[0].claimed, None)]
            return [kept for each in alone for kept in store_answers([each], now, result, wait=wait)]
    raise AssertionError("the last attempt returns or raises")


def _lock_recipients(answers: Sequence[Answered], wait: bool) -> list[RecipientFacts]:
    """Recipients are locked first, as everywhere, so that storing and deciding cannot deadlock."""
    skip = not wait and connection.features.has_select_for_update_skip_locked
    whose = Among("pk", {answer.claimed.message.recipient_id for answer in answers})
    rows = Recipient.objects.select_for_update(skip_locked=skip).filter(whose).order_by("pk")
    return [RecipientFacts(*row) for row in rows.values_list(*RecipientFacts._fields)]


def _locked(answers: Sequence[Answered], facts: Sequence[RecipientFacts]) -> list[Answered]:
    """The answers whose recipient is there and somebody else's."""
    missing = {answer.claimed.message.recipient_id for answer in answers} - {each.id for each in facts}
    if not missing:
        return []
    there = set(Recipient.objects.filter(Among("pk", missing)).values_list("pk", flat=True))
    return [answer for answer in answers if answer.claimed.message.recipient_id in there]


def _store(answers: Sequence[Answered], recipients: Sequence[RecipientFacts], now: datetime) -> Dispatched:
    """Write down what the providers answered. Only for claims that are still ours: `until` is the fence. That a
    provider took a message is known for certain, and counts whoever looks after it by now.
    """
    ids = [answer.claimed.message.pk for answer in answers]
    places = Outbox.objects.select_for_update().filter(Among("pk", ids)).order_by("pk")
    held = {row[0]: OutboxPlace(*row) for row in places.values_list(*OutboxPlace._fields)}
    mine = [a for a in answers if (row := held.get(a.claimed.message.pk)) and _counts(a, row)]
    done = Dispatched()
    left, events, back, unanswered, refused = [], [], [], [], []
    for claimed, answer in mine:
        message, found = claimed.message, claimed.began is not None
        if found and answer in (NOT_BEGUN, NOT_SET_UP):  # nobody was asked, and nothing ended
            unanswered.append(Outbox(message_id=message.pk, held=ANSWER_LOST))
        elif answer is None and not found:
            done.in_doubt += 1  # it keeps its claim: when that runs out, the provider is asked
            unanswered.append(Outbox(message_id=message.pk, held=ANSWER_LOST))
        elif answer is None or answer.accepted:
            left.append((claimed, answer))
            native = ("handed over" if answer else "answer lost", "", "")
            events.append(event(message.pk, message.goal, SENDING, at=now, native=native))
            done.handed_over += answer is not None
            done.in_doubt += answer is None
        elif answer.retry_after is not None or (found and answer.native_status == "never_received"):
            back.append((held[message.pk], claimed, answer))
        else:
            left.append((claimed, None))
            refused.append((claimed, _refused(message, claimed.account, answer, now)))
            done.refused += 1
    opened = mark_handed_over(left, recipients, now)
    rewrite(unanswered, ["held"])
    apply([*events, *(row for _, row in refused)], now)
    taken = {_route(claimed) for claimed, answer in mine if answer and answer.accepted}
    note_answers(taken, [refusal for pair in refused if (refusal := _refusal(*pair))], now)
    answered = {claimed.account.pk for claimed, answer in mine if answer and answer.retry_after is None}
    _put_back(back, now)
    lost = [claimed.account for claimed, answer in mine if answer is None and not claimed.began]
    away = [claimed.account for _, claimed, answer in back if answer.retry_after and not answer.busy]
    count_failures([*away, *lost], answered, now)
    clear_failures(answered, now)
    done.put_off = len(back)
    # Last, since all processes count in the same few cells: whoever has touched one holds up the others until it ends.
    bump(RecipientTally, opened)
    counts = Latencies(now)
    for claimed, answer in left:
        if answer is not None:
            message = claimed.message
            counts.add_handover(claimed.account.pk, message.channel, message.region, message.carrier)
    counts.save()
    count_handovers((claimed.account.pk for claimed, answer in left if answer is not None), now)
    return done


def _counts(answered: Answered, row: OutboxPlace) -> bool:
    taken = answered.answer is not None and answered.answer.accepted
    return taken or row.claimed_until == answered.claimed.until


def _route(claimed: Claimed) -> RouteKey:
    return RouteKey(claimed.account.pk, claimed.message.channel, claimed.message.sender_id)


def _refusal(claimed: Claimed, row: EventRow) -> RouteRefusal | None:
    """What was refused for a fault of the account, or of the sender there; None for whatever concerns the message."""
    if not concerns_route(row.failure_class, row.fault):
        return None
    why = " ".join(filter(None, (row.native_code, row.native_text))) or row.native_status
    return RouteRefusal(_route(claimed), row.fault, claimed.account.name, claimed.message.sender.value, why)


def _refused(message: Message, account: Account, answer: SendResult, now: datetime) -> EventRow:
    """A refusal is translated like a receipt."""
    report = Report("", "", message.channel, answer.native_status, answer.native_code, answer.native_text)
    native = (answer.native_status, answer.native_code, answer.native_text)
    meaning = mappings.current().translate(account.provider, report).meaning
    return event(message.pk, message.goal, meaning, at=now, native=native)


def mark_handed_over(
    handovers: Sequence[tuple[Claimed, SendResult | None]],
    recipients: Sequence[RecipientFacts],
    now: datetime,
) -> Counter[tuple]:
    """These are in the provider's hands: off the outbox, their clocks start. How the tally of recipients changes."""
    for claimed, answer in handovers:
        message = claimed.message
        message.handed_over_at = claimed.began or now
        message.segments = _segments(claimed.outgoing, answer)
        if answer is not None:
            key = PROVIDERS[claimed.account.provider].message_key(
                answer.provider_message_id, claimed.outgoing.to
            )
            message.provider_message_id = key
    rows = [claimed.message for claimed, _ in handovers]
    ids = [message.pk for message in rows]
    # A receipt can be faster than the answer: what it reported of the message has been, or will be, decided upon.
    pending = Message.objects.filter(Among("pk", ids), disposition=Disposition.PENDING)
    opened = set(pending.values_list("recipient_id", flat=True))
    changes = open_recipients([recipient for recipient in recipients if recipient.id in opened], now)
    rewrite(rows, ["handed_over_at", "provider_message_id", "segments", "content_version"])
    Outbox.objects.filter(Among("pk", ids)).delete()
    quarantine.forget(Kind.HAND_OVER, ids)
    return changes


def _segments(outgoing: OutboundMessage, answer: SendResult | None) -> int:
    """As the provider counted them, else as the carrier will; 1 on the channels that know none."""
    own = segments(outgoing.body) if outgoing.channel == Channel.SMS else 1
    return max((answer.segments if answer else 0) or own, 1)


def open_recipients(recipients: Sequence[RecipientFacts], now: datetime) -> Counter[tuple]:
    """The recipients' first look comes when the playbook has something to say about silence. Gives what that changes
    in their tally."""
    unreached = [recipient for recipient in recipients if recipient.state != State.REACHED]
    tally = Counter[tuple]()
    for recipient in unreached:
        tally[recipient.campaign_id, recipient.state, recipient.skip_reason] -= 1
        tally[recipient.campaign_id, State.OPEN, ""] += 1
    campaigns = Campaign.objects.select_related("playbook").in_bulk({r.campaign_id for r in unreached})
    for campaign in campaigns.values():
        theirs = [recipient.id for recipient in unreached if recipient.campaign_id == campaign.pk]
        Recipient.objects.filter(Among("pk", theirs)).update(
            state=State.OPEN,
            skip_reason="",
            next_step=Step.WAIT,
            next_step_at=now + rules_of(campaign.playbook).next_look(AT_ONCE),
            next_step_reason=UNDER_WAY,
        )
    return tally


def _put_back(rows: Sequence[tuple[OutboxPlace, Claimed, SendResult]], now: datetime) -> None:
    """Not taken by the provider: later again. Where a limit was reached, or nobody was asked, it was no attempt, and
    what was not begun keeps its place in the line.
    """
    again: list[Outbox] = []
    for place, claimed, answer in rows:
        seconds, fresh = answer.retry_after, not claimed.began
        attempts, due_at = place.attempts, place.due_at
        if fresh and (answer.busy or answer is NOT_BEGUN):
            attempts -= 1
        if not (fresh and answer is NOT_BEGUN):
            due_at = now + timedelta(seconds=max(seconds, 1.0) if seconds else 0.0)
            if not seconds and attempts > RECOVERIES_AT_ONCE:
                due_at += attempts * RECOVERY_PAUSE
        again.append(
            Outbox(
                message_id=place.message_id,
                claimed_until=None,
                due_at=due_at,
                attempts=attempts,
                held=LIMIT_REACHED if answer.busy else "",
            )
        )
    rewrite(again, ["claimed_until", "due_at", "attempts", "held"])


def let_rest(answers: Sequence[Answered], now: datetime) -> None:
    """Whoever has reached a limit of its provider rests as long as that asks: the sender, or its whole account."""
    until: dict[str, datetime] = {}
    for claimed, answer in answers:
        if answer and answer.busy:
            sender = answer.busy == Busy.SENDER
            key = sender_key(claimed.message.sender_id) if sender else account_key(claimed.account.pk, "")
            moment = now + timedelta(seconds=max(answer.retry_after or 0.0, 1.0))
            until[key] = max(moment, until.get(key, moment))
    if until:
        rest(until)
