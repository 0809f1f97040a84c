"""A call's own moment, where its sender keeps to a rate: it is made ready before, and its first byte leaves then."""

from __future__ import annotations

import asyncio
import time
from contextvars import ContextVar
from typing import NamedTuple


class Moment(NamedTuple):
    """On the monotonic clock: the call leaves at `at`, not after `until`."""

    at: float
    until: float


class TooLate(Exception):
    """The moment of a call has passed, and nothing of it has left."""


_moment: ContextVar[Moment | None] = ContextVar("moment", default=None)


def set_moment(moment: Moment | None) -> None:
    """For the next call that this task makes."""
    _moment.set(moment)


async def its_moment() -> None:
    """Wait for the moment of this task's call; at once where it has none, or had its first request. Raises TooLate."""
    moment = _moment.get()
    if moment is None:
        return
    _moment.set(None)
    await asyncio.sleep(max(moment.at - time.monotonic(), 0.0))
    if time.monotonic() > moment.until:
        raise TooLate
