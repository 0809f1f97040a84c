"""How a share is written: one rule for rates, shares and charts, so that equal numbers look equal."""

from __future__ import annotations

import math

NOTHING = "—"  # a share of nothing


def percent(share: float | None) -> str:
    """A share (0..1) with one decimal, rounded down: what failed to reach a mark is not shown as having reached it.

    A little is never shown as none.

    >>> percent(0.8996), percent(1.0), percent(0.0004), percent(0.0), percent(None)
    ('89.9%', '100%', '<0.1%', '0%', '—')
    """
    if share is None:
        return NOTHING
    tenths = math.floor(share * 1000 + 1e-9)
    if tenths == 0 and share > 0:
        return "<0.1%"
    return f"{tenths // 10}%" if tenths in (0, 1000) else f"{tenths / 10:.1f}%"


def percent_of(n: int | None, total: int | None) -> str:
    """`n` of `total`, written as `percent` writes it."""
    return percent(n / total if n is not None and total else None)
