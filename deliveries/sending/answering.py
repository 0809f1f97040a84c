"""Sending answers, automatic ones and those of colleagues: a path of its own, since they belong to no campaign and
count in none of its figures.

The gate is asked in the transaction that takes one up. What may have left is never sent again: rather no confirmation
than two.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from campaigns.models import Campaign, Sender
from contacts.answering import PERSON_WITHIN, WITHIN, Kind, is_owed
from contacts.changing import make_code
from contacts.channels import Channel
from contacts.consent_ledger import contacts_at, counting_on, latest_consents
from contacts.gate import Ask, Verdict, check, judge, sentence
from contacts.gate_facts import of_nobody
from contacts.jurisdictions import Purpose
from contacts.models import Address, AddressChange, AutomaticAnswer, Reply
from contacts.models.answers import CODE_PLACE
from contacts.states import CampaignState
from deliveries.models import Account
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, OutboundMessage, SendResult
from deliveries.providers.kit.client import HttpClient
from deliveries.sending.composing import callback
from deliveries.sending.transport import CALL_LIMIT

logger = logging.getLogger(__name__)

AT_ONCE = 20
State = AutomaticAnswer.State
SUBJECT = "Your code"  # of a code by email


class Taken(NamedTuple):
    """One that may go now, by which account, and what it says: a code stands nowhere else."""

    row: AutomaticAnswer
    account: Account
    body: str


def run(now: datetime) -> int:
    """Send what is owed, some at a time; return how many were looked at."""
    given_up = _give_up(now)
    taken = _take(now)
    for answer, result in asyncio.run(_hand_over(taken)) if taken else []:
        _store(answer, result)
    return given_up + len(taken)


def _give_up(now: datetime) -> int:
    """What was being sent when its process ended may have left."""
    ended = AutomaticAnswer.objects.filter(state=State.SENDING, begun_at__lt=now - WITHIN)
    return ended.update(state=State.IN_DOUBT, why="Its process ended before the provider answered.")


@transaction.atomic
def _take(now: datetime) -> list[Taken]:
    """Those that may go now, marked as being sent; the others wait, or are dropped, with the reason."""
    skip = connection.features.has_select_for_update_skip_locked
    waiting = (
        AutomaticAnswer.objects.filter(Q(until=None) | Q(until__lte=now), state=State.WAITING)
        .select_related("address", "change")
        .order_by("pk")
    )
    rows = list(waiting.select_for_update(skip_locked=skip, of=("self",) if skip else ())[:AT_ONCE])
    if not rows:
        return []
    senders = {one.value: one for one in Sender.objects.filter(channel__in={row.channel for row in rows})}
    accounts = {one.pk: one for one in Account.objects.readable()}
    verdicts = _verdicts(rows, senders, now)
    taken = []
    for row in rows:
        account, verdict = accounts.get(row.account_id), verdicts[row.pk]
        if verdict.until and row.kind == Kind.PERSON:
            row.until, row.why = verdict.until, sentence(verdict.reason, verdict.detail)[:200]
            continue
        row.why = ""
        if why := _why_not(verdict, account):
            row.state, row.why = State.DROPPED, why[:200]
        elif account:
            row.state = State.SENDING
            taken.append(Taken(row, account, _body(row, now)))
        row.begun_at = now
    AutomaticAnswer.objects.bulk_update(rows, ["state", "why", "begun_at", "until"])
    return taken


def _body(row: AutomaticAnswer, now: datetime) -> str:
    return row.text.replace(CODE_PLACE, make_code(row.change, now)) if row.change else row.text


def _verdicts(
    rows: Sequence[AutomaticAnswer], senders: Mapping[str, Sender], now: datetime
) -> dict[int, Verdict]:
    """The gate's, by row. A code goes to an address that is nobody's yet, as far as we know."""
    asks = {row: _ask(row, senders.get(row.sender_value)) for row in rows}
    found = check([ask for row, ask in asks.items() if row.address_id], now)
    for row, ask in asks.items():
        if row.change:
            found[row.pk] = _of_code(row, row.change, ask, now)
    return found


def _of_code(row: AutomaticAnswer, change: AddressChange, ask: Ask, now: datetime) -> Verdict:
    """Whoever has the address already and said no to such messages gets none, whoever asked for it."""
    facts = of_nobody(change.value, row.channel, now)
    others = latest_consents({*contacts_at(change.value)} - {change.contact_id})
    refused = [one for (_, on), one in others.items() if on in counting_on(row.channel) and not one.opted_in]
    owed = row.kind if is_owed(row, change.match_key, row.channel, now) else ""
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
    colleague writes goes at the hours of an ordinary message.
    """
    owed = row.kind != Kind.PERSON
    usual = Campaign()
    return Ask(
        key=row.pk,
        contact_id=row.address.contact_id if row.address else 0,
        address_id=row.address_id or 0,
        channel=row.channel,
        sender_value=row.sender_value,
        window_start=time(0) if owed else usual.window_start,
        window_end=time(23, 59, 59) if owed else usual.window_end,
        campaign_state=CampaignState.SENDING,
        sender_state=sender.state if sender else Sender.State.NOT_REGISTERED,
        relevant_until=row.asked_at + (WITHIN if owed else PERSON_WITHIN),
        answer=row.pk if owed else None,
        purpose=Purpose.SERVICE if owed else Purpose.MARKETING,
    )


def _why_not(verdict: Verdict, account: Account | None) -> str:
    if not verdict.allowed:
        return sentence(verdict.reason, verdict.detail)
    if account is None or not account.is_ready:
        return "The account that the word came in for cannot send now."
    return ""


async def _hand_over(taken: Sequence[Taken]) -> list[tuple[AutomaticAnswer, SendResult | None]]:
    async with HttpClient() as client:
        results = await asyncio.gather(*(_call(one, client) for one in taken))
    return list(zip([one.row for one in taken], results, strict=True))


async def _call(one: Taken, client: HttpClient) -> SendResult | None:
    """What the provider says; None where that is not known. Raises nothing: the others go on."""
    row, account = one.row, one.account
    message = OutboundMessage(
        ref=str(row.uuid),
        channel=row.channel,
        to=row.to,
        sender=row.sender_value,
        subject=SUBJECT if row.channel == Channel.EMAIL else "",
        body=one.body,
        callback=callback(account, str(row.uuid), row.channel),
    )
    try:
        async with asyncio.timeout(CALL_LIMIT):
            return await PROVIDERS[account.provider].send(message, account.credentials, client)
    except (LostAnswer, TimeoutError) as lost:
        logger.warning("The provider's word on automatic answer %d was lost: %r", row.pk, lost)
    except Exception:  # an adapter's mistake: whether it left is not known
        logger.exception("Sending automatic answer %d failed", row.pk)
    return None


def _store(row: AutomaticAnswer, result: SendResult | None) -> None:
    if result is None:
        row.state, row.why = State.IN_DOUBT, "The provider's answer was lost."
    elif result.accepted:
        row.state, row.provider_message_id = State.SENT, result.provider_message_id[:80]
    elif result.retry_after is not None:
        row.state = State.WAITING  # nothing was taken: it is tried again until it is too late
        if row.kind == Kind.PERSON:
            row.until = timezone.now() + timedelta(seconds=result.retry_after)
    else:
        row.state = State.REFUSED
        row.why = f"{result.native_code} {result.native_text}".strip()[:200]
    mine = AutomaticAnswer.objects.filter(pk=row.pk, state=State.SENDING)
    mine.update(state=row.state, why=row.why, until=row.until, provider_message_id=row.provider_message_id)
