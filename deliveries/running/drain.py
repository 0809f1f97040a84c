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
from functools import partial

from django.db import connection
from django.utils import timezone

from campaigns.models import Campaign
from deliveries.bulk import actions
from deliveries.deciding.followup import follow_due, follow_failed, follow_status_changes
from deliveries.ledger import partitions, quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.ledger.tallies import fold
from deliveries.meaning import drift, occurrences
from deliveries.models import Heartbeat
from deliveries.receiving import recording, replay
from deliveries.running.seldom import Seldom
from deliveries.sending import dispatch, expansion, launching
from deliveries.wake import wake

logger = logging.getLogger(__name__)

SLICE_SECONDS = 5.0
HEARTBEAT_EVERY = timedelta(seconds=2)
STEP_SECONDS = 2.0  # for a step that goes over several things
LOCK_TIMEOUT = "20s"  # well within the time that a task may take (Q_CLUSTER)


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
    """One chunk of each campaign that is being launched, as many as the time of a step allows.

    One that cannot be prepared does not hold up the others: it is tried ever later, and paused in the end.
    """
    done, ends = 0, time.monotonic() + STEP_SECONDS
    launching_now = list(
        Campaign.objects.filter(state=Campaign.State.LAUNCHING).order_by("launched_at", "pk")
    )
    for campaign in launching_now:
        done += quarantine.run(
            Kind.PREPARE,
            campaign.pk,
            partial(expansion.expand, campaign, now),
            now,
            hopeless=(expansion.CannotSend,),
        )
        if time.monotonic() > ends:
            break
    aside = quarantine.reasons(Kind.PREPARE, [campaign.pk for campaign in launching_now])
    for campaign in launching_now:
        if campaign.pk in aside:
            logger.error("Campaign %d is paused: %s", campaign.pk, aside[campaign.pk])
            launching.pause(campaign, Campaign.State.LAUNCHING)
    return done


def again(now: datetime) -> int:
    """What failed before and is due once more, one by one."""
    quarantine.forget_stale(now)
    return follow_failed(now) + replay.run_failed(now)


# In order of haste: what people are waiting to see comes before what they are waiting for.
STEPS: dict[str, Callable[[datetime], int]] = {
    "record": record,
    "decide": follow_status_changes,
    "fold": lambda now: fold(),
    "due": follow_due,
    "batches": actions.run,
    "recover": lambda now: dispatch.recover(now).looked_at,
    "send": lambda now: dispatch.dispatch(now).looked_at,
    "withdraw": launching.withdraw_canceled,
    "hold": launching.hold_or_let_go,
    "expand": expand,
    "complete": launching.complete,
    "again": again,
    "occurrences": occurrences.count,
    "replay": replay.run,
    "drift": drift.run,
    "partitions": Seldom(60, partitions.make_ahead),
}


def drain() -> None:
    """The task: do what is due for a few seconds; wake another if some is left."""
    if drain_once().more:
        wake()


def drain_once(seconds: float = SLICE_SECONDS, only: tuple[str, ...] = ()) -> Drained:
    """Go round the steps until nothing is left or the time is up. A step that fails does not stop the others.

    Where the database has gone away the slice ends, so that the next one begins with a fresh connection.
    """
    ends = time.monotonic() + seconds
    total, busy = 0, True
    try:
        _wait_briefly()
    except quarantine.PASSING as problem:
        logger.warning("The database does not answer: %s", problem)
        connection.close()
        return Drained(0, more=False)
    while busy and time.monotonic() < ends:
        busy = False
        for name, step in STEPS.items():
            if only and name not in only:
                continue
            try:
                done = _run(name, step)
                beat(total + done)
            except GoneAway:
                return Drained(total, more=False)
            total += done
            busy = busy or done > 0
    return Drained(total, busy)


class GoneAway(Exception):
    """The connection to the database is of no use any more."""


def _wait_briefly() -> None:
    """On PostgreSQL the work waits for nobody's lock for long: what somebody forgot to commit must not stop it.

    On SQLite `timeout` says the same.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])


def _run(name: str, step: Callable[[datetime], int]) -> int:
    try:
        return step(timezone.now())
    except quarantine.PASSING as problem:  # a deadlock, a busy file, a database that went away
        logger.warning("Step %s has to be tried again: %s", name, problem)
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
            raise GoneAway from problem
    except Exception:
        logger.exception("Step %s failed", name)
    return 0


def beat(done: int) -> None:
    """Leave a sign of progress, every couple of seconds at most.

    One that lies ahead is none: it was left by a clock that was wrong.
    """
    now = timezone.now()
    recent = Heartbeat.objects.filter(
        name="drain", at__gt=now - HEARTBEAT_EVERY, at__lte=now + HEARTBEAT_EVERY
    )
    try:
        if not recent.exists():
            Heartbeat.objects.update_or_create(name="drain", defaults={"at": now, "detail": {"done": done}})
    except quarantine.PASSING as problem:
        logger.warning("Could not leave a sign of progress: %s", problem)
