"""manage.py import_contacts people.csv --list "Spring fair" --consent sms,email --how "Web form"."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, DjangoHelpFormatter
from django.db import DatabaseError
from django.utils import timezone
from tqdm import tqdm

from contacts.headers import ALSO_CALLED, COLUMNS, UnreadableFile
from contacts.import_plan import ImportResult
from contacts.importing import import_contacts
from contacts.sheet_lines import Refusal, parse_channels
from contacts.sheets import SheetRow


class AsWritten(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the lines of the list of columns."""


def _columns() -> str:
    """Every column that is known, a line each."""
    others = ", ".join(f"{title} for {name}" for title, name in ALSO_CALLED.items())
    return "\n".join(
        [
            "columns (the first line names them; one of phone, email and external_id is needed):",
            *(f"  {name:<13}{meaning}" for name, meaning in COLUMNS.items()),
            "Any other column becomes a merge field, unless it seems to be about consent.",
            f"Also taken: {others}.",
        ]
    )


class Command(BaseCommand):
    help = "Import contacts from a file into a list. Refused lines are left out and listed with the way out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class = AsWritten
        parser.epilog = _columns()
        parser.add_argument(
            "file",
            type=Path,
            help="CSV in UTF-8 or UTF-16, or an Excel workbook; the first line names the columns.",
        )
        parser.add_argument(
            "--list", required=True, dest="contact_list", metavar="NAME", help="Made when missing."
        )
        parser.add_argument(
            "--region", default=settings.DEFAULT_REGION, help="Country of numbers without a country code."
        )
        parser.add_argument("--consent", default="", help="Channels all have opted in to, such as sms,email.")
        parser.add_argument("--how", default="", help="How they gave that consent, such as “Web form”.")
        parser.add_argument(
            "--dates", choices=["day-first", "month-first"], help="How dates such as 03/04/2026 are meant."
        )
        parser.add_argument("--dry-run", action="store_true", help="Check and report; write nothing.")
        parser.add_argument("--strict", action="store_true", help="Import nothing if any line is refused.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with options["file"].open("rb") as file:
                result = import_contacts(
                    file,
                    contact_list=options["contact_list"],
                    region=options["region"].upper(),
                    consent=parse_channels(options["consent"]),
                    how=options["how"],
                    now=timezone.now(),
                    strict=options["strict"],
                    dry_run=options["dry_run"],
                    day_first=options["dates"] and options["dates"] == "day-first",
                    progress=_progress,
                )
        except OSError as problem:
            raise CommandError(f"{options['file']}: {problem.strerror}.") from problem
        except (UnreadableFile, ValueError) as problem:
            raise CommandError(str(problem)) from problem
        except DatabaseError as problem:
            raise CommandError(f"Nothing was imported, the database refused: {problem}") from problem
        self._report(result, dry_run=options["dry_run"])
        if not (result.written or (options["dry_run"] and result.accepted)):
            sys.exit(1)

    def _report(self, result: ImportResult, *, dry_run: bool) -> None:
        for note in result.notes:
            self.stdout.write(note)
        self._list("Refused:", result.refused)
        self._list("Imported without the consent they claim:", result.without_consent)
        summary = (
            f"{result.lines} lines: {result.added} added, {result.updated} updated, {result.unchanged} unchanged, "
            f"{result.refused_lines} refused; {result.consents} consents."
        )
        self.stdout.write(summary)
        if not result.written:
            self.stdout.write("Test run: nothing saved." if dry_run else "Nothing was imported.")

    def _list(self, title: str, refusals: list[Refusal]) -> None:
        if refusals:
            self.stdout.write(title)
        for each in refusals:
            self.stdout.write(f"  {each}")


def _progress(rows: Sequence[SheetRow]) -> Iterable[SheetRow]:
    return tqdm(rows, unit=" lines", file=sys.stderr, disable=not sys.stderr.isatty())
