"""Compare the chances that contact pages show with what became of the messages: `docs/reachability.md` explains it."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from deliveries.demo import differing
from deliveries.outcomes.calibration import calibrate, stored
from deliveries.outcomes.chance import HALF_LIFE


class Command(BaseCommand):
    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--counted",
            type=float,
            default=0.5,
            help="the share of the history, its oldest part, that is not "
            "predicted: what is usual is counted from it (0.5)",
        )
        parser.add_argument(
            "--simulated",
            type=int,
            metavar="SEED",
            help="not the messages of this database, but two years of people who differ, at random",
        )
        parser.add_argument(
            "--half-life",
            type=float,
            default=HALF_LIFE.days,
            metavar="DAYS",
            help="after so many days a result counts half as much (%(default)s, which is what pages use)",
        )

    def handle(
        self,
        *args: Any,
        counted: float = 0.5,
        half_life: float = HALF_LIFE.days,
        simulated: int | None = None,
        **options: Any,
    ) -> None:
        if not 0 < counted < 1:
            raise CommandError(f"--counted {counted}: this must be between 0 and 1.")
        if half_life <= 0:
            raise CommandError(f"--half-life {half_life}: this must be more than 0.")
        history = list(stored() if simulated is None else differing.simulated(simulated))
        found = calibrate(history, counted=counted, half_life=timedelta(days=half_life))
        if not found.n:
            raise CommandError("There are no results to predict: too few messages have arrived or failed.")
        self.stdout.write(
            f"{found.n:,} results predicted, what is usual counted from {found.counted_from:,}.\n\n"
        )
        self.stdout.write("| predicted | on average | arrived | results |\n|---|---|---|---|\n")
        for band in found.bands:
            if band.n:
                self.stdout.write(
                    f"| {band.low:.0%} to {band.high:.0%} | {band.predicted / band.n:.1%} | "
                    f"{band.arrived / band.n:.1%} | {band.n:,} |\n"
                )
        self.stdout.write("\nMean squared error (Brier score, 0 at best):\n")
        for name, total in (
            ("the chance", found.own),
            ("what is usual for carrier and list", found.usual),
            ("the channel's share, said of everybody", found.channel),
        ):
            self.stdout.write(f"  {total / found.n:.4f}  {name}\n")
