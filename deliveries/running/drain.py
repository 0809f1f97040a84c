"""The work, one slice at a time: record receipts, decide, expand, hand over, run bulk actions, fold tallies.

Any number of processes may drain at once, with or without a task broker, each all of it or some roles. Each step claims
its own rows, so a process that dies or doubles changes nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

from django.conf import settings
from django.db import connection
from django.utils import timezone

from campaigns.models import Campaign
from contacts import asking_members, erased_files, import_runs, lists, opt_ins
from deliveries.alerting import notifying
from deliveries.bulk import actions
from deliveries.deciding import automatic_suppression, route_moves
from deliveries.deciding.followup import follow_due, follow_failed, follow_status_changes
from deliveries.ledger import (
    base_rates,
    engagement,
    failure_rates,
    partitions,
    quarantine,
    retention,
    source_figures,
)
from deliveries.ledger.quarantine import Kind
from deliveries.ledger.tallies import fold
from deliveries.meaning import drift, occurrences
from deliveries.outcomes import causes_step
from deliveries.receiving import callback_tests, clicks, gaps, line_notes, number_lookups, recording, replay
from deliveries.running import alerts, heartbeat
from deliveries.running.heartbeat import Role
from deliveries.running.seldom import Seldom
from deliveries.sending import (
    answering,
    dispatch,
    expansion,
    failover,
    guarding,
    launching,
    leaving_out,
    mail_checks,
    next_day,
    registrations_ended,
    sender_allowed,
    sequences,
)
from deliveries.sending.send_loop import SendLoop, send
from deliveries.sending.transport import Transport
from deliveries.wake import wake

logger = logging.getLogger(__name__)

SLICE_SECONDS = 5.0
IDLE_SECONDS = 0.2
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


Steps = Mapping[str, Callable[[datetime], int]]

# In order of haste: what people are waiting to see comes before what they are waiting for.
STEPS: Steps = {
    "record": record,
    "decide": follow_status_changes,
    "fold": lambda now: fold(),
    "clicks": Seldom(2, clicks.count),
    "engagement": Seldom(1, lambda now: engagement.fold()),
    "opt_ins": Seldom(5, opt_ins.ask_some),
    "answer": Seldom(1, answering.run),
    "due": follow_due,
    "batches": actions.run,
    "recover": lambda now: dispatch.recover(now).looked_at,
    "pass_on": Seldom(1, failover.pass_on),
    "send": send,
    "withdraw": launching.withdraw_canceled,
    "guard": Seldom(3, guarding.run),
    "leave_out": leaving_out.leave_out,
    "hold": launching.hold_or_let_go,
    "next_day": Seldom(2, next_day.let_go),
    "senders_allowed": Seldom(5, sender_allowed.let_go),
    "expand": expand,
    "complete": launching.complete,
    "sequences": Seldom(60, sequences.run),
    "imports": import_runs.run,
    "erased_files": Seldom(2, erased_files.run),
    "again": again,
    "occurrences": occurrences.count,
    "line_notes": line_notes.take_over,
    "lookups": Seldom(5, number_lookups.run),
    "replay": replay.run,
    "drift": drift.run,
    "route_moves": Seldom(60, route_moves.run),
    "pauses": Seldom(60, automatic_suppression.run),
    "partitions": Seldom(60, partitions.make_ahead),
    "retention": Seldom(3_600, retention.drop_old),
    "base_rates": Seldom(60, base_rates.run),
    "failure_rates": Seldom(60, failure_rates.run),
    "causes": Seldom(15, causes_step.run),
    "list_counts": Seldom(30, lists.count_some),
    "opt_in_answers": Seldom(10, asking_members.count_answers),
    "source_figures": Seldom(30, source_figures.count_some),
    "registrations": Seldom(600, registrations_ended.run),
    "mail_checks": Seldom(5, mail_checks.run),
    "callback_tests": Seldom(1, callback_tests.run),
    "receipts_seen": Seldom(60, callback_tests.note_receipts),
    "old_imports": Seldom(3_600, import_runs.drop_old),
    "gaps": Seldom(60, gaps.watch),
    "alerts": Seldom(60, alerts.run),
    "notify": Seldom(10, notifying.run),
}


# Every step belongs to one role: what processes are started for, where one machine or one loop is not enough for all.
ROLES: dict[Role, tuple[str, ...]] = {
    Role.RECORD: ("record", "fold", "clicks", "engagement", "occurrences", "line_notes"),
    Role.DECIDE: ("decide", "due", "again"),
    Role.SEND: ("recover", "pass_on", "send"),
    Role.REST: (
        "opt_ins",
        "answer",
        "batches",
        "withdraw",
        "guard",
        "leave_out",
        "hold",
        "next_day",
        "senders_allowed",
        "expand",
        "complete",
        "sequences",
        "imports",
        "erased_files",
        "replay",
        "drift",
        "route_moves",
        "pauses",
        "partitions",
        "retention",
        "base_rates",
        "failure_rates",
        "causes",
        "list_counts",
        "opt_in_answers",
        "source_figures",
        "lookups",
        "old_imports",
        "registrations",
        "mail_checks",
        "callback_tests",
        "receipts_seen",
        "gaps",
        "alerts",
        "notify",
    ),
}


def steps_of(*roles: Role) -> tuple[str, ...]:
    return tuple(step for role in roles for step in ROLES[role])


def roles_of(steps: Collection[str]) -> list[Role]:
    """The roles of which every step is among `steps`."""
    return [role for role in ROLES if set(ROLES[role]) <= set(steps)]


def drain() -> None:
    """The task: do what is due for a few seconds; wake another if some is left.

    Sending is left to the process that was started for it, as long as there is one and it gives signs.
    """
    try:
        others = [role for role in Role if role != Role.SEND]
        apart = heartbeat.has_process_of_its_own(Role.SEND, timezone.now())
        more = drain_once(only=steps_of(*others) if apart else ()).more
    except quarantine.PASSING as problem:
        logger.warning("The database does not answer: %s", problem)
        more = False
    heartbeat.ours().rest()
    if more:
        wake()


def work(only: Collection[str], going: Callable[[], bool]) -> None:
    """What a process of its own does until `going` says no: these steps, round after round; all where none are named.

    One that sends and does nothing else keeps its connections to providers, and many calls under way.
    """
    if set(only) == set(ROLES[Role.SEND]):
        _send(going)
        return
    while going():
        if not drain_once(only=only, going=going).done:
            time.sleep(IDLE_SECONDS)


def _send(going: Callable[[], bool]) -> None:
    with Transport() as transport:
        loop = SendLoop(transport)
        steps: Steps = {"recover": loop.recover, "pass_on": STEPS["pass_on"], "send": loop.turn}
        while going():
            try:
                _wait_briefly()
                while going():
                    _round(steps, going)
            except GoneAway:
                time.sleep(IDLE_SECONDS)
        loop.finish()


def always() -> bool:
    return True


def drain_once(
    seconds: float = SLICE_SECONDS, only: Collection[str] = (), going: Callable[[], bool] = always
) -> Drained:
    """Go round the steps until nothing is left, the time is up or `going` says no. A step that fails stops no other.

    Where the database has gone away the slice ends, so that the next one begins with a fresh connection.
    """
    ends = time.monotonic() + seconds
    steps = {name: step for name, step in STEPS.items() if not only or name in only}
    total, busy = 0, True
    try:
        _wait_briefly()
        while busy and time.monotonic() < ends and going():
            done = _round(steps, going)
            total, busy = total + done, done > 0
    except GoneAway:
        return Drained(total, more=False)
    return Drained(total, busy)


def _round(steps: Steps, going: Callable[[], bool]) -> int:
    """Each step once; how much they did together. Raises GoneAway."""
    report, roles = heartbeat.ours(), roles_of(steps)
    total, failed = 0, False
    for name, step in steps.items():
        if not going():
            break
        report.begin(name, roles)
        done = _run(name, step)
        report.did(done or 0)
        total, failed = total + (done or 0), failed or done is None
    report.end_round(failed=failed)
    return total


class GoneAway(Exception):
    """The connection to the database is of no use any more."""


def _wait_briefly() -> None:
    """On PostgreSQL the work waits for nobody's lock for long: what somebody forgot to commit must not stop it.

    Behind PgBouncer the database's own setting has to say so: ours would go astray among the connections of others.
    On SQLite `timeout` says the same. Raises GoneAway.
    """
    if connection.vendor != "postgresql":
        return
    try:
        with connection.cursor() as cursor:
            if not settings.PGBOUNCER:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LOCK_TIMEOUT])
                return
            cursor.execute("SHOW lock_timeout")
            if cursor.fetchone() == ("0",):
                _warn_of_locks()
    except quarantine.PASSING as problem:
        logger.warning("The database does not answer: %s", problem)
        connection.close()
        raise GoneAway from problem


@cache
def _warn_of_locks() -> None:
    """Once in the life of a process."""
    logger.warning(
        "Work may wait for a lock for ever: no lock_timeout is set. ALTER ROLE %s SET lock_timeout = '%s';",
        connection.settings_dict["USER"],
        LOCK_TIMEOUT,
    )


def _run(name: str, step: Callable[[datetime], int]) -> int | None:
    """What the step did; None when it failed. Raises GoneAway."""
    try:
        return step(timezone.now())
    except quarantine.PASSING as problem:  # a deadlock, a busy file, a database that went away
        logger.warning("Step %s has to be tried again: %s", name, problem)
        if not connection.in_atomic_block and not connection.is_usable():
            connection.close()
            raise GoneAway from problem
    except Exception:
        logger.exception("Step %s failed", name)
    return None
