"""Sending answers, automatic ones and those of colleagues: a path of its own, since they belong to no campaign and
count in none of its figures.

The gate is asked in the transaction that takes one up. What may have left is never sent again: rather no confirmation
than two.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from time import monotonic
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from campaigns.models import Campaign, Sender
from contacts import proving, verifying
from contacts.addresses import match_key
from contacts.answering import CONFIRM_WITHIN, PERSON_WITHIN, WITHIN, Kind, is_owed
from contacts.changing import make_code
from contacts.channels import Channel
from contacts.consent_ledger import contacts_at, counting_on, latest_consents
from contacts.gate import Ask, Reason, Verdict, check, judge, sentence
from contacts.gate_facts import of_nobody
from contacts.jurisdictions import Purpose
from contacts.models import Address, AutomaticAnswer, Reply
from contacts.models.answers import CODE_PLACE
from contacts.opt_ins import not_wanted
from contacts.states import CampaignState
from deliveries import links
from deliveries.deciding.routes import concerns_route
from deliveries.ledger.statements import inbound_waits
from deliveries.meaning import mappings
from deliveries.models import Account
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, OutboundMessage, Report, SendResult
from deliveries.providers.kit.client import HttpClient
from deliveries.receiving.answers import Said, record_refusals
from deliveries.receiving.recording import record_inbound
from deliveries.sending.composing import callback
from deliveries.sending.pacing import AT_ONCE as TURN_AT_ONCE
from deliveries.sending.questions import Questions, first_due, worded
from deliveries.sending.transport import CALL_LIMIT

logger = logging.getLogger(__name__)

AT_ONCE = 20
OURS_TO_FIX = timedelta(minutes=15)  # until it is asked again whether a sender or an account is ready
LASTS = {
    Kind.PERSON: PERSON_WITHIN,
    Kind.CONFIRM: CONFIRM_WITHIN,
    Kind.VERIFY: verifying.WITHIN,
}  # what may wait; all else WITHIN
State, QUESTIONS = AutomaticAnswer.State, AutomaticAnswer.QUESTIONS
SUBJECT = "Your code"  # of a code by email


class Taken(NamedTuple):
    """One that may go now, by which account, what it says: a code stands nowhere else; and when it begins, on the
    monotonic clock, 0: at once."""

    row: AutomaticAnswer
    account: Account
    body: str
    begins: float = 0.0


def run(now: datetime) -> int:
    """Send what is owed, some at a time; return how many answers were looked at. Questions are not counted, so that the
    next ones wait for the next second."""
    if not record_inbound(now):
        return 0
    given_up = _give_up(now)
    taken = _take(now)
    for one, result in asyncio.run(_hand_over(taken)) if taken else []:
        _store(one, result, timezone.now())
    return given_up + len([one for one in taken if one.row.kind not in QUESTIONS])


def _give_up(now: datetime) -> int:
    """What was being sent when its process ended may have left."""
    ended = AutomaticAnswer.objects.filter(state=State.SENDING, begun_at__lt=now - WITHIN)
    return ended.update(state=State.IN_DOUBT, why="Its process ended before the provider answered.")


@transaction.atomic
def _take(now: datetime) -> list[Taken]:
    """Those that may go now, marked as being sent; the others wait, or are dropped, with the reason."""
    if inbound_waits():  # before the gate looks: what is recorded while it does, it may not see
        return []
    rows = _waiting(now)
    if not rows:
        return []
    senders = {one.value: one for one in Sender.objects.filter(channel__in={row.channel for row in rows})}
    accounts = {one.pk: one for one in Account.objects.readable()}
    verdicts = _verdicts(rows, senders, now)
    needless = not_wanted([row for row in rows if row.kind == Kind.CONFIRM])
    needless |= verifying.not_wanted([row for row in rows if row.kind == Kind.VERIFY], now)
    needless |= proving.not_wanted([row for row in rows if row.kind == Kind.CODE and row.own_value])
    by_sender = _by_sender(rows, senders, accounts.values())
    questions = Questions(rows, senders, accounts.values(), now)
    taken = []
    for row in rows:
        verdict, account = verdicts[row.pk], accounts.get(row.account_id) or by_sender.get(row.sender_value)
        if row.kind in QUESTIONS:
            account = questions.account_for(row)
        why = needless.get(row.pk) or _why_not(verdict, account)
        row.why = why[:200]
        if why and row.pk not in needless and (until := _waits_until(row, verdict, now)):
            row.until = until
        elif why:
            row.state, row.begun_at = State.DROPPED, now
        elif account:
            turn = questions.turn(row) if row.kind in QUESTIONS else TURN_AT_ONCE
            if turn.waits:
                row.until = turn.until
                continue
            row.state, row.begun_at, row.account_id = State.SENDING, now, account.pk
            taken.append(Taken(row, account, _body(row, now), turn.begins))
    questions.save()
    AutomaticAnswer.objects.bulk_update(rows, ["state", "why", "begun_at", "until", "account_id"])
    return taken


def _waiting(now: datetime) -> list[AutomaticAnswer]:
    """Answers come before questions, which may be many. Locked."""
    skip = connection.features.has_select_for_update_skip_locked
    waiting = AutomaticAnswer.objects.filter(state=State.WAITING).select_related("address", "change")
    waiting = waiting.select_for_update(skip_locked=skip, of=("self",) if skip else ())
    due = waiting.filter(Q(until=None) | Q(until__lte=now)).exclude(kind__in=QUESTIONS)
    rows = list(due.order_by("pk")[:AT_ONCE])
    if len(rows) < AT_ONCE:
        rows += first_due(waiting, now, AT_ONCE - len(rows))
    return rows


def _by_sender(
    rows: Sequence[AutomaticAnswer], senders: Mapping[str, Sender], accounts: Collection[Account]
) -> dict[str, Account]:
    """Where no account is named: the one that owns the sender, else any for the channel. By the sender's value."""
    wanted = {row.sender_value: row.channel for row in rows if not row.account_id}
    owned = set(Account.senders.through.objects.values_list("account_id", "sender_id")) if wanted else set()
    found = {}
    for value, channel in wanted.items():
        fitting = [one for one in accounts if one.active and one.is_ready and channel in one.channels]
        owners = [one for one in fitting if value in senders and (one.pk, senders[value].pk) in owned]
        if fitting:
            found[value] = (owners or fitting)[0]
    return found


def _waits_until(row: AutomaticAnswer, verdict: Verdict, now: datetime) -> datetime | None:
    """What a colleague wrote waits for its hours; a question too, and for what only we can set right. None for what is
    over."""
    if row.kind == Kind.PERSON:
        return verdict.until
    if row.kind not in QUESTIONS:
        return None
    ours = verdict.allowed or verdict.reason == Reason.SENDER_NOT_APPROVED
    return now + OURS_TO_FIX if ours else verdict.until


def _body(row: AutomaticAnswer, now: datetime) -> str:
    if row.kind == Kind.TEST:
        by_mail = row.channel == Channel.EMAIL
        return links.below(row.text, links.page(str(row.uuid))) if by_mail else row.text
    if row.kind == Kind.CODE and row.own_value:
        return row.text.replace(CODE_PLACE, proving.make_code(row, now))
    if row.change:
        return row.text.replace(CODE_PLACE, make_code(row.change, now))
    return worded(row)


def _verdicts(
    rows: Sequence[AutomaticAnswer], senders: Mapping[str, Sender], now: datetime
) -> dict[int, Verdict]:
    """The gate's, by row. A code goes to an address that is nobody's yet, as far as we know; so may a test."""
    asks = {row: _ask(row, senders.get(row.sender_value)) for row in rows}
    found = check([ask for row, ask in asks.items() if row.address_id], now)
    for row, ask in asks.items():
        if row.change or row.own_value:
            found[row.pk] = _of_nobody(row, ask, now)
    return found


def _of_nobody(row: AutomaticAnswer, ask: Ask, now: datetime) -> Verdict:
    """Whoever has the address already and said no to such messages gets none, whoever asked for it."""
    facts = of_nobody(row.to, row.channel, now)
    others = latest_consents({*contacts_at(row.to)} - {row.change.contact_id if row.change else 0})
    refused = [one for (_, on), one in others.items() if on in counting_on(row.channel) and not one.opted_in]
    owed = row.kind if is_owed(row, match_key(row.to), row.channel, now) else ""
    return judge(replace(facts, owed=owed, consent=next(iter(refused), None)), ask, now)


def verdict_on(reply: Reply, address: Address, now: datetime) -> Verdict:
    """What the gate says today to an answer that a colleague writes to `reply`."""
    row = AutomaticAnswer(
        pk=0,
        kind=Kind.PERSON,
        address=address,
        channel=Channel.SMS,
        sender_value=reply.sender_value,
        asked_at=now,
    )
    sender = Sender.objects.filter(channel=Channel.SMS, value=reply.sender_value).first()
    return check([_ask(row, sender)], now)[0]


def _ask(row: AutomaticAnswer, sender: Sender | None) -> Ask:
    """The gate's question: as of a campaign that is being sent.

    What the person asked for just now goes at any hour, and no hours of the law for marketing are kept; what a
    colleague writes goes at the hours of an ordinary message, and so does a question of ours.
    """
    asked = row.kind not in (Kind.PERSON, *QUESTIONS)
    usual = Campaign()
    return Ask(
        key=row.pk,
        contact_id=row.address.contact_id if row.address else 0,
        address_id=row.address_id or 0,
        channel=row.channel,
        sender_value=row.sender_value,
        window_start=time(0) if asked else usual.window_start,
        window_end=time(23, 59, 59) if asked else usual.window_end,
        campaign_state=CampaignState.SENDING,
        sender_state=sender.state if sender else Sender.State.NOT_REGISTERED,
        relevant_until=row.asked_at + LASTS.get(Kind(row.kind), WITHIN),
        answer=None if row.kind in (Kind.PERSON, Kind.VERIFY) else row.pk,
        purpose=Purpose.SERVICE if asked else Purpose.MARKETING,
    )


def _why_not(verdict: Verdict, account: Account | None) -> str:
    if not verdict.allowed:
        return sentence(verdict.reason, verdict.detail)
    if account is None or not account.is_ready:
        return "No account can send it now."
    return ""


async def _hand_over(taken: Sequence[Taken]) -> list[tuple[Taken, SendResult | None]]:
    async with HttpClient() as client:
        results = await asyncio.gather(*(_call(one, client) for one in taken))
    return list(zip(taken, results, strict=True))


async def _call(one: Taken, client: HttpClient) -> SendResult | None:
    """What the provider says; None where that is not known. Raises nothing: the others go on."""
    row, account = one.row, one.account
    message = OutboundMessage(
        ref=str(row.uuid),
        channel=row.channel,
        to=row.to,
        sender=row.sender_value,
        subject=row.subject or (SUBJECT if row.channel == Channel.EMAIL and row.kind == Kind.CODE else ""),
        body=one.body,
        html=links.below_html(row.html, links.page(str(row.uuid))),
        media_url=row.media_url,
        extra=_extra(row),
        callback=callback(account, str(row.uuid), row.channel),
    )
    await asyncio.sleep(max(one.begins - monotonic(), 0.0))
    try:
        async with asyncio.timeout(CALL_LIMIT):
            return await PROVIDERS[account.provider].send(message, account.credentials, client)
    except (LostAnswer, TimeoutError) as lost:
        logger.warning("The provider's word on automatic answer %d was lost: %r", row.pk, lost)
    except Exception:  # an adapter's mistake: whether it left is not known
        logger.exception("Sending automatic answer %d failed", row.pk)
    return None


def _extra(row: AutomaticAnswer) -> dict[str, str]:
    """Whatever goes by email has the header to unsubscribe that a campaign's has."""
    if row.channel == Channel.EMAIL:
        return {"unsubscribe": links.page(str(row.uuid))}
    return {"keys": "1"} if row.channel == Channel.VOICE else {}


@transaction.atomic
def _store(one: Taken, result: SendResult | None, now: datetime) -> None:
    row, said = one.row, []
    if result is None:
        row.state, row.why = State.IN_DOUBT, "The provider's answer was lost."
    elif result.accepted:
        row.state, row.provider_message_id = State.SENT, result.provider_message_id[:80]
    elif result.retry_after is not None:
        row.state = State.WAITING  # nothing was taken: it is tried again until it is too late
        if row.kind in LASTS:
            row.until = now + timedelta(seconds=result.retry_after)
    else:
        said.append(_refuse(row, result, one.account.provider, now))
    mine = AutomaticAnswer.objects.filter(pk=row.pk, state=State.SENDING)
    mine.update(
        state=row.state, why=row.why, until=row.until, account_id=row.account_id,
        provider_message_id=row.provider_message_id,
    )  # fmt: skip
    record_refusals(said, now)


def _refuse(row: AutomaticAnswer, result: SendResult, provider: str, now: datetime) -> Said:
    """A refusal is translated like a receipt. A question waits for what we can set right, by whichever account."""
    report = Report(
        "", "", row.channel, result.native_status, result.native_code, native_text=result.native_text
    )
    meaning = mappings.current().translate(provider, report).meaning
    row.state = State.REFUSED
    row.why = f"{result.native_code} {result.native_text}".strip()[:200]
    if row.kind in QUESTIONS and concerns_route(meaning.failure_class, meaning.fault):
        row.state, row.until, row.account_id = State.WAITING, now + OURS_TO_FIX, 0
    return Said(row, meaning, result.native_status, result.native_code, now)
