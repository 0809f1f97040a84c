"""`manage.py worker`: the processes that do the work, judged by their progress and started anew when they show none.

A task cluster for everything but sending, and beside it a process that sends. With `--roles`, on a machine for these
alone, a process for each role that is named, and no cluster.
"""

from __future__ import annotations

import logging
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, close_old_connections, connection, connections, transaction
from django.db.models import Q
from django.utils import timezone
from django_q.models import Schedule

from deliveries.management.commands.drain import checked
from deliveries.running import heartbeat, waiting
from deliveries.running.heartbeat import Role
from deliveries.running.supervisor import Command as Program
from deliveries.running.supervisor import PeriodicCheck, Supervisor
from deliveries.wake import TASK, wake

logger = logging.getLogger(__name__)

SCHEDULE = "drain"
CLUSTER = "tasks"
OF_CLUSTER = (Role.RECORD, Role.DECIDE, Role.REST)


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
    help = "Run the processes that do the work under their supervisor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--grace", type=float, default=10.0, help="Seconds to end in before it is killed."
        )
        parser.add_argument(
            "--roles",
            default="",
            help=f"Only a process for each of these, comma separated, of: {', '.join(Role)}. "
            "One that is named twice gets two.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        roles = checked("--roles", "role", options["roles"], list(Role))
        if options["roles"] and not roles:
            raise CommandError("--roles names none.")
        seconds = settings.WORKER_STALL_SECONDS
        programs = [process(name, role) for name, role in named(roles)]
        checks = [PeriodicCheck(min(10.0, seconds / 4), forget_ended)]
        if not roles:
            ensure_schedule()
            wake()
            programs = [Program(CLUSTER, manage("qcluster"), patience=seconds), process("send", Role.SEND)]
            checks.append(PeriodicCheck(min(10.0, seconds / 4), judge_cluster))
        limit_waiting()
        Supervisor("worker", programs, var_dir=settings.VAR_DIR, checks=checks, grace=options["grace"]).run()
        forget_ended()


def named(roles: tuple[str, ...]) -> list[tuple[str, str]]:
    """(name, role) of each process: send, send-2, record."""
    seen: Counter[str] = Counter()
    found = []
    for role in roles:
        seen[role] += 1
        found.append((role if seen[role] == 1 else f"{role}-{seen[role]}", role))
    return found


def process(name: str, role: str) -> Program:
    """A process of one role, which says itself that it makes progress."""
    return Program(name, manage("drain", "--forever", "--role", role), patience=settings.WORKER_STALL_SECONDS)


def manage(*words: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]


def judge_cluster(supervisor: Supervisor) -> None:
    """Tasks say that they make progress; where nothing waits for long, there need be none."""
    try:
        with briefly():
            overdue = waiting.overdue(OF_CLUSTER, timezone.now())
    except DatabaseError as problem:
        logger.warning("Could not look at what waits: %s", problem)
        overdue = None
    if overdue is None:
        supervisor.made_progress(CLUSTER)
    else:
        wake()


def forget_ended(supervisor: Supervisor | None = None) -> None:
    try:
        with briefly():
            heartbeat.forget_ended()
    except DatabaseError as problem:
        logger.warning("Could not look at the processes: %s", problem)


@contextmanager
def briefly() -> Iterator[None]:
    """The supervisor itself must not hang in a query: on PostgreSQL each of its own is ended after five seconds."""
    close_old_connections()
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '5s'")
        yield


def limit_waiting() -> None:
    """Nor in opening a connection, or before SQLite's one lock."""
    connection.close()
    name = "connect_timeout" if connection.vendor == "postgresql" else "timeout"
    connections["default"].settings_dict.setdefault("OPTIONS", {})[name] = 5
