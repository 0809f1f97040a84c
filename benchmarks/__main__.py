"""`make bench`: measure the real code beside what one would otherwise write, and print the table.

Scratch databases are made on the server that TEST_DATABASE_URL names, or on this machine, and dropped at the end.
The exit status is always 0: a figure that is missed is for people to judge.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.measuring import Figure, Options, tell
from benchmarks.scratch import ROOT, Databases, databases, environment

# Comparisons that share a database.
GROUPS = (
    ("ingest", "flood", "recording", "workers", "chain"),
    ("expansion",),
    ("sending",),
    ("rates",),
    ("pages",),
    ("translation",),
    ("campaign",),
    ("importing",),
    ("suppressing",),
    ("alerting",),
)
NAMES = [name for group in GROUPS for name in group]
POSTGRESQL_ONLY = {"workers", "chain"}
ONLY_NAMED = {"campaign", "alerting"}  # take a quarter of an hour: for a million people, for ten seeds
ANY_DATABASE = {"translation"}  # needs none: measured once


def main(arguments: Sequence[str]) -> None:
    chosen = parse(arguments)
    figures: list[Figure] = []
    try:
        for vendor in chosen.database:
            with tempfile.TemporaryDirectory(prefix="waybill-bench-") as folder:
                figures += measure(vendor, chosen, Path(folder))
    except KeyboardInterrupt:
        tell("Stopped.")
    print(table(figures))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure, each figure beside its plain Django reference."
    )
    usual = ",".join(name for name in NAMES if name not in ONLY_NAMED)
    parser.add_argument("--only", default=usual, help=f"some of {','.join(NAMES)}")
    parser.add_argument("--database", default="both", choices=["postgresql", "sqlite", "both"])
    parser.add_argument("--rows", type=int, default=1_000_000, help="messages, or contacts, in the tables")
    parser.add_argument("--rounds", type=int, default=3, help="of each comparison; the median counts")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the rows, and one second of load a round"
    )
    parser.add_argument(
        "--big", action="store_true", help="pages at 10,000,000 messages (about 15 GB for a while)"
    )
    parser.add_argument("--seeds", type=int, default=10, help="with which `alerting` tries each fault")
    parser.add_argument("--duration", type=float, default=20.0, help="seconds that `rates` sends for")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    chosen = parser.parse_args(arguments)
    chosen.only = [word for word in chosen.only.split(",") if word]
    wrong = [word for word in chosen.only if word not in NAMES]
    if wrong:
        parser.error(f"--only: no comparison {', '.join(wrong)}; there are {', '.join(NAMES)}")
    chosen.database = ["postgresql", "sqlite"] if chosen.database == "both" else [chosen.database]
    return chosen


def measure(vendor: str, chosen: argparse.Namespace, folder: Path) -> Iterator[Figure]:
    with databases(vendor, folder) as made:
        for group in GROUPS:
            names = [name for name in group if name in chosen.only]
            if vendor == "sqlite":
                names = [name for name in names if name not in POSTGRESQL_ONLY]
                if len(chosen.database) > 1:
                    names = [name for name in names if name not in ANY_DATABASE]
            if names:
                yield from run(made, names, chosen)


def run(made: Databases, names: Sequence[str], chosen: argparse.Namespace) -> Iterator[Figure]:
    """The figures of these comparisons, measured in a process of their own on a database of their own."""
    first = made.make(names[0])
    second = made.make("second") if "pages" in names else ""
    options = Options(
        rows=chosen.rows // 10 if chosen.quick else chosen.rows,
        rounds=chosen.rounds,
        seconds=1.0 if chosen.quick else 3.0,
        big=chosen.big,
        duration=chosen.duration,
        seeds=chosen.seeds,
        database=made.vendor,
        second=second.removeprefix("sqlite:///") if made.vendor == "sqlite" else second.rpartition("/")[2],
    )
    command = [sys.executable, "-m", "benchmarks.one", json.dumps(asdict(options)), *names]
    env = environment(first, made.folder)
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            yield Figure(**json.loads(line))
    if process.returncode:
        tell(
            f"{', '.join(names)} on {made.vendor} ended with status {process.returncode}; its other figures stand."
        )
    for url in filter(None, (first, second)):
        made.drop(url)


def table(figures: Sequence[Figure]) -> str:
    head = ("comparison", "database", "ours", "reference", "unit", "ratio", "[min..max]", "target", "")
    lines = [head, *(cells(figure) for figure in figures)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    left = {0, 1, 4, 8}
    return "\n".join(
        "  ".join(
            c.ljust(w) if at in left else c.rjust(w)
            for at, (c, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def cells(figure: Figure) -> tuple[str, ...]:
    spread = f"[{short(figure.low)}..{short(figure.high)}]" if figure.low is not None else ""
    bound = "<=" if figure.at_most else ">="
    return (
        figure.name,
        figure.database,
        short(figure.ours),
        short(figure.reference),
        figure.unit,
        short(figure.ratio),
        spread,
        f"{bound} {short(figure.target)}" if figure.target is not None else "",
        {None: "", True: "met", False: "missed"}[figure.met],
    )


def short(number: float | None) -> str:
    """Three figures that matter, thousands separated."""
    if number is None:
        return ""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


if __name__ == "__main__":
    main(sys.argv[1:])
