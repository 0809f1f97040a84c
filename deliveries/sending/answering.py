"""Sending the automatic answers: a path of its own, since they belong to no campaign and count in none of its figures.

The gate is asked in the transaction that takes one up. What may have left is never sent again: rather no confirmation
than two.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, time

from django.db import connection, transaction

from campaigns.models import Sender
from contacts.answering import WITHIN
from contacts.gate import Ask, Verdict, check, sentence
from contacts.jurisdictions import Purpose
from contacts.models import AutomaticAnswer
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
def _take(now: datetime) -> list[tuple[AutomaticAnswer, Account]]:
    """Those that may go now, marked as being sent; the others are dropped, with the reason."""
    skip = connection.features.has_select_for_update_skip_locked
    waiting = AutomaticAnswer.objects.filter(state=State.WAITING).select_related("address").order_by("pk")
    rows = list(waiting.select_for_update(skip_locked=skip, of=("self",) if skip else ())[:AT_ONCE])
    if not rows:
        return []
    senders = {one.value: one for one in Sender.objects.filter(channel__in={row.channel for row in rows})}
    accounts = {one.pk: one for one in Account.objects.readable()}
    verdicts = check([_ask(row, senders.get(row.sender_value)) for row in rows], now)
    taken = []
    for row in rows:
        account = accounts.get(row.account_id)
        if why := _why_not(verdicts[row.pk], account):
            row.state, row.why = State.DROPPED, why[:200]
        elif account:
            row.state = State.SENDING
            taken.append((row, account))
        row.begun_at = now
    AutomaticAnswer.objects.bulk_update(rows, ["state", "why", "begun_at"])
    return taken


def _ask(row: AutomaticAnswer, sender: Sender | None) -> Ask:
    """The gate's question: as of a campaign that is being sent, at any hour. The person asked for it just now, so that
    no hours of the law for marketing are kept."""
    return Ask(
        key=row.pk,
        contact_id=row.address.contact_id,
        address_id=row.address_id,
        channel=row.channel,
        sender_value=row.sender_value,
        window_start=time(0),
        window_end=time(23, 59, 59),
        campaign_state=CampaignState.SENDING,
        sender_state=sender.state if sender else Sender.State.NOT_REGISTERED,
        relevant_until=row.asked_at + WITHIN,
        answer=row.pk,
        purpose=Purpose.SERVICE,
    )


def _why_not(verdict: Verdict, account: Account | None) -> str:
    if not verdict.allowed:
        return sentence(verdict.reason, verdict.detail)
    if account is None or not account.is_ready:
        return "The account that the word came in for cannot send now."
    return ""


async def _hand_over(
    taken: Sequence[tuple[AutomaticAnswer, Account]],
) -> list[tuple[AutomaticAnswer, SendResult | None]]:
    async with HttpClient() as client:
        results = await asyncio.gather(*(_call(row, account, client) for row, account in taken))
    return list(zip([row for row, _ in taken], results, strict=True))


async def _call(row: AutomaticAnswer, account: Account, client: HttpClient) -> SendResult | None:
    """What the provider says; None where that is not known. Raises nothing: the others go on."""
    message = OutboundMessage(
        ref=str(row.uuid),
        channel=row.channel,
        to=row.address.value,
        sender=row.sender_value,
        body=row.text,
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
    else:
        row.state = State.REFUSED
        row.why = f"{result.native_code} {result.native_text}".strip()[:200]
    mine = AutomaticAnswer.objects.filter(pk=row.pk, state=State.SENDING)
    mine.update(state=row.state, why=row.why, provider_message_id=row.provider_message_id)
