"""What is wrong on the simulated carriers: is it named first, alerted of, and in the right queue? `--only alerting`

A campaign of some six hundred messages for each seed and each thing that can be wrong (`deliveries/demo/faults.py`), by
the ordinary code from the launch to the queue, and weeks in which nothing is wrong. Precision of a queue: of the
messages that stand there with the code, how many belong there; recall: of those that belong, how many stand there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.measuring import Figure, Options, tell

if TYPE_CHECKING:
    from deliveries.demo.watching import WatchedFault

AT = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)  # a Wednesday, at an hour without outages of the carriers' own
LEAST = 0.9  # of precision and recall
MOST_FALSE = 1.0  # alarms in a week
WEEKS = 5  # seeds for each healthy week


def run(options: Options) -> Iterator[Figure]:
    from deliveries.demo import faults, watching

    watching.prepare(1, AT)
    trials: list[WatchedFault] = []
    for seed in range(1, options.seeds + 1):
        for kind in faults.KINDS:
            trial = watching.tried(kind, seed, AT)
            trials.append(trial)
            tell(
                f"  {kind}, seed {seed}: {'right' if trial.is_named_first else 'WRONG'}, {_after(trial.alert)}"
            )
    for kind in faults.KINDS:
        some = [one for one in trials if one.kind == kind]
        yield from (
            _of_fault(kind, some, options.database) if some[0].wanted else _of_nothing(some, options.database)
        )
    yield from _overall(trials, options.database)
    weeks = [watching.healthy_week(seed, AT) for seed in range(1, max(2, options.seeds // WEEKS) + 1)]
    for seed, week in enumerate(weeks, start=1):
        tell(f"  week {seed}: {'; '.join(week) or 'no alert'}")
    false = sum(map(len, weeks)) / len(weeks)
    yield _figure(
        options.database,
        f"false alarms in a week ({len(weeks)} weeks)",
        "alarms",
        false,
        MOST_FALSE,
        at_most=True,
    )


def _after(minutes: float | None) -> str:
    return "no alert" if minutes is None else f"alert after {minutes:g} min"


def _of_fault(kind: str, trials: Sequence[WatchedFault], database: str) -> Iterator[Figure]:
    n = len(trials)
    yield _figure(
        database, f"{kind}: named first ({n} seeds)", "share", sum(t.is_named_first for t in trials) / n
    )
    yield _figure(database, f"{kind}: alert came", "share", sum(t.alert is not None for t in trials) / n)
    yield _figure(database, f"{kind}: alert names it", "share", sum(t.says is not None for t in trials) / n)
    minutes = [trial.alert for trial in trials if trial.alert is not None]
    if minutes:
        yield Figure(
            "alerting", database, f"{kind}: minutes to the alert", "min", median(minutes), low=min(minutes),
            high=max(minutes),
        )  # fmt: skip
    queued, belong, both = (sum(getattr(t, name) for t in trials) for name in ("queued", "belong", "both"))
    yield _figure(database, f"{kind}: precision of the queue", "share", both / queued if queued else 0.0)
    yield _figure(database, f"{kind}: recall of the queue", "share", both / belong if belong else 0.0)


def _of_nothing(trials: Sequence[WatchedFault], database: str) -> Iterator[Figure]:
    n = len(trials)
    yield _figure(
        database, f"nothing: nothing named ({n} seeds)", "share", sum(t.is_named_first for t in trials) / n
    )


def _overall(trials: Sequence[WatchedFault], database: str) -> Iterator[Figure]:
    """Of all seeds together: of the causes named first and of the alerts that came."""
    named = [trial for trial in trials if trial.named]
    wrong = [trial for trial in trials if trial.wanted]
    right = sum(trial.is_named_first for trial in wrong)
    yield _figure(database, "causes: precision", "share", right / len(named) if named else 0.0)
    yield _figure(database, "causes: recall", "share", right / len(wrong))
    came = [trial for trial in wrong if trial.alert is not None]
    alarmed = len(came) + sum(bool(trial.false) for trial in trials)
    yield _figure(database, "alerts: precision", "share", len(came) / alarmed if alarmed else 0.0)
    yield _figure(database, "alerts: recall", "share", len(came) / len(wrong))


def _figure(
    database: str, name: str, unit: str, ours: float, target: float = LEAST, *, at_most: bool = False
) -> Figure:
    return Figure("alerting", database, name, unit, ours, ratio=ours, target=target, at_most=at_most)
