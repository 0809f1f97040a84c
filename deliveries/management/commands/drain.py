"""Do the background work without a task broker: once, or for ever. All of it, some roles, or single steps."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deliveries.running import heartbeat, watchdog
from deliveries.running.drain import STEPS, drain_once, steps_of, work
from deliveries.running.heartbeat import Role


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--forever", action="store_true", help="go on until stopped")
        parser.add_argument("--role", default="", help=f"comma separated roles of: {', '.join(Role)}")
        parser.add_argument("--only", default="", help=f"comma separated steps of: {', '.join(STEPS)}")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["role"] and options["only"]:
            raise CommandError("Give --role or --only, not both.")
        roles = checked("--role", "role", options["role"], list(Role))
        only = checked("--only", "step", options["only"], list(STEPS)) or steps_of(*map(Role, roles))
        try:
            if options["forever"]:
                forever(only)
            else:
                while drain_once(only=only).more:
                    pass
        finally:
            heartbeat.ours().leave()


def forever(only: tuple[str, ...]) -> None:
    """Until SIGTERM or SIGINT."""
    going = True

    def stop(*_: object) -> None:
        nonlocal going
        going = False

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    watchdog.ready()
    work(only, lambda: going)
    watchdog.stopping()


def checked(option: str, kind: str, text: str, known: list[str]) -> tuple[str, ...]:
    """The words of a comma separated list. Raises CommandError for one that is not `known`."""
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    wrong = [word for word in words if word not in known]
    if wrong:
        raise CommandError(
            f"{option}: no such {kind}: {', '.join(wrong)}. {kind.capitalize()}s are {', '.join(known)}."
        )
    return words
