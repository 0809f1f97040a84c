"""What each process that works says about itself: who it is, what it is at, how much it has done.

In the database, in a row of its own that pages and `/readyz` read, and to whoever watches over it (`watchdog.py`). Both
by progress: a process that hangs says nothing more, and that is how it is noticed, however busy the others are.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from deliveries.ledger import quarantine
from deliveries.models import Heartbeat
from deliveries.running import waiting, watchdog

logger = logging.getLogger(__name__)

Role = Heartbeat.Role

EVERY = 2.0  # seconds between two rows of a process that is at work
KEPT = timedelta(hours=1)  # that a row stays which gives no sign any more
CLOCKS_DIFFER = timedelta(minutes=1)
WRITTEN = ["roles", "started_at", "at", "step", "done"]


class Reporter:
    """What this process says. One for each process: `ours`."""

    def __init__(self) -> None:
        now = timezone.now()
        self.row = Heartbeat(host=socket.gethostname()[:100], pid=os.getpid(), started_at=now, at=now)
        self._written_at = self._tidied_at = float("-inf")

    def begin(self, step: str, roles: Iterable[str]) -> None:
        """It is about to do `step`, as one of these roles."""
        idle = not self.row.step
        self.row.step, self.row.roles = step, ", ".join(roles)
        self._write(at_once=idle)

    def did(self, done: int) -> None:
        """It did so much. Nothing at all is no progress, but no fault either: see `end_round`."""
        self.row.done += done
        if done:
            watchdog.alive()
        self._write()

    def end_round(self, *, failed: bool) -> None:
        """It went through all of its steps. Where one failed while work waits, that is no progress."""
        if not failed or not self._overdue():
            watchdog.alive()

    def rest(self) -> None:
        """It waits for a task, however long: from now on its silence means nothing."""
        self.row.step = ""
        self._write(at_once=True)

    def leave(self) -> None:
        """It ends in good order."""
        try:
            Heartbeat.objects.filter(host=self.row.host, pid=self.row.pid).delete()
        except quarantine.PASSING as problem:
            logger.warning("Could not take back the last sign of progress: %s", problem)

    def _overdue(self) -> bool:
        try:
            return waiting.overdue(self.row.role_names, timezone.now()) is not None
        except quarantine.PASSING:  # nobody knows, and a new process would know no more
            return False

    def _write(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._written_at < EVERY:
            return
        self._written_at = now
        self.row.pk, self.row.at = None, timezone.now()
        try:
            Heartbeat.objects.bulk_create(
                [self.row], update_conflicts=True, unique_fields=["host", "pid"], update_fields=WRITTEN
            )
            if now - self._tidied_at > KEPT.total_seconds() / 10:
                self._tidied_at = now
                forget_old(self.row.at)
        except quarantine.PASSING as problem:
            logger.warning("Could not leave a sign of progress: %s", problem)


_ours: Reporter | None = None


def ours() -> Reporter:
    """The one of this process; what was forked from another process gets its own."""
    global _ours
    if _ours is None or _ours.row.pid != os.getpid():
        _ours = Reporter()
    return _ours


# ---- Rows that nobody will write again -----------------------------------------------------------------------


def forget_old(now: datetime) -> None:
    """Remove what is too old to tell anything, and what a clock that was wrong has left."""
    old = Heartbeat.objects.exclude(at__range=(now - KEPT, now + KEPT))
    if old.exists():  # without taking SQLite's only write lock
        old.delete()


def forget_ended() -> None:
    """Remove the rows of this machine's processes that are gone: killed ones do not take theirs back."""
    here = Heartbeat.objects.filter(host=socket.gethostname()[:100])
    gone = [pk for pk, pid in here.values_list("pk", "pid") if not _exists(pid)]
    if gone:
        Heartbeat.objects.filter(pk__in=gone).delete()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# ---- What the rows say ---------------------------------------------------------------------------------------


def signs(now: datetime) -> list[Heartbeat]:
    """The rows of all processes. One from the future was left by a clock that was wrong, and says nothing about now."""
    return list(Heartbeat.objects.filter(at__lte=now + CLOCKS_DIFFER).order_by("roles", "host", "pid"))


def age(rows: Sequence[Heartbeat], now: datetime) -> float | None:
    """Seconds since the youngest sign; None when there is none."""
    return max((now - max(row.at for row in rows)).total_seconds(), 0.0) if rows else None


def by_role(rows: Sequence[Heartbeat]) -> dict[Role, list[Heartbeat]]:
    return {role: [row for row in rows if role in row.role_names] for role in Role}


def has_process_of_its_own(role: Role, now: datetime) -> bool:
    """Whether a process is at work that was started for `role`, and not for all of them."""
    since = now - timedelta(seconds=settings.WORKER_STALL_SECONDS)
    rows = [row for row in signs(now) if row.at > since]
    return any(role in row.role_names and len(row.role_names) < len(Role) for row in rows)
