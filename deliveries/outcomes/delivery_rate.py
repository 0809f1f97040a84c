"""The delivery rate: messages by what became of them, and the judgement on that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deliveries.outcomes.rounding import percent
from deliveries.outcomes.thresholds import FEWEST_TO_JUDGE, MOST_PENDING, POOR_BELOW, WATCH_BELOW
from deliveries.statuses import BUCKETS, Disposition

BELOW = (
    BUCKETS[Disposition.BOUNCED_HARD],
    BUCKETS[Disposition.PENDING_RETRY],
)  # buckets of a verdict below a mark


@dataclass(frozen=True)
class TargetVerdict:
    words: str
    bucket: str


@dataclass(frozen=True)
class Outcomes:
    """Messages by disposition, each counted once, at its latest status. '' is those canceled before they left."""

    counts: Mapping[str, int] = field(default_factory=dict)

    def of(self, disposition: str) -> int:
        return self.counts.get(disposition, 0)

    @property
    def sent(self) -> int:
        """All but those canceled before they left: the messages that every page counts."""
        return sum(self.counts.values()) - self.canceled

    @property
    def canceled(self) -> int:
        return self.of("")

    @property
    def delivered(self) -> int:
        return self.of(Disposition.DELIVERED)

    @property
    def settled(self) -> int:
        return self.sent - self.of(Disposition.PENDING)

    @property
    def rate(self) -> float | None:
        """Delivered of sent, 0..1; None while nothing was sent."""
        return self.delivered / self.sent if self.sent else None

    @property
    def settled_rate(self) -> float | None:
        """Delivered of settled, 0..1: what the verdict is about. None while nothing has settled."""
        return self.delivered / self.settled if self.settled else None

    @property
    def highest_rate(self) -> float:
        """What the rate comes to if everything that is still on its way arrives."""
        return (self.delivered + self.of(Disposition.PENDING)) / self.sent if self.sent else 1.0

    @property
    def is_early(self) -> bool:
        """Too much is on its way for what has settled to say how the rest will go."""
        return self.of(Disposition.PENDING) > MOST_PENDING * self.sent

    @property
    def band(self) -> str:
        """The lowest and the highest the rate can be, in words: the unknown counted as failed, and as delivered.

        '' where nothing is unknown, or too little to be seen.
        """
        if self.settled_rate is None:
            return ""
        unknown = self.of(Disposition.UNKNOWN)
        highest = percent((self.delivered + unknown) / self.settled)
        lowest = percent(self.settled_rate)
        if highest == lowest:
            return ""
        return f"Between {lowest} and {highest}: {unknown:,} {'has' if unknown == 1 else 'have'} no receipt"

    @property
    def verdict(self) -> TargetVerdict:
        """Below a mark only when it can no longer be met; of what can, what has settled is judged."""
        if self.rate is None:
            return TargetVerdict("Nothing sent yet", BUCKETS[Disposition.UNKNOWN])
        if self.highest_rate < POOR_BELOW:
            return TargetVerdict(f"Below {POOR_BELOW:.0%} (poor)", BUCKETS[Disposition.BOUNCED_HARD])
        if self.highest_rate < WATCH_BELOW:
            return TargetVerdict(f"Below {WATCH_BELOW:.0%} (watch)", BUCKETS[Disposition.PENDING_RETRY])
        if self.is_early:
            return TargetVerdict("Too early to judge", BUCKETS[Disposition.PENDING])
        if (self.settled_rate or 0) < WATCH_BELOW:
            return TargetVerdict(
                f"Below {WATCH_BELOW:.0%} so far (watch)", BUCKETS[Disposition.PENDING_RETRY]
            )
        return TargetVerdict("On target", BUCKETS[Disposition.DELIVERED])

    @property
    def needs_attention(self) -> bool:
        return self.sent >= FEWEST_TO_JUDGE and self.verdict.bucket in BELOW
