"""A share of a number of cases, and how much of it is chance."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

CERTAIN = 1.96  # standard errors to both sides: 95 % of a normal distribution


class Share(NamedTuple):
    """`hits` of `n`, with the range in which the true share lies with 95 % certainty (Wilson's score interval)."""

    hits: int
    n: int

    @property
    def rate(self) -> float:
        """0 of nothing."""
        return self.hits / self.n if self.n else 0.0

    @property
    def range(self) -> tuple[float, float]:
        """(low, high), 0..1; of nothing it may be anything."""
        if not self.n:
            return 0.0, 1.0
        square = CERTAIN**2
        width = 1 + square / self.n
        middle = (self.rate + square / (2 * self.n)) / width
        half = CERTAIN / width * sqrt(self.rate * (1 - self.rate) / self.n + square / (4 * self.n**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def words(self) -> str:
        return f"{self.rate:.0%} of {self.n:,}"

    @property
    def between(self) -> str:
        """The range in words, with one per cent sign."""
        low, high = self.range
        return f"{low * 100:.0f} to {high:.0%}"

    @property
    def drawn(self) -> dict[str, str]:
        """Where the range and the share stand on a line from 0 to 100."""
        low, high = self.range
        return {
            "low": f"{low * 100:.1f}",
            "width": f"{max((high - low) * 100, 1):.1f}",
            "at": f"{self.rate * 100:.1f}",
        }
