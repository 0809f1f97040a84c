"""One look at the campaigns that are being sent: those that do badly stop, those whose first slice did well go on."""

from __future__ import annotations

from datetime import datetime

from deliveries.sending import breaker, canary


def run(now: datetime) -> int:
    """How many campaigns stopped or went on. In this order: no rest goes on for outcomes that were not judged."""
    seen = canary.look()
    return breaker.watch(now) + canary.go_on(seen, now)
