"""Calling the providers: a few at a time, within the lease of the messages that were claimed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from deliveries.models import Account, Message
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import LostAnswer, OutboundMessage, SendResult
from deliveries.providers.kit.client import HttpClient

logger = logging.getLogger(__name__)

TOGETHER = 20  # calls to providers at a time
LEASE = timedelta(seconds=settings.HANDOVER_LEASE_SECONDS)
# A call begins in the first half of its lease and lasts a third of it at most, so that nobody takes the lease over
# and finds that the message "never left" while it is about to leave. And a round of the drain, which may wait for
# providers twice, has to end well within the time that a task may take (Q_CLUSTER), or it is killed in a handover.
BEGIN_WITHIN = min(LEASE.total_seconds() / 2, 6.0)
CALL_LIMIT = min(LEASE.total_seconds() / 3, 16.0)


class Claimed(NamedTuple):
    """A message that is ours to hand over until `until`. `began`: when its handover in doubt did, else None."""

    message: Message
    outgoing: OutboundMessage
    account: Account
    until: datetime
    began: datetime | None = None


class Answered(NamedTuple):
    """What became of a handover: the provider's answer, or None when the answer was lost."""

    claimed: Claimed
    answer: SendResult | None


NOT_BEGUN = SendResult(False, native_text="Its lease was too short for another call.", retry_after=0.0)
NOT_SET_UP = SendResult(False, native_text="The account lacks its credentials.", retry_after=30.0)


class Transport:
    """How messages reach providers. The demo's simulated clock puts its own in this place.

    Made before the messages are claimed: its clock runs as long as their leases.
    """

    def __init__(self) -> None:
        self._begin_by = time.monotonic() + BEGIN_WITHIN

    def hand_over(self, claimed: Sequence[Claimed]) -> list[Answered]:
        """Call the providers, a few at a time. Never raises for a single message."""
        return asyncio.run(self._all(claimed, find=False))

    def find(self, claimed: Sequence[Claimed]) -> list[Answered]:
        """Ask the providers about messages whose answer was lost; those not asked keep their claim and are left out."""
        return asyncio.run(self._all(claimed, find=True))

    async def _all(self, claimed: Sequence[Claimed], *, find: bool) -> list[Answered]:
        places = asyncio.Semaphore(TOGETHER)
        async with HttpClient() as client:
            answers = await asyncio.gather(*(self._one(c, client, places, find=find) for c in claimed))
        return [each for each in answers if each is not None]

    async def _one(
        self, claimed: Claimed, client: HttpClient, places: asyncio.Semaphore, *, find: bool
    ) -> Answered | None:
        async with places:
            if not claimed.account.is_ready:
                return None if find else Answered(claimed, NOT_SET_UP)
            if time.monotonic() > self._begin_by:
                return None if find else Answered(claimed, NOT_BEGUN)
            adapter = PROVIDERS[claimed.account.provider]
            call = adapter.find if find else adapter.send
            try:
                async with asyncio.timeout(CALL_LIMIT):
                    return Answered(
                        claimed, await call(claimed.outgoing, claimed.account.credentials, client)
                    )
            except (LostAnswer, TimeoutError) as lost:
                logger.warning("The answer for message %d was lost: %r", claimed.message.pk, lost)
            except Exception:  # an adapter's mistake: whether it left is not known
                logger.exception("Handing over message %d failed", claimed.message.pk)
        return Answered(claimed, None)
