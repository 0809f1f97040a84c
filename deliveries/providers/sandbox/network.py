"""The simulated network: what becomes of a message, decided by a seed. Pure: no clock, no database, no Django.

What happens to an attempt is a function of (seed, channel, address, how many attempts there were before), so the same
submissions at the same times give the same callbacks, byte for byte, whatever references they carry. `truth()`
tells what really happened, which the callbacks do not always do: receipts get lost, come late, twice, in the
wrong order, and one carrier sends none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import date, datetime, timedelta
from heapq import heappop, heappush
from typing import NamedTuple

from deliveries.providers.sandbox.attempt import (
    NOT_REACHED,
    Callback,
    CarrierAttempt,
    Submission,
    Truth,
    as_json,
    inbound_body,
    signed,
)
from deliveries.providers.sandbox.carriers import Dice, carrier_of, line_type_of, outage
from deliveries.providers.sandbox.channel_outcomes import FATES

LOST_ANSWERS = 0.0005  # of the attempts, 0..1


class CarrierAnswer(NamedTuple):
    """The answer to the sender: an id, or a refusal's code. `lost`: taken, but the answer never arrives."""

    id: str = ""
    code: str = ""
    text: str = ""
    segments: int = 1
    lost: bool = False


class CarrierPlan(NamedTuple):
    """All that becomes of one submission, known when it is made."""

    answer: CarrierAnswer
    truth: Truth
    callbacks: list[Callback]


class KnownMessage(NamedTuple):
    """What the network knows of a reference. More than one submission means it was handed over twice."""

    submissions: int
    answers: list[CarrierAnswer]


def refusal(channel: str, to: str, sender: str, body: str, media_url: str = "") -> tuple[str, str] | None:
    """Code and text for what the network will not even try; None when it will."""
    if channel == "email":
        if "@" not in to.strip("@"):
            return "INVALID_ADDRESS", "to: not an email address."
    elif not (to.startswith("+") and to[1:].isascii() and to[1:].isdigit() and 8 <= len(to) <= 16):
        return "INVALID_NUMBER", "to: not a phone number in international form."
    if not sender:
        return "NO_SENDER", "from: missing."
    if not (body or media_url):
        return "NO_CONTENT", "body: missing."
    return None


def plan(
    seed: int,
    submission: Submission,
    nth: int,
    speed: float = 1.0,
    outages: Collection[tuple[str, date]] = frozenset(),
) -> CarrierPlan:
    """Everything that becomes of `submission`, the `nth` attempt (from 1) to its address on its channel.

    `speed` divides every delay. `outages` adds days, as (carrier name, UTC date), on which a carrier is down.
    Callbacks are in time order. Raises ValueError for an unknown channel.
    """
    if submission.channel not in FATES:
        raise ValueError(f"channel: {submission.channel!r} is not one of {', '.join(FATES)}.")
    refused = refusal(
        submission.channel, submission.to, submission.sender, submission.body, submission.media_url
    )
    if refused:
        return CarrierPlan(CarrierAnswer(code=refused[0], text=refused[1]), NOT_REACHED, [])
    attempt = CarrierAttempt(seed, speed, submission, nth)
    carrier = attempt.carrier
    attempt.down = (carrier.name, submission.at.date()) in outages or outage(seed, carrier, submission.at)
    FATES[submission.channel](attempt)
    attempt.callbacks.sort(key=lambda callback: callback.at)
    lost = attempt.dice.chance("lost answer", LOST_ANSWERS)
    return CarrierPlan(
        CarrierAnswer(id=attempt.id, segments=attempt.parts, lost=lost), attempt.truth, attempt.callbacks
    )


class Network:
    """The carriers with their memory of one run: attempts so far, callbacks to come, and the truth."""

    def __init__(
        self,
        seed: int,
        speed: float = 1.0,
        outages: Collection[tuple[str, date]] = frozenset(),
        secret: str = "",
    ) -> None:
        self.seed = seed
        self.speed = speed
        self.outages = outages
        self.secret = secret
        self._attempts: Counter[tuple[str, str]] = Counter()
        self._waiting: list[tuple[datetime, int, Callback]] = []
        self._count = 0
        self._answers: dict[str, list[CarrierAnswer]] = {}
        self._truths: dict[str, Truth] = {}

    def submit(
        self,
        ref: str,
        channel: str,
        to: str,
        sender: str,
        body: str,
        callback: str,
        at: datetime,
        *,
        media_url: str = "",
        secret: str = "",
    ) -> CarrierAnswer:
        """Take a message at the aware time `at`; its callbacks are signed with `secret`, else the network's own."""
        submission = Submission(
            ref, channel, to, sender, body, callback, at, secret or self.secret, media_url
        )
        self._attempts[channel, to] += 1
        answer, truth, callbacks = self.planned(submission, self._attempts[channel, to])
        for each in callbacks:
            self._count += 1
            heappush(self._waiting, (each.at, self._count, each))
        self._answers.setdefault(ref, []).append(answer)
        if not self.truth(ref).reached:
            self._truths[ref] = truth
        return answer

    def planned(self, submission: Submission, nth: int) -> CarrierPlan:
        """What becomes of it, the `nth` attempt to its address on its channel."""
        return plan(self.seed, submission, nth, self.speed, self.outages)

    def write(
        self, channel: str, writer: str, to: str, text: str, url: str, at: datetime, *, secret: str = ""
    ) -> None:
        """Somebody writes in words that no fate foresees; reported to `url` a moment after `at`."""
        ref = f"sb-{Dice(self.seed, channel, writer, text, at.isoformat()).token()}-reply"
        raw = as_json(inbound_body(ref, channel, writer, to, text, at))
        arrives = at + timedelta(milliseconds=500)
        self._count += 1
        callback = Callback(arrives, url, "inbound", raw, signed(secret or self.secret, arrives, url, raw))
        heappush(self._waiting, (arrives, self._count, callback))

    def due(self, until: datetime) -> list[Callback]:
        """The callbacks up to and including `until` in time order; each is given once."""
        found = []
        while self._waiting and self._waiting[0][0] <= until:
            found.append(heappop(self._waiting)[2])
        return found

    def next_at(self) -> datetime | None:
        """When the next callback is due; None when nothing is to come."""
        return self._waiting[0][0] if self._waiting else None

    def truth(self, ref: str) -> Truth:
        """What really became of a message; not reached for one that never came."""
        return self._truths.get(ref, NOT_REACHED)

    def lookup(self, ref: str) -> KnownMessage:
        answers = self._answers.get(ref, [])
        return KnownMessage(len(answers), answers)

    def carrier_of(self, value: str) -> str:
        return carrier_of(self.seed, value).name

    def line_type_of(self, value: str) -> str:
        return line_type_of(self.seed, value)
