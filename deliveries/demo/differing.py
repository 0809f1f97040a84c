"""Two years of messages to people who differ, drawn at random: what the chances of contact pages are tried on.

The demo's people differ little but for dead numbers, which nobody writes to twice. Here everybody has a share of their
own that arrives, around that of their carrier and list; some change it one day, and some results are never known.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from deliveries.outcomes.calibration import KnownResult
from deliveries.outcomes.chance import Outcome

START = datetime(2024, 1, 1, 12, tzinfo=UTC)
EVERY = timedelta(days=14)
CAMPAIGNS = 52
CHANNELS = {"sms": 0.9, "voice": 0.55, "email": 0.93}  # what arrives, on average
CARRIERS = {"A": 0.05, "B": 0.0, "C": -0.12}  # more or less of that
LISTS = {1: 0.03, 2: 0.0, 3: -0.1}
ALIKE = 3.0  # the strength of the Beta distribution that people's shares are drawn from: the less, the more they differ
CHANGES = 0.01  # of people at each campaign: a new number, another habit
SILENT = 0.08  # of results
WRITTEN_TO = 0.7  # of people by each campaign


def simulated(seed: int, people: int = 2_000) -> Iterator[KnownResult]:
    """The oldest first."""
    dice = random.Random(seed)  # noqa: S311 - the same people every time
    carriers = [dice.choice(list(CARRIERS)) for _ in range(people)]
    lists = [dice.choice(list(LISTS)) for _ in range(people)]

    def share(person: int, channel: str) -> float:
        usual = CHANNELS[channel] + CARRIERS[carriers[person]] + LISTS[lists[person]]
        usual = min(max(usual, 0.02), 0.98)
        return dice.betavariate(usual * ALIKE, (1 - usual) * ALIKE)

    shares = {(person, channel): share(person, channel) for person in range(people) for channel in CHANNELS}
    for n in range(CAMPAIGNS):
        channel, at = dice.choice(list(CHANNELS)), START + n * EVERY
        for person in range(people):
            if dice.random() < CHANGES:
                shares[person, channel] = share(person, channel)
            if dice.random() > WRITTEN_TO:
                continue
            arrives = dice.random() < shares[person, channel]
            outcome = Outcome.ARRIVED if arrives else Outcome.FAILED
            if dice.random() < SILENT:
                outcome = Outcome.SILENT
            yield KnownResult(
                person, person, channel, carriers[person], lists[person], outcome, at, at + timedelta(hours=1)
            )
