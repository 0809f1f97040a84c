"""`manage.py up`: everything on one machine, ready to be tried. What `make run` starts."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from tqdm import tqdm

from accounts.models import User
from campaigns.models import Campaign
from deliveries.management.commands.demo import refuse_in_production
from deliveries.management.commands.web import refuse_taken_port, why_closed
from deliveries.running.supervisor import Command as Program
from deliveries.running.supervisor import PeriodicCheck, Supervisor

GRACE = 3.0
PORTS_TRIED = 20  # for the carriers, from the one behind ours
OURS = ("deliveries", "campaigns", "contacts", "accounts")


class Command(BaseCommand):
    help = "Prepare the database, fill in the demo on the first start, and run web, worker and carriers together."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_taken_port(settings.HOST, settings.PORT)
        try:
            self.prepare()
        except KeyboardInterrupt:
            self.stdout.write("\nStopped. The next start takes it up again.")
            return
        self.logins = [
            (n, p) for n, p in known_logins() if User.objects.filter(username=n, is_active=True).exists()
        ]
        connection.close()
        self.greeted = False
        refuse_taken_port(
            settings.HOST, settings.PORT
        )  # preparing took a while: somebody may listen there by now
        supervisor = Supervisor(
            "up",
            self.programs(),
            var_dir=settings.VAR_DIR,
            checks=[PeriodicCheck(0.3, self.greet_when_up)],
            grace=GRACE + 1.2,
            prefix=True,
        )
        supervisor.run()
        self.stdout.write("\nStopped.")

    def prepare(self) -> None:
        """Migrations and demo data. Safe to break off at any point: the next start goes on or begins again."""
        migrate()
        if "demo" not in get_commands():
            return
        unfinished = unfinished_mark()
        if not unfinished.exists() and (User.objects.exists() or Campaign.objects.exists()):
            return
        refuse_in_production()
        if unfinished.exists():
            self.stdout.write("The demo data were not finished: making them anew ...")
            start_over()
        else:
            self.stdout.write("Making the demo data, once ...")
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
        tqdm.monitor_interval = 0  # its thread would live on in the supervisor, which must have one alone
        call_command("demo", seed=7)
        unfinished.unlink()

    def programs(self) -> list[Program]:
        wanted = {"web": [], "worker": ["--grace", str(GRACE)], "carriers": []}
        there = get_commands()
        env = {"SANDBOX_URL": carriers_url()}
        return [
            Program(name, [sys.executable, str(settings.BASE_DIR / "manage.py"), name, *more], env)
            for name, more in wanted.items()
            if name in there
        ]

    def greet_when_up(self, supervisor: Supervisor) -> None:
        """Print the address once somebody listens there: an address that does not answer yet only confuses."""
        if self.greeted:
            return
        host = "127.0.0.1" if settings.HOST in ("0.0.0.0", "::") else settings.HOST  # noqa: S104
        try:
            socket.create_connection((host, settings.PORT), timeout=0.2).close()
        except OSError:
            return
        self.greeted = True
        address = f"[{host}]" if ":" in host else host
        supervisor.say(f"\nWaybill is at http://{address}:{settings.PORT}/\n")
        for username, password in self.logins:
            supervisor.say(f"    log in as {username:<10} with the password {password}")
        supervisor.say("\nCtrl-C stops it.\n")


def carriers_url() -> str:
    """Where the carriers listen: as the environment says, else on the first free port behind ours.

    Whoever sends to them is told the same address. Raises CommandError when they could listen nowhere.
    """
    if os.environ.get("SANDBOX_URL", "").strip():
        port = urlsplit(settings.SANDBOX_URL).port
        if port and (problem := why_closed("127.0.0.1", port)):
            raise CommandError(f"Port {port} of SANDBOX_URL {problem}: choose another.")
        return settings.SANDBOX_URL
    last = min(settings.PORT + PORTS_TRIED, 65_535)
    for port in range(settings.PORT + 1, last + 1):
        if not why_closed("127.0.0.1", port):
            return f"http://127.0.0.1:{port}"
    raise CommandError(
        f"The simulated carriers need a port, and those from {settings.PORT + 1} to {last} are all in use: "
        "choose another PORT."
    )


def unfinished_mark() -> Path:
    """The file that stands while the demo data of this database are being made.

    A file, because redoing the demo drops and makes every table that could hold the mark.
    """
    parts = (str(connection.settings_dict.get(name, "")) for name in ("HOST", "PORT", "NAME"))
    database = hashlib.sha256("|".join(parts).encode()).hexdigest()[:12]
    return settings.VAR_DIR / "run" / f"demo-{database}.unfinished"


def migrate() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)


def start_over() -> None:
    """Empty our tables by undoing their migrations and doing them again, with the rows those bring along.

    Only for a database whose first demo was broken off. Raises CommandError when somebody else is in it.
    """
    strangers = User.objects.exclude(username__in=dict(known_logins()))
    if strangers.exists():
        raise CommandError(
            "The demo data were broken off half-way, but this database has users of its own since: "
            "nothing was touched. Use another DATABASE_URL, or an empty database, for the demo."
        )
    for app in OURS:
        call_command("migrate", app, "zero", interactive=False, verbosity=0)
    migrate()


def known_logins() -> list[tuple[str, str]]:
    """(username, password) of the demo's people; empty without the demo."""
    try:
        from deliveries.demo.making import LOGINS
    except ImportError:
        return []
    return list(dict(LOGINS).items())
