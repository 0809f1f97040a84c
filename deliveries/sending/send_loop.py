"""The process that sends: it claims and stores while many calls are under way.

A message is claimed only when a place is free at its account, or will be by the time that it is claimed, by how
many were answered lately. So its call begins within a moment, and no place stands empty meanwhile: an opt-out that
commits before it is claimed wins, and a killed process leaves in doubt what was under way, about to be or just
answered, and nothing else. Whatever was answered while one batch was stored and the next claimed is stored together:
the batches follow the load.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from deliveries.ledger.quarantine import PASSING
from deliveries.models import Account
from deliveries.sending.answers import Dispatched, store_answers
from deliveries.sending.dispatch import claim, claim_in_doubt
from deliveries.sending.pacing import Clock
from deliveries.sending.transport import Answered, Transport

logger = logging.getLogger(__name__)

# Ours, tried with a provider that answers after 0 to 200 ms: fewer answers a turn cost more statements than they save
# waiting, more make the places of those that were answered stand empty.
ENOUGH, WAIT = 50, 0.02  # answers; seconds
IDLE = 0.2  # seconds, when nothing more is due
# Seconds, when nothing more may begin for the moment and calls are under way: to look after each single answer would
# cost most of a core, three processes for a few messages a second. Well below what is claimed ahead (`HORIZON`).
PACED = 0.1
MOST = 500  # messages claimed in one turn, however much room there is
REFRESH = 1.0  # seconds, for what seldom changes: the accounts, what is in doubt, and what is locked
IN_DOUBT = 50  # messages looked up at a time
GRACE = 8.0  # seconds for what is under way when the process is told to end


class SendLoop:
    """One process's sending. `turn` again and again; `finish` in the end."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._unstored: list[Answered] = []
        self._locked: list[Answered] = []  # whose recipient somebody else had locked: stored later
        self._locked_until = 0.0
        self._dry = False  # nothing more was due when it last looked
        self._places: dict[int, int] = {}
        self._answered: Counter[int] = Counter()  # in the last turn, by account
        self._ahead: Counter[int] = Counter()  # places that will be free soon, by account
        self._look_at = 0.0

    def turn(self, now: datetime) -> int:
        """Claim what there is room for, begin those calls, and store what was answered; how much was done.

        In this order, so that no place stands empty while answers are stored. Except where something was not simply
        taken: a rest, or what another process has to know, is stored before more is claimed.

        Raises what the database raises; what was answered is kept for the next turn, and stored before anything else.
        """
        result, clock = Dispatched(), Clock(now)
        kept = bool(self._unstored)
        answers = self.transport.answers(0.0 if kept else self._pause(), ENOUGH)
        self._look_ahead(answers)
        self._unstored += answers + self._unlocked()
        if kept or not all(answer and answer.accepted for _, answer in self._unstored):
            self._store(clock.now(), result)
        self._claim(clock.now(), result)
        self._store(clock.now(), result)
        return result.looked_at

    def recover(self, now: datetime) -> int:
        """Begin to look up what is in doubt, once in a while; how many.

        Nothing while answers wait to be stored: after an outage of the database the claims that ran out are theirs.
        Nor whose answer waits for a lock to go: it says more than a look-up, and a refusal would be lost to that.
        """
        if self._unstored or time.monotonic() < self._look_at:
            return 0
        self._look_at = time.monotonic() + REFRESH
        self._places = {account.pk: account.calls_at_a_time for account in Account.objects.readable()}
        answered = [each.claimed.message.pk for each in self._locked]
        doubtful = claim_in_doubt(now, self._places, IN_DOUBT, without=answered)
        self.transport.begin(doubtful)
        return len(doubtful)

    def finish(self) -> None:
        """Wait for what is under way, not for ever. What is not answered by then keeps its claim."""
        ends = time.monotonic() + GRACE
        while self._is_busy() and time.monotonic() < ends:
            try:
                self._unstored += self.transport.answers(IDLE, ENOUGH)
                self._unstored += self._unlocked()
                self._store(timezone.now(), Dispatched())
            except PASSING as problem:
                logger.warning("Answers have to be stored again: %s", problem)
                time.sleep(IDLE)

    def _pause(self) -> float:
        if not self._dry:
            return WAIT
        return PACED if self.transport.calls else IDLE

    def _claim(self, now: datetime, result: Dispatched) -> None:
        room = self._room()
        if not room:
            return
        # Whoever ends its process takes what is not stored yet along, too.
        claimed = claim(now, room, result, busy=self._is_busy())
        self._dry = len(claimed) + result.held + result.stopped == 0
        self.transport.begin(claimed)

    def _store(self, now: datetime, result: Dispatched) -> None:
        if self._unstored:
            locked = store_answers(self._unstored, now, result, wait=False)
            self._unstored = []
            if (
                locked and not self._locked
            ):  # those that come later wait no longer, or none were ever tried again
                self._locked_until = time.monotonic() + REFRESH
            self._locked += locked

    def _unlocked(self) -> list[Answered]:
        """Answers to try again that could not be stored: one lock that is forgotten must not hold up all others."""
        if time.monotonic() < self._locked_until:
            return []
        locked, self._locked = self._locked, []
        return locked

    def _is_busy(self) -> bool:
        """Whether calls are under way, or answers wait to be stored."""
        return bool(self.transport.calls or self._unstored or self._locked)

    def _look_ahead(self, answers: Sequence[Answered]) -> None:
        """As many places become free while a batch is claimed as did in the last turn and in the one before: none at
        an account that answers now and then, where what is claimed now would wait for its call."""
        before, self._answered = self._answered, Counter(answer.claimed.account.pk for answer in answers)
        self._ahead = before & self._answered

    def _room(self) -> dict[int, int]:
        """How many more calls each account may have under way, and in line for the places that become free."""
        calls = self.transport.calls
        most = {pk: places + min(self._ahead[pk], places) for pk, places in self._places.items()}
        free = {pk: places - calls[pk] for pk, places in most.items() if places > calls[pk]}
        share = max(MOST // len(free), 1) if free else 0
        return {pk: min(places, share) for pk, places in free.items()}


def send(now: datetime, seconds: float = 2.0) -> int:
    """Sending for a while, for whoever does all the work in one process: until nothing is due or the time is up."""
    ends, total = time.monotonic() + seconds, 0
    with Transport() as transport:
        loop = SendLoop(transport)
        try:
            while time.monotonic() < ends:
                loop.recover(timezone.now())
                done = loop.turn(timezone.now())
                total += done
                if not done and not transport.calls:
                    break
        finally:  # also where the database failed in between: what was answered is stored all the same
            loop.finish()
    return total
