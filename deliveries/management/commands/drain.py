"""Do the background work without a task broker: once, or for ever."""

from __future__ import annotations

import signal
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deliveries.running.drain import STEPS, drain_once

IDLE_SECONDS = 0.2


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--forever", action="store_true", help="go on until stopped")
        parser.add_argument("--only", default="", help=f"comma separated steps of: {', '.join(STEPS)}")

    def handle(self, *args: Any, **options: Any) -> None:
        only = tuple(word for word in options["only"].split(",") if word)
        wrong = [word for word in only if word not in STEPS]
        if wrong:
            raise CommandError(f"--only: no such step: {', '.join(wrong)}. Steps are {', '.join(STEPS)}.")
        if not options["forever"]:
            while drain_once(only=only).more:
                pass
            return
        going = True

        def stop(*_: object) -> None:
            nonlocal going
            going = False

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        while going:
            if not drain_once(only=only).done:
                time.sleep(IDLE_SECONDS)
