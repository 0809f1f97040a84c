"""Handing messages over: claim, gate, call the provider, store its answer.

The claim and the gate are one transaction; the calls run outside of any; the answers are stored in another. A
process that dies between leaves claimed rows whose time runs out: those messages may or may not have left, so
they are looked up at the provider, or wait for their receipt, and are never simply sent again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import httpx
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import F

from campaigns.merging import merge
from campaigns.models import Campaign, Content, Recipient
from contacts.gate import REASONS, Ask, Reason, Verdict, check
from deliveries.deciding.followup import State, Step, withdraw
from deliveries.models import Account, Decision, Message, Outbox, RecipientTally
from deliveries.providers import PROVIDERS
from deliveries.providers.base import Handover, LostAnswer, Outgoing, Report
from deliveries.receiving.recording import apply, event
from deliveries.receiving.translation import translate
from deliveries.statements import rewrite
from deliveries.statuses import Evidence, FailureClass, Fault, Meaning, Status
from deliveries.tallies import bump

logger = logging.getLogger(__name__)

CLAIM = 50  # messages that may be in doubt when a process is killed
TOGETHER = 20  # calls to providers at a time
LEASE = timedelta(seconds=60)
TIMEOUT = httpx.Timeout(15.0, connect=5.0)  # well below the lease
STORE_ATTEMPTS = 3
OUTAGE_FAILURES = 5  # handovers refused in a row before the account rests
OUTAGE_PAUSE = timedelta(seconds=60)
CONFIRM_WITHIN = timedelta(hours=72)  # carriers try for up to three days

SENDING = Meaning(Status.SENDING, FailureClass.NONE, Fault.NONE, Evidence.HANDED_OVER)


class Claimed(NamedTuple):
    """A message that is ours to hand over until `until`."""

    message: Message
    outgoing: Outgoing
    account: Account
    until: datetime


class Answered(NamedTuple):
    """What became of a handover: the provider's answer, or None when the answer was lost."""

    claimed: Claimed
    answer: Handover | None


@dataclass
class Dispatched:
    """How many messages were handed over, refused by the provider, held or stopped by the gate, put off, in doubt."""

    handed_over: int = 0
    refused: int = 0
    held: int = 0
    stopped: int = 0
    put_off: int = 0
    in_doubt: int = 0

    @property
    def looked_at(self) -> int:
        return sum(vars(self).values())


class Transport:
    """How messages reach providers. The demo's simulated clock puts its own in this place."""

    def hand_over(self, claimed: Sequence[Claimed]) -> list[Answered]:
        """Call the providers, a few at a time. Never raises for a single message."""
        return asyncio.run(self._all(claimed, find=False))

    def find(self, claimed: Sequence[Claimed]) -> list[Answered]:
        """Ask the providers about messages whose answer was lost."""
        return asyncio.run(self._all(claimed, find=True))

    async def _all(self, claimed: Sequence[Claimed], *, find: bool) -> list[Answered]:
        places = asyncio.Semaphore(TOGETHER)
        async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as client:
            return await asyncio.gather(*(self._one(c, client, places, find=find) for c in claimed))

    async def _one(
        self, claimed: Claimed, client: httpx.AsyncClient, places: asyncio.Semaphore, *, find: bool
    ) -> Answered:
        adapter = PROVIDERS[claimed.account.provider]
        call = adapter.find if find else adapter.send
        async with places:
            try:
                return Answered(claimed, await call(claimed.outgoing, claimed.account.credentials, client))
            except LostAnswer as lost:
                logger.warning("The answer for message %d was lost: %s", claimed.message.pk, lost)
            except Exception:  # an adapter's mistake: whether it left is not known
                logger.exception("Handing over message %d failed", claimed.message.pk)
        return Answered(claimed, None)


def dispatch(now: datetime, transport: Transport | None = None, limit: int = CLAIM) -> Dispatched:
    """Hand over one batch of due messages."""
    result = Dispatched()
    with transaction.atomic():
        claimed = _claim(now, limit, result)
    if claimed:
        answers = (transport or Transport()).hand_over(claimed)
        _keep(answers, now, result)
    return result


def recover(now: datetime, transport: Transport | None = None, limit: int = CLAIM) -> Dispatched:
    """Deal with handovers whose process died: look each message up; send again only what surely never left."""
    result = Dispatched()
    with transaction.atomic():
        rows = _lock(Outbox.objects.filter(claimed_until__lt=now).order_by("claimed_until")[:limit])
        began = {row.message_id: row.claimed_until - LEASE for row in rows if row.claimed_until}
        for row in rows:
            row.claimed_until = now + LEASE
        rewrite(rows, ["claimed_until"])
        claimed = _prepare(rows, began)
    if claimed:
        answers = (transport or Transport()).find(claimed)
        _keep(answers, now, result, found=True)
    return result


def _keep(answers: Sequence[Answered], now: datetime, result: Dispatched, *, found: bool = False) -> None:
    """Store the answers; a transaction that lost to another one (a deadlock, a busy file) is tried again."""
    for attempt in range(STORE_ATTEMPTS):
        try:
            with transaction.atomic():
                _store(answers, now, result, found=found)
            return
        except OperationalError:
            if attempt == STORE_ATTEMPTS - 1:
                raise
            logger.warning("Storing %d answers has to be tried again", len(answers))


def _lock(rows) -> list[Outbox]:
    skip = connection.features.has_select_for_update_skip_locked
    return list(rows.select_for_update(skip_locked=skip))


def _claim(now: datetime, limit: int, result: Dispatched) -> list[Claimed]:
    """Take due messages, ask the gate about each, and mark those that may go. Attempts count before the attempt."""
    resting = list(Account.objects.filter(paused_until__gt=now).values_list("pk", flat=True))
    due = Outbox.objects.filter(claimed_until=None, due_at__lte=now).exclude(account_id__in=resting)
    rows = _lock(due.order_by(F("urgent").desc(), "due_at", "message_id")[:limit])
    if not rows:
        return []
    verdicts = check(_asks(rows), now)
    go, held = [], []
    stopped: dict[str, list[Outbox]] = {}
    for row in rows:
        verdict = verdicts[row.message_id]
        if verdict.allowed:
            row.claimed_until, row.attempts, row.held = now + LEASE, row.attempts + 1, ""
            go.append(row)
        elif REASONS[Reason(verdict.reason)].holds:
            row.due_at, row.held = verdict.until or now + timedelta(minutes=5), verdict.reason
            held.append(row)
        else:
            stopped.setdefault(verdict.reason, []).append(row)
    rewrite([*go, *held], ["claimed_until", "attempts", "held", "due_at"])
    for reason, those in stopped.items():
        _stop(those, reason, verdicts, now)
    result.held, result.stopped = len(held), sum(map(len, stopped.values()))
    return _prepare(go, {})


def _asks(rows: Sequence[Outbox]) -> list[Ask]:
    """The gate's questions, keyed by message."""
    messages = Message.objects.select_related("sender").in_bulk([row.message_id for row in rows])
    campaigns = Campaign.objects.select_related("playbook").in_bulk({row.campaign_id for row in rows})
    asks = []
    for message in messages.values():
        campaign = campaigns[message.campaign_id]
        asks.append(
            Ask(
                key=message.pk,
                contact_id=message.contact_id,
                address_id=message.address_id,
                channel=message.channel,
                sender_value=message.sender.value,
                window_start=campaign.window_start,
                window_end=campaign.window_end,
                campaign_state=campaign.state,
                sender_state=message.sender.state,
                relevant_until=campaign.relevant_until,
                strikes=campaign.playbook.strikes,
            )
        )
    return asks


def _stop(rows: Sequence[Outbox], reason: str, verdicts: dict[int, Verdict], now: datetime) -> None:
    """The gate said no: the message is withdrawn, and the decision says why."""
    ids = withdraw([row.message_id for row in rows], reason, now)
    Decision.objects.bulk_create(
        [
            Decision(
                message_id=pk, recipient_id=recipient, contact_id=contact, at=now, by="gate", rule=reason,
                step=Step.NONE, reason=_sentence(reason, verdicts[pk].detail)[:300],
            )
            for pk, recipient, contact in Message.objects.filter(pk__in=ids).values_list("pk", "recipient", "contact")
        ],
        batch_size=300,
    )  # fmt: skip


def _sentence(reason: str, detail: str) -> str:
    return f"Not sent: {REASONS[Reason(reason)].sentence}{f' ({detail})' if detail else ''}."


def _prepare(rows: Sequence[Outbox], began: dict[int, datetime]) -> list[Claimed]:
    """What is to be sent, merge fields filled in; `began` says when a handover in doubt was begun."""
    messages = Message.objects.select_related("contact", "address", "sender").in_bulk(
        [r.message_id for r in rows]
    )
    accounts = Account.objects.in_bulk({row.account_id for row in rows})
    contents = {
        (content.campaign_id, content.channel): content
        for content in Content.objects.filter(campaign__in={row.campaign_id for row in rows})
    }
    claimed = []
    for row in rows:
        message, account = messages[row.message_id], accounts[row.account_id]
        content = contents[message.campaign_id, message.channel]
        assert row.claimed_until is not None
        claimed.append(Claimed(message, outgoing(message, content, account, began.get(message.pk)), account, row.claimed_until))
    return claimed


def outgoing(message: Message, content: Content, account: Account, began: datetime | None = None) -> Outgoing:
    """The message as the provider gets it. Its callback address carries our own reference."""
    contact = message.contact
    values = {**contact.attributes, "name": contact.name, "first_name": contact.first_name}
    return Outgoing(
        ref=str(message.uuid),
        channel=message.channel,
        to=message.address.value,
        sender=message.sender.value,
        subject=merge(content.subject, values),
        body=merge(content.body, values),
        media_url=content.media_url,
        extra={"since": began.isoformat()} if began else {},
        callback=f"{settings.PUBLIC_URL}/hooks/{account.token}/status?m={message.uuid}&c={message.channel}",
    )


def _store(answers: Sequence[Answered], now: datetime, result: Dispatched, *, found: bool = False) -> None:
    """Write down what the providers answered. Only for claims that are still ours: `until` is the fence."""
    ids = [answer.claimed.message.pk for answer in answers]
    held = {
        row.message_id: row for row in Outbox.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    }
    mine = [
        a for a in answers if (row := held.get(a.claimed.message.pk)) and row.claimed_until == a.claimed.until
    ]
    left, events, back = [], [], []
    for claimed, answer in mine:
        message = claimed.message
        if answer is None or answer.accepted:
            left.append((message, answer))
            native = ("handed over" if answer else "answer lost", "", "")
            events.append(event(message.pk, message.goal, SENDING, at=now, native=native))
        elif answer.retry_after is not None or (found and answer.native_status == "never_received"):
            back.append((held[message.pk], claimed.account, answer.retry_after or 0.0))
        else:
            left.append((message, None))
            events.append(_refused(message, claimed.account, answer, now))
            result.refused += 1
    _left(left, now)
    apply(events, now)
    _put_back(back, now)
    _rest({claimed.account.pk for claimed, answer in mine if answer and answer.retry_after is None}, now)
    result.in_doubt = sum(answer is None for _, answer in mine)
    result.put_off = len(back)
    result.handed_over = sum(bool(answer and answer.accepted) for _, answer in mine)


def _refused(message: Message, account: Account, answer: Handover, now: datetime):
    """A refusal is translated like a receipt."""
    report = Report("", "", message.channel, answer.native_status, answer.native_code, answer.native_text)
    native = (answer.native_status, answer.native_code, answer.native_text)
    return event(message.pk, message.goal, translate(account.provider, report), at=now, native=native)


def _left(messages: Sequence[tuple[Message, Handover | None]], now: datetime) -> None:
    """These are in the provider's hands: off the outbox, their clocks start."""
    for message, answer in messages:
        message.handed_over_at, message.confirm_by = now, now + CONFIRM_WITHIN
        if answer is not None:
            message.provider_message_id, message.segments = answer.provider_message_id, answer.segments
    rows = [message for message, _ in messages]
    _open([message.recipient_id for message in rows], now)
    rewrite(rows, ["handed_over_at", "confirm_by", "provider_message_id", "segments"])
    Outbox.objects.filter(pk__in=[message.pk for message in rows]).delete()


def _open(recipient_ids: Sequence[int], now: datetime) -> None:
    """The recipients' first look comes when the playbook calls silence a risk."""
    opened = list(Recipient.objects.select_for_update().filter(pk__in=recipient_ids).order_by("pk"))
    tally: Counter[tuple] = Counter()
    hours = dict(
        Campaign.objects.filter(pk__in={r.campaign_id for r in opened}).values_list(
            "pk", "playbook__at_risk_hours"
        )
    )
    for recipient in opened:
        if recipient.state != State.REACHED:
            tally[recipient.campaign_id, recipient.state, recipient.skip_reason] -= 1
            recipient.state, recipient.skip_reason = State.OPEN, ""
            tally[recipient.campaign_id, recipient.state, ""] += 1
            recipient.next_step = Step.WAIT
            recipient.next_step_at = now + timedelta(hours=hours[recipient.campaign_id])
            recipient.next_step_reason = "Under way. A delay is not a failure."
    rewrite(opened, ["state", "skip_reason", "next_step", "next_step_at", "next_step_reason"])
    bump(RecipientTally, tally)


def _put_back(rows: Sequence[tuple[Outbox, Account, float]], now: datetime) -> None:
    """Not taken by the provider: later again. Several in a row, and the account rests."""
    for row, account, seconds in rows:
        row.claimed_until, row.due_at = None, now + timedelta(seconds=max(seconds, 1.0) if seconds else 0.0)
        if seconds:
            Account.objects.filter(pk=account.pk).update(failures=F("failures") + 1)
    rewrite([row for row, _, _ in rows], ["claimed_until", "due_at"])
    tired = Account.objects.filter(
        failures__gte=OUTAGE_FAILURES, pk__in={account.pk for _, account, _ in rows}
    )
    tired.update(paused_until=now + OUTAGE_PAUSE, failures=0)


def _rest(account_ids: set[int], now: datetime) -> None:
    """These accounts answered: whatever failed before is over."""
    Account.objects.filter(pk__in=account_ids, failures__gt=0).update(failures=0)


def earliest_due() -> datetime | None:
    """When the next message falls due; None when none waits."""
    return (
        Outbox.objects.filter(claimed_until=None).order_by("due_at").values_list("due_at", flat=True).first()
    )
