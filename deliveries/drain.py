"""The work, one slice at a time: record receipts, decide, expand, hand over, run bulk actions, fold tallies.

Any number of processes may drain at once, with or without a task broker. Each step claims its own rows, so a
process that dies or doubles changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import OperationalError
from django.utils import timezone

from campaigns.models import Campaign
from deliveries import batches
from deliveries.deciding.followup import follow_due, follow_moved
from deliveries.mappings import drift, rereading, sightings
from deliveries.models import Heartbeat
from deliveries.receiving import recording
from deliveries.sending import dispatch, expansion, launching
from deliveries.tallies import fold

logger = logging.getLogger(__name__)

SLICE_SECONDS = 5.0
HEARTBEAT_EVERY = timedelta(seconds=2)


@dataclass(frozen=True)
class Drained:
    """What a slice did; `more` when its time was up before its work was."""

    done: int
    more: bool


def record(now: datetime) -> int:
    recording.unpark(now)
    batch = recording.record(now)
    return batch.recorded + batch.parked + batch.dead


def expand(now: datetime) -> int:
    """One chunk of each campaign that is being launched."""
    done = 0
    for campaign in Campaign.objects.filter(state=Campaign.State.LAUNCHING).order_by("launched_at"):
        try:
            done += expansion.expand(campaign, now)
        except expansion.CannotSend as problem:
            logger.error("%s The campaign is paused.", problem)
            launching.pause(campaign, Campaign.State.LAUNCHING)
    return done


# In order of haste: what people are waiting to see comes before what they are waiting for.
STEPS: dict[str, Callable[[datetime], int]] = {
    "record": record,
    "decide": follow_moved,
    "fold": lambda now: fold(),
    "due": follow_due,
    "batches": batches.run,
    "recover": lambda now: dispatch.recover(now).looked_at,
    "send": lambda now: dispatch.dispatch(now).looked_at,
    "withdraw": launching.withdraw_canceled,
    "expand": expand,
    "sightings": sightings.count,
    "reread": rereading.run,
    "drift": drift.run,
}


def drain_once(seconds: float = SLICE_SECONDS, only: tuple[str, ...] = ()) -> Drained:
    """Go round the steps until nothing is left or the time is up. A step that fails does not stop the others."""
    ends = time.monotonic() + seconds
    total, busy = 0, True
    while busy and time.monotonic() < ends:
        busy = False
        for name, step in STEPS.items():
            if only and name not in only:
                continue
            done = _run(name, step)
            total += done
            busy = busy or done > 0
            beat(total)
    if not busy and not only:
        launching.complete(timezone.now())
    return Drained(total, busy)


def _run(name: str, step: Callable[[datetime], int]) -> int:
    try:
        return step(timezone.now())
    except (
        OperationalError
    ) as problem:  # a deadlock, a busy file, a database that went away: the next round tries again
        logger.warning("Step %s has to be tried again: %s", name, problem)
    except Exception:
        logger.exception("Step %s failed", name)
    return 0


def beat(done: int) -> None:
    """Leave a sign of progress, every couple of seconds at most."""
    now = timezone.now()
    fresh = Heartbeat.objects.filter(name="drain", at__gt=now - HEARTBEAT_EVERY).exists()
    if not fresh:
        Heartbeat.objects.update_or_create(name="drain", defaults={"at": now, "detail": {"done": done}})
