"""Run the simulated carriers that the sandbox provider speaks to."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from deliveries.providers.sandbox.server import Carriers


class Command(BaseCommand):
    help = "Run the simulated carrier network on this machine, until stopped."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        address = urlsplit(settings.SANDBOX_URL)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--port", type=int, default=address.port or 8001, help="Default: that of SANDBOX_URL."
        )
        parser.add_argument("--seed", type=int, default=7, help="Decides the fate of every message.")
        parser.add_argument(
            "--speed", type=float, default=1.0, help="10: ten times as fast as real carriers."
        )
        parser.add_argument("--state", type=Path, default=settings.VAR_DIR / "carriers.sqlite3")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["speed"] <= 0:
            raise CommandError("--speed must be more than 0.")
        options["state"].parent.mkdir(parents=True, exist_ok=True)
        carriers = Carriers(options["seed"], options["speed"], options["state"])
        self.stdout.write(f"Simulated carriers on http://{options['host']}:{options['port']}")
        uvicorn.run(
            carriers, host=options["host"], port=options["port"], log_level="warning", access_log=False
        )
