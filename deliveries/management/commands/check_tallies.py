"""Compare every tally, the people who replied, and the index of failures with the rows they stand for.

Exit status 1 when one differs; `--repair` makes it anew.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from deliveries.ledger import engagement, failure_index
from deliveries.ledger.tallies import ALL_TALLIES, differences, fold_all, rebuild
from deliveries.outcomes.reconciling import unbalanced

SHOWN = 10


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true", help="count the differing tallies anew")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():  # one view of everything while the comparison runs
            fold_all()
            wrong = {tally: found for tally in ALL_TALLIES if (found := differences(tally))}
            for tally, found in wrong.items():
                self.report(tally.__name__, found)
                if options["repair"]:
                    rebuild(tally)
                    self.stdout.write(f"{tally.__name__}: counted anew.")
            if differing := failure_index.differing():
                self.stderr.write(
                    f"FailureIndex: wrong about {len(differing)} messages, such as {min(differing)}."
                )
                if options["repair"]:
                    failure_index.repair(differing)
                    self.stdout.write("FailureIndex: noted anew.")
            if miscounted := engagement.miscounted():
                self.stderr.write(
                    f"Replies: {len(miscounted)} recipients are not counted by them, such as {min(miscounted)}."
                )
                if options["repair"]:
                    engagement.count_anew(miscounted)
                    fold_all()
                    self.stdout.write("Replies: counted anew.")
            for problem in (crooked := unbalanced()):
                self.stderr.write(problem)
        if crooked:
            raise CommandError("A campaign does not add up.")
        if (wrong or differing or miscounted) and not options["repair"]:
            raise CommandError("The tallies do not equal the rows.")
        self.stdout.write(f"{len(ALL_TALLIES)} tallies equal their rows; every campaign adds up.")

    def report(self, name: str, found: dict) -> None:
        self.stderr.write(f"{name}: {len(found)} cells differ (tally, rows):")
        for key, (held, rows) in sorted(found.items(), key=str)[:SHOWN]:
            self.stderr.write(f"  {key}: {held}, {rows}")
