"""Steps that need not look at every round."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime


class Seldom:
    """A step that looks every so many seconds in each process, and again at once as long as it finds something to do.

    After a failure it also waits that long.
    """

    def __init__(self, seconds: float, step: Callable[[datetime], int]) -> None:
        self.seconds = seconds
        self.step = step
        self.next = float("-inf")  # of time.monotonic()

    def __call__(self, now: datetime) -> int:
        if time.monotonic() < self.next:
            return 0
        self.next = time.monotonic() + self.seconds
        done = self.step(now)
        if done:
            self.next = float("-inf")
        return done
