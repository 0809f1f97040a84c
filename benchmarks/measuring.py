"""Figures: how fast each side was, in rounds taken in turn, and the ratio that was aimed for."""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median


@dataclass(frozen=True)
class Options:
    """What the command line asked for. `rows`: messages, or contacts, in the tables."""

    rows: int = 1_000_000
    rounds: int = 3
    seconds: float = 3.0  # of load in each round
    big: bool = False
    duration: float = 20.0  # seconds, of what sends all the time
    seeds: int = 10  # with which each fault is tried
    database: str = "postgresql"
    second: str = ""  # the name of a second scratch database, where a comparison needs two sizes

    @property
    def on_postgresql(self) -> bool:
        return self.database == "postgresql"


@dataclass(frozen=True)
class Figure:
    """One line of the table. Without a target it only informs."""

    comparison: str
    database: str
    name: str
    unit: str
    ours: float
    reference: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    target: float | None = None
    at_most: bool = False  # the target is an upper bound

    @property
    def met(self) -> bool | None:
        if self.target is None or self.ratio is None:
            return None
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target

    def emit(self) -> None:
        """Hand the figure to the process that prints the table."""
        print(json.dumps(asdict(self)), flush=True)


class Rounds:
    """Numbers of several sides, one of each in every round."""

    def __init__(self, comparison: str, options: Options, unit: str) -> None:
        self.comparison, self.options, self.unit = comparison, options, unit
        self.numbers: dict[str, list[float]] = defaultdict(list)

    def add(self, side: str, number: float) -> None:
        self.numbers[side].append(number)
        tell(f"  {self.comparison} {self.options.database}: {side} {number:,.5g} {self.unit}")

    def against(
        self, name: str, ours: str, reference: str, target: float | None, *, at_most: bool = False
    ) -> Figure:
        """The median of the rounds' ratios, ours over reference."""
        pairs = zip(self.numbers[ours], self.numbers[reference], strict=True)
        ratios = [one / other for one, other in pairs if other]
        return Figure(
            self.comparison, self.options.database, name, self.unit,
            median(self.numbers[ours]), median(self.numbers[reference]),
            median(ratios), min(ratios), max(ratios), target, at_most,
        )  # fmt: skip

    def alone(self, name: str, side: str, target: float | None = None, *, at_most: bool = False) -> Figure:
        """A number that stands for itself; a target applies to the number."""
        values = self.numbers[side]
        ratio = (median(values), min(values), max(values)) if target is not None else (None, None, None)
        return Figure(
            self.comparison,
            self.options.database,
            name,
            self.unit,
            median(values),
            None,
            *ratio,
            target,
            at_most,
        )


class Clock:
    """Seconds of a `with` block."""

    seconds = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    clock = Clock()
    start = time.perf_counter()
    yield clock
    clock.seconds = time.perf_counter() - start


def tell(words: str) -> None:
    """Progress, aside from the figures."""
    print(words, file=sys.stderr, flush=True)
