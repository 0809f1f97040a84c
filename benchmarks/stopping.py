"""Do bad campaigns stop by themselves, and healthy ones not? `python -m benchmarks.stopping --seeds 50`

Launches the demo's campaign whose link a carrier filters, and healthy ones, on the simulated carriers, with each seed,
on a scratch database, and prints a table. A bad one is to be stopped before a tenth of it has left; of healthy ones, 2
percent at most may be stopped.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import django

from benchmarks.measuring import tell
from benchmarks.scratch import databases, environment

if TYPE_CHECKING:
    from deliveries.demo.stopping import Trial

AT = datetime(
    2026, 11, 18, 17, 0, tzinfo=UTC
)  # a Wednesday, within the permitted hours of the four mainland zones
MOST_LEFT, MOST_FALSE = 0.10, 0.02


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stopping", description="Bad campaigns stop, and healthy ones do not."
    )
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--database", default="sqlite", choices=["postgresql", "sqlite"])
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="waybill-stopping-") as name:
        folder = Path(name)
        with databases(chosen.database, folder) as made:
            os.environ.update(environment(made.make("tries"), folder))
            django.setup()
            logging.disable(logging.ERROR)
            print(table(run(chosen.seeds)))


def run(seeds: int) -> dict[str, list[Trial]]:
    """What became of each kind of campaign, the bad one first."""
    from django.db import connection

    from deliveries.demo import stopping

    stopping.prepare(1, AT - timedelta(days=30))
    found: dict[str, list[Trial]] = {}
    plans = [(stopping.BAD, seed) for seed in range(1, seeds + 1)]
    plans += [(stopping.healthy(seed), seed) for seed in range(1, seeds + 1)]
    for plan, seed in plans:
        trial = stopping.tried(plan, seed, AT)
        found.setdefault(plan.name, []).append(trial)
        tell(
            f"{trial.name}, seed {seed}: {'stopped' if trial.stopped else 'went on'} after {trial.minutes:.1f} min, "
            f"{trial.left:,} of {trial.messages:,} left, {trial.failed:.1%} lost"
        )
    connection.close()
    return found


HEAD = ("campaign", "tries", "stopped", "left, median", "left, most", "minutes", "lost")


def table(rows: dict[str, list[Trial]]) -> str:
    """`left`: the share of the campaign that had left when it was stopped; of those that were not, at the end."""
    lines = ["{:20} {:>6} {:>8} {:>13} {:>11} {:>8} {:>7}".format(*HEAD)]
    bad, *healthy = rows.values()
    for name, trials in rows.items():
        stopped = [trial for trial in trials if trial.stopped]
        shown = stopped or trials
        lines.append(
            f"{name:20} {len(trials):6} {len(stopped):8} {median(t.share for t in shown):13.1%} "
            f"{max(t.share for t in shown):11.1%} {median(t.minutes for t in shown):8.1f} "
            f"{median(t.failed for t in shown):7.1%}"
        )
    early = sum(trial.stopped and trial.share < MOST_LEFT for trial in bad)
    tried = [trial for trials in healthy for trial in trials]
    false = sum(trial.stopped for trial in tried)
    lines.append(f"{early} of {len(bad)} bad ones were stopped before {MOST_LEFT:.0%} had left.")
    share = false / len(tried) if tried else 0.0
    met = "met" if share <= MOST_FALSE else "missed"
    lines.append(
        f"{false} of {len(tried)} healthy ones were stopped: {share:.1%}, at most {MOST_FALSE:.0%}: {met}."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
