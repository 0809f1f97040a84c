"""How likely the next message on a channel reaches a person: what came of the earlier ones, and what is usual.

Pure: no database, no clock. Whatever reached the person or failed for a fault of theirs counts, ever less the older it
is, beside what is usual for the carrier and the list (`ledger/base_rates.py`): so much for that as for a few messages.
A fault of a sender, a text, an account or a carrier says nothing of a person. Where no receipt came, nothing is known:
that widens the range and never raises the figure. `chance_sql.py` says the same of many people at once; a test over
random cases holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import exp, log
from typing import NamedTuple

from contacts.channels import Channel
from deliveries.ledger.base_rates import NOTHING_KNOWN, BaseRate
from deliveries.statuses import Disposition, Evidence, Fault

# A result counts half as much as one of so many days later. `manage.py calibrate --simulated 7` is wrong by 0.155 with
# 90 days, 0.150 with 180 and 0.149 with 360 or none; habits may change faster than in that history.
HALF_LIFE = timedelta(days=180)
HORIZON = timedelta(days=720)  # what is older would count a sixteenth at most, and is not read
THEIRS = frozenset({Fault.RECIPIENT.value, Fault.NONE.value})
FAILED = frozenset({Disposition.PENDING_RETRY.value, Disposition.BOUNCED_HARD.value})
UNPROVED = frozenset({Evidence.ASSUMED.value, Evidence.CLOCK.value})  # a "delivered" that nobody reported
TAIL = 0.1  # of a hundred true values ten lie below the range, and ten above it


class Outcome(StrEnum):
    ARRIVED = "arrived"
    FAILED = "failed"
    SILENT = "silent"


class Result(NamedTuple):
    outcome: Outcome
    at: datetime  # when the message was made


def outcome_of(disposition: str, fault: str, evidence: str) -> Outcome | None:
    """What the result of a message says of the person; None for nothing."""
    if disposition == Disposition.DELIVERED:
        return Outcome.SILENT if evidence in UNPROVED else Outcome.ARRIVED
    if fault not in THEIRS:
        return None
    if disposition == Disposition.UNKNOWN:
        return Outcome.SILENT
    return Outcome.FAILED if disposition in FAILED else None


class Record(NamedTuple):
    """What earlier messages to an address on a channel come to: sums of weights, the newest about 1 each."""

    arrived: float = 0.0
    failed: float = 0.0
    silent: float = 0.0
    results: int = 0  # messages that arrived or failed
    silences: int = 0  # messages of which nothing is known


NO_RECORD = Record()


def weigh(results: Iterable[Result], now: datetime, half_life: timedelta = HALF_LIFE) -> Record:
    """What results known at `now` come to."""
    sums, counts = dict.fromkeys(Outcome, 0.0), dict.fromkeys(Outcome, 0)
    for outcome, at in results:
        if now - at <= HORIZON:
            sums[outcome] += 0.5 ** ((now - at) / half_life)
            counts[outcome] += 1
    arrived, failed, silent = (sums[one] for one in Outcome)
    known = counts[Outcome.ARRIVED] + counts[Outcome.FAILED]
    return Record(arrived, failed, silent, known, counts[Outcome.SILENT])


@dataclass(frozen=True)
class Chance:
    """That the next message arrives, 0..1: the figure, and what it stands on."""

    record: Record = NO_RECORD
    usual: BaseRate = NOTHING_KNOWN

    @property
    def _pair(self) -> tuple[float, float]:
        """The parameters of its Beta distribution."""
        rate, strength = self.usual
        return rate * strength + self.record.arrived, (1 - rate) * strength + self.record.failed

    @property
    def value(self) -> float:
        arrived, failed = self._pair
        return arrived / (arrived + failed)

    @property
    def at_least(self) -> float:
        """The figure if nothing arrived of what had no receipt. Channels are compared by this."""
        arrived, failed = self._pair
        return arrived / (arrived + failed + self.record.silent)

    @property
    def low(self) -> float:
        arrived, failed = self._pair
        return quantile(arrived, failed + self.record.silent, TAIL)

    @property
    def high(self) -> float:
        arrived, failed = self._pair
        return quantile(arrived + self.record.silent, failed, 1 - TAIL)

    @property
    def evidence(self) -> str:
        """How much it stands on: "3 results, 1 without a receipt"."""
        n, silences = self.record.results, self.record.silences
        known = f"{n:,} result{'' if n == 1 else 's'}" if n else "no results yet"
        return f"{known}, {silences:,} without a receipt" if silences else known

    @property
    def explained(self) -> str:
        """The same as a sentence, for whoever reads such a figure for the first time."""
        n = self.record.results
        known = (
            f"{n:,} result{'' if n == 1 else 's'} of this person so far"
            if n
            else "no results of this person yet"
        )
        return f"between {self.low * 100:.0f} and {self.high * 100:.0f} of 100 such messages arrive; {known}."

    @property
    def words(self) -> str:
        """The figure, its range and how much it stands on: "62%, 35-84, 3 results"."""
        return f"{self.value:.0%}, {self.low * 100:.0f}-{self.high * 100:.0f}, {self.evidence}"


def in_order(chances: Mapping[str, Chance]) -> list[str]:
    """These channels, the likeliest first; of equals the one that was given first."""
    return sorted(chances, key=lambda channel: -chances[channel].at_least)


def compared(chances: Mapping[str, Chance]) -> str:
    """The figures that channels are chosen by, the likeliest first: "SMS 92%, email 61%"."""
    return ", ".join(
        f"{Channel(channel).in_sentence} {chances[channel].at_least:.0%}" for channel in in_order(chances)
    )


STEPS = 400
FAR = 12.0  # standard deviations


def quantile(a: float, b: float, share: float) -> float:
    """The value below which `share` of a Beta(a, b) distribution lies, to about a thousandth.

    Summed over its log-odds, where the density is x^a (1-x)^b whatever a and b are above 0, and has one smooth peak.
    """
    spread = (1 / a + 1 / b) ** 0.5 * (1 + 1 / a + 1 / b) ** 0.5
    middle = log(a / b)
    odds = [middle + FAR * spread * (2 * n / STEPS - 1) for n in range(STEPS + 1)]
    logs = [a * each - (a + b) * _log1pexp(each) for each in odds]
    top = max(logs)
    densities = [exp(each - top) for each in logs]
    wanted, before = share * sum(densities), 0.0
    for each, density in zip(odds, densities, strict=True):
        if before + density >= wanted:
            step = 2 * FAR * spread / STEPS
            at = each + step * ((wanted - before) / density - 0.5)
            return exp(at - _log1pexp(at))
        before += density
    return 1.0


def _log1pexp(x: float) -> float:
    """log(1 + e^x), also of large x."""
    return x + log(1 + exp(-x)) if x > 0 else log(1 + exp(x))
