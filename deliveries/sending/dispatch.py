"""Handing messages over: claim, gate, call the provider, store its answer.

The claim and the gate are one transaction; the calls run outside of any; the answers are stored in another. A
process that dies between leaves claimed rows whose time runs out: those messages may or may not have left, so
they are looked up at the provider, or wait for their receipt, and are never simply sent again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Q

from campaigns.models import Campaign, Content, Recipient
from campaigns.segments import segments
from campaigns.texts import contents_of
from contacts.channels import Channel
from contacts.gate import REASONS, Ask, Reason, Verdict, check, sentence
from deliveries.deciding.attempts import withdraw
from deliveries.deciding.context import rules_of
from deliveries.deciding.decide import UNDER_WAY, State, Step
from deliveries.ledger import quarantine
from deliveries.ledger.events import apply, event
from deliveries.ledger.quarantine import Kind
from deliveries.ledger.statements import inbound_waits, rewrite
from deliveries.ledger.tallies import bump
from deliveries.meaning import mappings
from deliveries.models import Account, Decision, Message, Outbox, RecipientTally
from deliveries.models.work import NOT_NOW
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import OutboundMessage, Report, SendResult
from deliveries.receiving.recording import record_inbound
from deliveries.sending.composing import outgoing
from deliveries.sending.transport import LEASE, Answered, Claimed, Transport
from deliveries.statuses import Disposition, Evidence, FailureClass, Fault, Meaning, Status

logger = logging.getLogger(__name__)

CLAIM = 50  # messages that may be in doubt when a process is killed
STORE_ATTEMPTS = 3
# A message that keeps ending its process is handed over alone, ever later, and in the end not at all.
RECOVERIES_AT_ONCE = 3
RECOVERY_PAUSE = timedelta(minutes=1)
TOGETHER_ENDINGS = 2  # so often a message may be there with its neighbours: it is seldom to blame
MOST_ENDINGS = 5
# Among the reasons why a row of the outbox waits:
ANSWER_LOST = "answer_lost"  # its process did not end: it asks the provider once its claim has run out
SET_ASIDE = "set_aside"  # until an administrator has it tried again
WAIT_FOR_CONTENT = timedelta(minutes=5)
MOST_PAUSES = 72  # of that length: what cannot be put together is tried again four times a day
AT_ONCE = timedelta(0)
OUTAGE_FAILURES = 5  # handovers refused in a row before the account rests
OUTAGE_PAUSE = timedelta(seconds=60)

SENDING = Meaning(Status.SENDING, FailureClass.NONE, Fault.NONE, Evidence.HANDED_OVER)


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
        rows = _claim(now, limit, result)
    # Outside of the claim: a message that cannot be put together must not hold up those that were claimed with it.
    claimed = _prepare(rows, {}, now)
    if claimed:
        _keep(transport.hand_over(claimed), now, result)
    return result


def recover(now: datetime, transport: Transport | None = None, limit: int = CLAIM) -> Dispatched:
    """Deal with handovers whose process died: look each message up; send again only what surely never left."""
    result = Dispatched()
    transport = transport or Transport()
    with transaction.atomic():
        rows = _lock(Outbox.objects.filter(claimed_until__lt=now).order_by("claimed_until")[:limit])
        rows = _count_endings(rows, now)
        began = {row.message_id: row.claimed_until - LEASE for row in rows if row.claimed_until}
        for row in rows:
            row.claimed_until, row.held = now + LEASE, ""
        rewrite(rows, ["claimed_until", "held"])
    claimed = _prepare(rows, began, now)
    if claimed:
        answers = transport.find(claimed)
        _not_asked(claimed, answers)
        _keep(answers, now, result, found=True)
    return result


def _count_endings(rows: Sequence[Outbox], now: datetime) -> list[Outbox]:
    """Those to look up now. A claim that ran out without an answer lost means that its process ended: counted before
    the next attempt. One that was there twice before when a process ended goes alone, so that its neighbours, counted
    with it, can go on; the last time it is set aside, still claimed: whether it left is not known.
    """
    ended = {row.message_id: row for row in rows if row.held != ANSWER_LOST}
    suspects = quarantine.troubled(Kind.HAND_OVER, ended, least=TOGETHER_ENDINGS)
    if suspects:
        alone = min(suspects)
        ended, rows = {alone: ended[alone]}, [ended[alone]]
    attempts = quarantine.count(Kind.HAND_OVER, ended, now) if ended else {}
    too_often = [row for pk, row in ended.items() if attempts[pk] >= MOST_ENDINGS]
    for row in too_often:
        logger.error("Message %d is set aside: it was there each time its process ended", row.message_id)
        row.claimed_until, row.held = NOT_NOW, SET_ASIDE
        quarantine.set_aside(Kind.HAND_OVER, row.message_id, quarantine.NO_END, now)
    rewrite(too_often, ["claimed_until", "held"])
    return [row for row in rows if row not in too_often]


def _not_asked(claimed: Sequence[Claimed], answers: Sequence[Answered]) -> None:
    """The provider could not be asked about these now: nothing ended for them."""
    asked = {answer.claimed.message.pk for answer in answers}
    rest = [each for each in claimed if each.message.pk not in asked]
    for until in {each.until for each in rest}:
        mine = Outbox.objects.filter(pk__in=[each.message.pk for each in rest], claimed_until=until)
        mine.update(held=ANSWER_LOST)


def _keep(answers: Sequence[Answered], now: datetime, result: Dispatched, *, found: bool = False) -> None:
    """Store the answers; a transaction that lost to another one (a deadlock, a busy file) is tried again.

    An answer that the database refuses does not hold up its neighbours: it is kept as one that was lost.
    """
    for attempt in range(STORE_ATTEMPTS):
        try:
            with transaction.atomic():
                stored = _store(answers, now, found=found)
            result.add(stored)
            return
        except OperationalError:
            if attempt == STORE_ATTEMPTS - 1:
                raise
            logger.warning("Storing %d answers has to be tried again", len(answers))
        except (DataError, IntegrityError):
            if all(answer is None for _, answer in answers):
                raise
            logger.exception("An answer of %d was refused by the database", len(answers))
            alone = answers if len(answers) > 1 else [Answered(answers[0].claimed, None)]
            for each in alone:
                _keep([each], now, result, found=found)
            return


def _lock(rows) -> list[Outbox]:
    skip = connection.features.has_select_for_update_skip_locked
    return list(rows.select_for_update(skip_locked=skip))


def _claim(now: datetime, limit: int, result: Dispatched) -> list[Outbox]:
    """Take due messages, ask the gate about each, and mark those that may go. Attempts count before the attempt."""
    resting = list(
        Account.objects.filter(Q(paused_until__gt=now) | Q(active=False)).values_list("pk", flat=True)
    )
    due = Outbox.objects.filter(claimed_until=None, due_at__lte=now).exclude(account_id__in=resting)
    if pausing := _being_paused():
        due = due.exclude(campaign_id__in=pausing)
    # One after the other, so that the index finds each without wading through what is due tomorrow.
    rows: list[Outbox] = []
    for urgent in (True, False):
        rows += _lock(due.filter(urgent=urgent).order_by("due_at", "message_id")[: limit - len(rows)])
    if not rows:
        return []
    suspects = quarantine.troubled(Kind.HAND_OVER, [row.message_id for row in rows], least=TOGETHER_ENDINGS)
    if suspects:  # alone, so that it can end its process for nobody else
        rows = [row for row in rows if row.message_id in suspects][:1]
    asks = _asks(rows)
    verdicts = check(asks, now)
    contents = contents_of(row.campaign_id for row in rows)
    channels = {ask.key: ask.channel for ask in asks}
    go, held = [], []
    stopped: dict[str, list[Outbox]] = {}
    for row in rows:
        verdict = verdicts[row.message_id]
        if verdict.allowed and (row.campaign_id, channels[row.message_id]) not in contents:
            row.due_at, row.held = now + WAIT_FOR_CONTENT, "no_content"
            held.append(row)
        elif verdict.allowed:
            row.claimed_until, row.attempts, row.held = now + LEASE, row.attempts + 1, ""
            go.append(row)
        elif REASONS[Reason(verdict.reason)].holds:
            row.due_at, row.held = verdict.until or now + timedelta(minutes=5), verdict.reason
            held.append(row)
        else:
            stopped.setdefault(verdict.reason, []).append(row)
    rewrite([*go, *held], ["claimed_until", "attempts", "held", "due_at"])
    # The message shows until when it waits for the permitted hours, and that it did.
    at_night = sorted((row for row in held if row.held == Reason.QUIET_HOURS), key=lambda row: row.pk)
    rewrite([Message(pk=row.message_id, due_at=row.due_at) for row in at_night], ["due_at"])
    for reason, those in stopped.items():
        _stop(those, reason, verdicts, now)
    result.held, result.stopped = len(held), sum(map(len, stopped.values()))
    return go


def _being_paused() -> list[int]:
    """Paused campaigns whose messages still stand among what is due: they must not be in the others' way."""
    paused = Campaign.objects.filter(outbox_to__isnull=False, state=Campaign.State.PAUSED)
    return list(paused.values_list("pk", flat=True))


def _asks(rows: Sequence[Outbox]) -> list[Ask]:
    """The gate's questions, keyed by message."""
    messages = Message.objects.select_related("sender").in_bulk([row.message_id for row in rows])
    campaigns = Campaign.objects.select_related("playbook").in_bulk({row.campaign_id for row in rows})
    return [
        campaigns[message.campaign_id].ask(
            message.pk,
            contact_id=message.contact_id,
            address_id=message.address_id,
            channel=message.channel,
            sender=message.sender,
        )
        for message in messages.values()
    ]


def _stop(rows: Sequence[Outbox], reason: str, verdicts: dict[int, Verdict], now: datetime) -> None:
    """The gate said no: the message is withdrawn, and the decision says why."""
    ids = withdraw([row.message_id for row in rows], reason, now)
    Decision.objects.bulk_create(
        [
            Decision(
                message_id=pk, recipient_id=recipient, contact_id=contact, at=now, by="gate", rule=reason,
                step=Step.NONE, reason=sentence(reason, verdicts[pk].detail)[:300],
            )
            for pk, recipient, contact in Message.objects.filter(pk__in=ids).values_list("pk", "recipient", "contact")
        ],
        batch_size=300,
    )  # fmt: skip


def _prepare(rows: Sequence[Outbox], began: dict[int, datetime], now: datetime) -> list[Claimed]:
    """What is to be sent, merge fields filled in; `began` says when a handover in doubt was begun.

    What cannot be put together is held, ever longer, and never left: unless it is in doubt, which keeps its claim.
    """
    messages = Message.objects.select_related("contact", "address", "sender").in_bulk(
        [r.message_id for r in rows]
    )
    accounts = Account.objects.in_bulk({row.account_id for row in rows})
    contents = contents_of(row.campaign_id for row in rows)
    claimed, broken = [], []
    for row in rows:
        message, account, since = (
            messages[row.message_id],
            accounts[row.account_id],
            began.get(row.message_id),
        )
        # Without content nothing new is claimed; what is in doubt can still be looked up by its reference.
        content = contents.get((message.campaign_id, message.channel)) or Content()
        assert row.claimed_until is not None
        try:
            sent = outgoing(message, content, account, since)
        except Exception:  # whatever is wrong with its contact or content concerns this message alone
            logger.exception("Message %d cannot be put together", message.pk)
            broken.append(row)
        else:
            claimed.append(Claimed(message, sent, account, row.claimed_until, since))
    _hold([row for row in broken if row.message_id not in began], now)
    return claimed


def _hold(rows: Sequence[Outbox], now: datetime) -> None:
    for row in rows:
        row.claimed_until, row.held = None, "cannot_be_made"
        row.due_at = now + min(row.attempts, MOST_PAUSES) * WAIT_FOR_CONTENT
    rewrite(rows, ["claimed_until", "held", "due_at"])


def _store(answers: Sequence[Answered], now: datetime, *, found: bool = False) -> Dispatched:
    """Write down what the providers answered. Only for claims that are still ours: `until` is the fence.

    Recipients are locked first, as everywhere, so that storing and deciding cannot wait for each other in a ring.
    """
    ids = [answer.claimed.message.pk for answer in answers]
    recipients = list(
        Recipient.objects.select_for_update()
        .filter(pk__in={answer.claimed.message.recipient_id for answer in answers})
        .order_by("pk")
    )
    held = {
        row.message_id: row for row in Outbox.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    }
    mine = [
        a for a in answers if (row := held.get(a.claimed.message.pk)) and row.claimed_until == a.claimed.until
    ]
    done = Dispatched()
    left, events, back, unanswered = [], [], [], []
    for claimed, answer in mine:
        message = claimed.message
        if answer is None and not found:
            done.in_doubt += 1  # it keeps its claim: when that runs out, the provider is asked
            held[message.pk].held = ANSWER_LOST
            unanswered.append(held[message.pk])
        elif answer is None or answer.accepted:
            left.append((claimed, answer))
            native = ("handed over" if answer else "answer lost", "", "")
            events.append(event(message.pk, message.goal, SENDING, at=now, native=native))
            done.handed_over += answer is not None
            done.in_doubt += answer is None
        elif answer.retry_after is not None or (found and answer.native_status == "never_received"):
            back.append((held[message.pk], claimed.account, answer.retry_after or 0.0))
        else:
            left.append((claimed, None))
            events.append(_refused(message, claimed.account, answer, now))
            done.refused += 1
    _left(left, recipients, now)
    rewrite(unanswered, ["held"])
    apply(events, now)
    answered = {claimed.account.pk for claimed, answer in mine if answer and answer.retry_after is None}
    _put_back(back, now)
    lost = [claimed.account for claimed, answer in mine if answer is None and not found]
    _count_failures([*(account for _, account, seconds in back if seconds), *lost], answered, now)
    _rest(answered, now)
    done.put_off = len(back)
    return done


def _refused(message: Message, account: Account, answer: SendResult, now: datetime):
    """A refusal is translated like a receipt."""
    report = Report("", "", message.channel, answer.native_status, answer.native_code, answer.native_text)
    native = (answer.native_status, answer.native_code, answer.native_text)
    meaning = mappings.current().translate(account.provider, report).meaning
    return event(message.pk, message.goal, meaning, at=now, native=native)


def _left(
    handovers: Sequence[tuple[Claimed, SendResult | None]], recipients: Sequence[Recipient], now: datetime
) -> None:
    """These are in the provider's hands: off the outbox, their clocks start."""
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
    # A receipt can be faster than the answer: what it said of the message has been, or will be, decided upon.
    pending = Message.objects.filter(pk__in=[m.pk for m in rows], disposition=Disposition.PENDING)
    opened = set(pending.values_list("recipient_id", flat=True))
    _open([recipient for recipient in recipients if recipient.pk in opened], now)
    rewrite(rows, ["handed_over_at", "provider_message_id", "segments"])
    Outbox.objects.filter(pk__in=[message.pk for message in rows]).delete()
    quarantine.forget(Kind.HAND_OVER, [message.pk for message in rows])


def _segments(outgoing: OutboundMessage, answer: SendResult | None) -> int:
    """As the provider counted them, else as the carrier will; 1 on the channels that know none."""
    own = segments(outgoing.body) if outgoing.channel == Channel.SMS else 1
    return max((answer.segments if answer else 0) or own, 1)


def _open(recipients: Sequence[Recipient], now: datetime) -> None:
    """The recipients' first look comes when the playbook has something to say about silence."""
    tally: Counter[tuple] = Counter()
    campaigns = Campaign.objects.select_related("playbook").in_bulk({r.campaign_id for r in recipients})
    for recipient in recipients:
        if recipient.state != State.REACHED:
            tally[recipient.campaign_id, recipient.state, recipient.skip_reason] -= 1
            recipient.state, recipient.skip_reason = State.OPEN, ""
            tally[recipient.campaign_id, recipient.state, ""] += 1
            recipient.next_step = Step.WAIT
            rules = rules_of(campaigns[recipient.campaign_id].playbook)
            recipient.next_step_at = now + rules.next_look(AT_ONCE)
            recipient.next_step_reason = UNDER_WAY
    rewrite(recipients, ["state", "skip_reason", "next_step", "next_step_at", "next_step_reason"])
    bump(RecipientTally, tally)


def _put_back(rows: Sequence[tuple[Outbox, Account, float]], now: datetime) -> None:
    """Not taken by the provider: later again."""
    for row, _, seconds in rows:
        row.claimed_until, row.due_at = None, now + timedelta(seconds=max(seconds, 1.0) if seconds else 0.0)
        if not seconds and row.attempts > RECOVERIES_AT_ONCE:
            row.due_at += row.attempts * RECOVERY_PAUSE
    rewrite([row for row, _, _ in rows], ["claimed_until", "due_at"])


def _count_failures(failed: Sequence[Account], answered: Collection[int], now: datetime) -> None:
    """Handovers that were put off, or whose answer was lost: after several in a row the account rests.

    An account that answered to others of the same batch is busy, not away.
    """
    counts = Counter(account.pk for account in failed if account.pk not in answered)
    for pk, n in counts.items():
        Account.objects.filter(pk=pk).update(failures=F("failures") + n)
    tired = Account.objects.filter(failures__gte=OUTAGE_FAILURES, pk__in=counts)
    tired.update(paused_until=now + OUTAGE_PAUSE, failures=0)


def _rest(account_ids: set[int], now: datetime) -> None:
    """These accounts answered: whatever failed before is over."""
    Account.objects.filter(pk__in=account_ids, failures__gt=0).update(failures=0)
