"""How long a page goes on asking for what is done in the background."""

from __future__ import annotations

from datetime import datetime, timedelta

LONGEST = timedelta(
    minutes=2
)  # after that the background work stands still: the page says so, and asks no more


def still_comes(asked_at: datetime, now: datetime) -> bool:
    """Whether what was asked for then may be expected any moment."""
    return now - asked_at < LONGEST
