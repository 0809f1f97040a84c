"""`manage.py worker`: the task cluster, judged by its progress and started anew when it shows none."""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any, Literal

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, close_old_connections, connection, connections, transaction
from django.db.models import Q
from django.utils import timezone
from django_q.models import Schedule

from deliveries.running import probes
from deliveries.running.supervisor import Command as Program
from deliveries.running.supervisor import PeriodicCheck, Supervisor
from deliveries.wake import TASK, wake

logger = logging.getLogger(__name__)

SCHEDULE = "drain"
CLUSTER = "tasks"


class Liveness:
    """Is the worker at work? Judged by progress: "a process exists" says nothing about a cluster that hangs.

    While work waits and the heartbeat does not change, wake is called once; no sign within `patience` means stalled.
    """

    def __init__(self, patience: timedelta) -> None:
        self.patience = patience
        self._beat: datetime | None = None
        self._woken_at: datetime | None = None

    def look(
        self, now: datetime, *, waiting: bool, beat: datetime | None
    ) -> Literal["fine", "wake", "stalled"]:
        """`waiting`: there is work that is overdue; `beat`: the heartbeat as it stands, None before the first."""
        moved, self._beat = beat != self._beat, beat
        if not waiting:
            self._woken_at = None
            return "fine"
        if moved or self._woken_at is None:
            self._woken_at = now
            return "wake"
        if now - self._woken_at < self.patience:
            return "fine"
        self._woken_at = None  # the new one is given as long
        return "stalled"


def ensure_schedule() -> None:
    """Exactly one schedule wakes the workers every minute, however many workers were ever started."""
    with transaction.atomic():
        # By its name as well: what it calls was called otherwise in an earlier release.
        ours = Schedule.objects.select_for_update().filter(Q(name=SCHEDULE) | Q(func=TASK))
        kept, *more = list(ours.order_by("pk")) or [Schedule()]
        kept.name, kept.func, kept.schedule_type, kept.minutes = SCHEDULE, TASK, Schedule.MINUTES, 1
        kept.repeats = -1
        kept.save()
        Schedule.objects.filter(pk__in=[extra.pk for extra in more]).delete()


class Command(BaseCommand):
    help = "Run the task cluster under its supervisor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--grace", type=float, default=8.0, help="Seconds to end in before it is killed.")

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_schedule()
        wake()
        self.patience = timedelta(seconds=settings.WORKER_STALL_SECONDS)
        self.liveness = Liveness(self.patience)
        limit_statements()
        Supervisor(
            "worker",
            [Program(CLUSTER, [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster"])],
            var_dir=settings.VAR_DIR,
            checks=[PeriodicCheck(min(10.0, settings.WORKER_STALL_SECONDS / 4), self.look)],
            grace=options["grace"],
        ).run()

    def look(self, supervisor: Supervisor) -> None:
        now = timezone.now()
        try:
            close_old_connections()
            since = [moment for moment in (probes.oldest_waiting(), probes.oldest_due(now)) if moment]
            beat = probes.last_beat()
        except DatabaseError as problem:
            logger.warning("Could not look at the worker's progress: %s", problem)
            return
        waiting = bool(since) and now - min(since) > self.patience
        verdict = self.liveness.look(now, waiting=waiting, beat=beat)
        if verdict == "wake":
            wake()
        elif verdict == "stalled":
            logger.error(
                "Work has waited since %s and the worker shows no progress: starting it anew", min(since)
            )
            supervisor.restart(CLUSTER)


def limit_statements() -> None:
    """The supervisor itself must not hang in a query: on PostgreSQL its own are ended after five seconds."""
    if connection.vendor == "postgresql":
        connection.close()
        options = connections["default"].settings_dict.setdefault("OPTIONS", {})
        options.update(connect_timeout=5, options="-c statement_timeout=5000")
