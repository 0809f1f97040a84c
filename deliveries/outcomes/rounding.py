"""How a share is written: one rule for rates, shares and charts, so that equal numbers look equal."""

from __future__ import annotations

import math

from deliveries.outcomes.thresholds import POOR_BELOW, WATCH_BELOW

NOTHING = "—"  # a share of nothing
MARKS = (POOR_BELOW, WATCH_BELOW, 1.0)


def percent(share: float | None) -> str:
    """A share (0..1) with one decimal, rounded to the nearest; but what failed to reach a mark is not shown as having
    reached it, and a little is never shown as none.

    >>> percent(0.8527), percent(0.8996), percent(1.0), percent(0.0004), percent(0.0), percent(None)
    ('85.3%', '89.9%', '100%', '<0.1%', '0%', '—')
    """
    if share is None:
        return NOTHING
    tenths = math.floor(share * 1000 + 0.5)
    if any(share < mark - 1e-9 and tenths >= round(mark * 1000) for mark in MARKS):
        # Just below a mark: rounded down. The tiny bit keeps what is a whole number of tenths from losing one.
        tenths = min(tenths, math.floor(share * 1000 + 1e-9))
    if share > 0 and share < 0.001:
        return "<0.1%"
    return f"{tenths // 10}%" if tenths in (0, 1000) else f"{tenths / 10:.1f}%"


def percent_of(n: int | None, total: int | None) -> str:
    """`n` of `total`, written as `percent` writes it."""
    return percent(n / total if n is not None and total else None)
