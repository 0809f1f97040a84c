"""manage.py suppress opt-outs.csv --reason asked --source "Opt-outs of the old system, 3 March"."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from contacts.blocking_lists import REASONS, Blocked
from contacts.headers import UnreadableFile
from deliveries.deciding.stopping import apply_blocking_list


class Command(BaseCommand):
    help = (
        "Block the addresses in a CSV file, such as the opt-outs of another system. It only adds blocks and releases "
        "none. Cells that are no address are left out and listed, and then the exit status is 1."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            type=Path,
            help="CSV in UTF-8 or UTF-16; its first line names a column phone or email, or both.",
        )
        parser.add_argument(
            "--reason",
            required=True,
            choices=[str(reason) for reason in REASONS],
            help="Why: " + "; ".join(f"{reason}, {words}" for reason, words in REASONS.items()) + ".",
        )
        parser.add_argument(
            "--source", default="", help="Where the list comes from; shown as evidence. Else the file's name."
        )
        parser.add_argument(
            "--region", default=settings.DEFAULT_REGION, help="Country of numbers without a country code."
        )
        parser.add_argument("--dry-run", action="store_true", help="Check and report; write nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            with options["file"].open("rb") as file:
                result = apply_blocking_list(
                    file,
                    reason=options["reason"],
                    source=options["source"].strip() or options["file"].name,
                    region=options["region"].upper(),
                    now=now,
                    dry_run=options["dry_run"],
                )
        except OSError as problem:
            raise CommandError(f"{options['file']}: {problem.strerror}.") from problem
        except UnreadableFile as problem:
            raise CommandError(str(problem)) from problem
        except DatabaseError as problem:
            raise CommandError(f"The database refused, try again: {problem}") from problem
        self._report(result, dry_run=options["dry_run"])
        if result.refused:
            sys.exit(1)

    def _report(self, result: Blocked, *, dry_run: bool) -> None:
        if result.refused:
            self.stdout.write("Refused:")
        for each in result.refused:
            self.stdout.write(f"  {each}")
        self.stdout.write(
            f"Lines: {result.lines}. Addresses blocked: {len(result.added)}; blocked before: {result.already}. "
            f"Refused: {len(result.refused)}."
        )
        if not result.written:
            self.stdout.write("Test run: nothing saved." if dry_run else "Nothing was added.")
