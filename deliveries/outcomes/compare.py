"""Parts of campaigns beside what is usual and beside each other, the one with the most excess failures first.

Read from what was counted for the causes (`causes.py`), so it has the date of that count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from deliveries.outcomes.causes import CauseFindings, CommonPart, ComparedGroup
from deliveries.outcomes.rounding import percent, percent_of
from deliveries.outcomes.shares import Share
from deliveries.outcomes.thresholds import FEWEST_TO_JUDGE
from deliveries.statuses import BUCKETS, Disposition

DIMENSIONS = {
    "carrier": "Carrier", "source": "List source", "region": "Region", "channel": "Channel", "sender": "Sender",
    "account": "Account", "wording": "Wording", "link": "Link domain", "segments": "Size in segments", "hour": "Hour",
}  # fmt: skip


@dataclass(frozen=True)
class ComparedPart:
    """Messages that have something in common, beside what is usual for their carriers. `beside`: the share that failed
    of everything it is compared with, 0..1."""

    group: ComparedGroup
    beside: float | None

    @property
    def share(self) -> Share:
        return Share(self.group.failed, self.group.n)

    @property
    def rate(self) -> str:
        return percent_of(self.group.failed, self.group.n)

    @property
    def between(self) -> str:
        low, high = self.share.range
        return f"{percent(low)} to {percent(high)}"

    @property
    def usual(self) -> str:
        return percent(self.group.expected / self.group.n if self.group.n else None)

    @property
    def delivered(self) -> str:
        """Of settled messages."""
        return percent_of(self.group.delivered, self.group.settled)

    @property
    def excess(self) -> int:
        return round(self.group.excess)

    @property
    def excess_between(self) -> str:
        low, high = (round(edge * self.group.n - self.group.expected) for edge in self.share.range)
        return f"{low:+,} to {high:+,}"

    @property
    def too_few(self) -> bool:
        return self.group.n < FEWEST_TO_JUDGE

    @property
    def verdict(self) -> tuple[str, str]:
        """In words, and the bucket of its colour."""
        low, high = (edge * self.group.n for edge in self.share.range)
        if self.too_few:
            return "Too few to judge", BUCKETS[Disposition.UNKNOWN]
        if low > self.group.expected:
            return "More than usual", BUCKETS[Disposition.BOUNCED_HARD]
        if high < self.group.expected:
            return "Fewer than usual", BUCKETS[Disposition.DELIVERED]
        return "As usual", BUCKETS[Disposition.PENDING]


def compared(groups: Iterable[ComparedGroup]) -> list[ComparedPart]:
    """The most excess failures first; those that cannot be judged last."""
    groups = list(groups)
    n, failed = sum(one.n for one in groups), sum(one.failed for one in groups)
    beside = failed / n if n else None
    found = [ComparedPart(one, beside) for one in groups if one.n]
    return sorted(found, key=lambda one: (one.too_few, -one.group.excess, one.group.part.label))


def together(findings: Iterable[CauseFindings], dimension: str) -> list[ComparedGroup]:
    """The groups of several campaigns by one dimension, added up."""
    sums: dict[CommonPart, list[float]] = {}
    for one in findings:
        for group in one.groups.get(dimension, ()):
            counts = sums.setdefault(group.part, [0.0] * (len(group) - 1))
            sums[group.part] = [a + b for a, b in zip(counts, group[1:], strict=True)]
    return [_group(part, counts) for part, counts in sums.items()]


def as_group(part: CommonPart, findings: CauseFindings) -> ComparedGroup:
    """A whole campaign as one group."""
    whole, silent = findings.of("failed"), findings.of("silent")
    return ComparedGroup(
        part, whole.n, whole.failed, whole.expected, findings.delivered, findings.settled, silent.failed
    )


def _group(part: CommonPart, counts: list[float]) -> ComparedGroup:
    n, failed, expected, delivered, settled, silent = counts
    return ComparedGroup(part, int(n), int(failed), expected, int(delivered), int(settled), int(silent))


class Pair(NamedTuple):
    """The same part of two campaigns; None where one has no such messages. `differs`: their ranges do not meet."""

    part: CommonPart
    one: ComparedPart | None
    other: ComparedPart | None

    @property
    def differs(self) -> bool:
        if not self.one or not self.other or self.one.too_few or self.other.too_few:
            return False
        (low, high), (low_too, high_too) = self.one.share.range, self.other.share.range
        return high < low_too or high_too < low

    @property
    def gap(self) -> float:
        """By how much more the first fails, in shares."""
        return (self.one.share.rate if self.one else 0.0) - (self.other.share.rate if self.other else 0.0)


def beside_each_other(one: Iterable[ComparedGroup], other: Iterable[ComparedGroup]) -> list[Pair]:
    """Part by part, those that surely differ first, then by how much."""
    mine: Mapping[str, ComparedPart] = {each.group.part.value: each for each in compared(one)}
    theirs: Mapping[str, ComparedPart] = {each.group.part.value: each for each in compared(other)}
    pairs = []
    for value in dict.fromkeys([*mine, *theirs]):
        named = mine.get(value) or theirs[value]
        pairs.append(Pair(named.group.part, mine.get(value), theirs.get(value)))
    return sorted(pairs, key=lambda pair: (not pair.differs, -abs(pair.gap)))
