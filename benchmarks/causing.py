"""Is what is wrong with a campaign what is named first as its cause? `python -m benchmarks.causing --seeds 50`

Launches a campaign of the demo on simulated carriers on which one thing is wrong, and healthy ones, with each seed, on
a scratch database, and prints a table. Precision: of the causes that were named first, how many were what was wrong.
Recall: of what was wrong, how much was named first.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import django

from benchmarks.measuring import tell
from benchmarks.scratch import databases, environment

if TYPE_CHECKING:
    from deliveries.demo.causing import CauseTrial

AT = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)  # a Wednesday, at an hour without outages of the carriers' own
LEAST = 0.9  # of both


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.causing", description="What is wrong is what is named first."
    )
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--database", default="sqlite", choices=["postgresql", "sqlite"])
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="waybill-causing-") as name:
        folder = Path(name)
        with databases(chosen.database, folder) as made:
            os.environ.update(environment(made.make("tries"), folder))
            django.setup()
            logging.disable(logging.ERROR)
            print(table(run(range(chosen.first, chosen.first + chosen.seeds))))


def run(seeds: Sequence[int]) -> list[CauseTrial]:
    from django.db import connection

    from deliveries.demo import causing, faults

    causing.prepare(1, AT)
    found = []
    for seed in seeds:
        for kind in faults.KINDS:
            trial = causing.tried(kind, seed, AT)
            found.append(trial)
            tell(f"{kind}, seed {seed}: {'right' if trial.right else 'WRONG'}: {trial.sentence}")
    connection.close()
    return found


def table(trials: Sequence[CauseTrial]) -> str:
    """By kind of what is wrong: how often it was named first, something else was, and nothing."""
    lines = [
        "{:28} {:>6} {:>12} {:>15} {:>8}".format("wrong", "tries", "named first", "something else", "nothing")
    ]
    for kind in dict.fromkeys(one.kind for one in trials):
        some = [one for one in trials if one.kind == kind]
        right = sum(one.right and bool(one.wanted) for one in some)
        nothing = sum(not one.named for one in some)
        lines.append(f"{kind:28} {len(some):6} {right:12} {len(some) - right - nothing:15} {nothing:8}")
    named = [one for one in trials if one.named]
    wrong = [one for one in trials if one.wanted]
    precision = sum(one.right for one in named) / len(named) if named else 1.0
    recall = sum(one.right for one in wrong) / len(wrong) if wrong else 1.0
    for words, share in (("Precision", precision), ("Recall", recall)):
        lines.append(f"{words} {share:.3f}, at least {LEAST}: {'met' if share >= LEAST else 'missed'}.")
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
