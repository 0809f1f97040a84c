"""Whether failures are surely above what is tolerated, judged while messages still leave. Pure: no database, no clock.

**The method** is a bet against the campaign being healthy (an e-process: a mixture of likelihood ratios). Healthy means
that each message fails with a chance of at most `t`, what is tolerated for its channel and carrier, whatever became of
those before it. Against that stand alternatives by which the odds of failing are so many times as high (`TIMES`). Of
`n` messages that left, `x` of which failed, each alternative `p` multiplies the stake by

    (p / t) ** x * ((1 - p) / (1 - t)) ** (n - x)

over all groups of messages, and the evidence is the mean over the alternatives. For a healthy campaign this is, message
by message, a supermartingale that begins at 1. By Ville's inequality the chance that it *ever* reaches 1 / `FALSE`,
however often it is looked at, is at most `FALSE`. That is the bound on false stops; nothing is assumed about how many
messages there are, and looking every few seconds costs nothing.

**Slow receipts never stop a campaign.** `n` counts every message that left, silent ones included, and `x` the failures
known so far: never more than there will be of those `n`. As the evidence grows with `x`, what is known so far is never
more than the whole truth would give, so the bound holds for any delay of receipts, also where failures are reported
long before arrivals, or arrivals never. The price is that it waits for failures while much leaves at once: which is
what the first slice is for.

What is tolerated lies above what is usual (`tolerated`), since campaigns differ from each other by more than chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import erfc, exp, log, sqrt
from typing import NamedTuple

TIMES = (1.5, 2.0, 3.0, 5.0, 10.0, 25.0)  # so many times the tolerated odds of failing
FALSE = 0.002  # the chance that one kind of failures of a healthy campaign ever looks so bad
FEWEST = 10  # failures: fewer stop nothing, whatever their share
MOST_TOLERATED = 0.9


class Group(NamedTuple):
    """Messages that are alike: so many left, so many of those failed; `tolerated` is a share, 0..1."""

    sent: int
    failed: int
    tolerated: float


class Margin(NamedTuple):
    """How far above the usual share is tolerated: so many points, or so much of the share itself, whichever is more."""

    points: float
    of_share: float

    def tolerated(self, usual: float) -> float:
        """The tolerated share, 0..1, where `usual` is the usual one."""
        return min(usual + self.beyond(usual), MOST_TOLERATED)

    def beyond(self, usual: float) -> float:
        """How much more than the usual share that is."""
        return max(self.points, usual * self.of_share)


def evidence(groups: Iterable[Group]) -> float:
    """The logarithm of the evidence against the campaign being healthy; 0 where nothing has left."""
    counted = [group for group in groups if group.sent > 0 and 0 < group.tolerated < 1]
    return _log_mean([sum(_log_ratio(group, times) for group in counted) for times in TIMES])


def is_surely_above(groups: Sequence[Group]) -> bool:
    """Whether the campaign is to be stopped: true of a healthy one at most with the chance `FALSE`, however often it is
    asked."""
    return sum(group.failed for group in groups) >= FEWEST and evidence(groups) >= log(1 / FALSE)


# ---- Parts of a whole, once it has left ---------------------------------------------------------------------------


def surprise(n: int, failed: int, expected: float) -> float:
    """The logarithm of how much better the share seen explains the failures than the expected one; 0 where no more
    failed than that. `expected`: of these `n`, so many are usual."""
    if n <= 0 or failed <= expected:
        return 0.0
    expected, failed = min(max(expected, 1e-9 * n), n * (1 - 1e-9)), min(failed, n)
    rest = n - failed
    return failed * log(failed / expected) + (rest * log(rest / (n - expected)) if rest else 0.0)


def chance(surprise: float) -> float:
    """How likely a share is that is so surprising or more, of something healthy (one-sided, by the root of twice the
    logarithm of the likelihood ratio)."""
    return 0.5 * erfc(sqrt(max(surprise, 0.0)))


def sure_below(chances: Iterable[float], false: float) -> float:
    """Of many tests together, the largest chance that still counts, so that of all that count at most the share `false`
    are false (Benjamini and Hochberg); below 0 where none does."""
    ranked = sorted(chances)
    kept = [one for place, one in enumerate(ranked, start=1) if one <= false * place / len(ranked)]
    return kept[-1] if kept else -1.0


def _log_ratio(group: Group, times: float) -> float:
    odds = group.tolerated / (1 - group.tolerated) * times
    p, failed = odds / (1 + odds), min(group.failed, group.sent)
    arrived_or_silent = group.sent - failed
    return failed * log(p / group.tolerated) + arrived_or_silent * log((1 - p) / (1 - group.tolerated))


def _log_mean(logs: Sequence[float]) -> float:
    most = max(logs)
    return most + log(sum(exp(one - most) for one in logs) / len(logs))
