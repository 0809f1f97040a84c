"""Whether the chances that are shown come true: each result of the later part of the history, predicted from what was
known when its message was made, beside what became of it. Reads only, message by message in their order.

What is usual is counted from the earlier part alone, and a person's own results count once they were known.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from deliveries.ledger import base_rates
from deliveries.ledger.base_rates import ArrivalShare, BaseRates
from deliveries.models import Message
from deliveries.outcomes.chance import HALF_LIFE, Chance, Outcome, Result, outcome_of, weigh

BOUNDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # between the bands of predictions


class KnownResult(NamedTuple):
    """A message whose outcome says something of the person."""

    contact_id: int
    address_id: int
    channel: str
    carrier: str
    source: int
    outcome: Outcome
    at: datetime  # when it was made
    known_at: datetime  # when its outcome was


@dataclass
class Band:
    """The predictions between two bounds."""

    low: float
    high: float
    n: int = 0
    predicted: float = 0.0  # the sum
    arrived: int = 0

    def add(self, value: float, arrived: bool) -> None:
        self.n += 1
        self.predicted += value
        self.arrived += arrived


@dataclass
class Calibration:
    """What came of it. The errors are Brier scores: the mean of (predicted - arrived)^2, 0 at best."""

    counted_from: int  # results
    bands: list[Band] = field(
        default_factory=lambda: [
            Band(low, high) for low, high in zip((0.0, *BOUNDS), (*BOUNDS, 1.0), strict=True)
        ]
    )
    own: float = 0.0  # sums of the squared errors: of the chance, ...
    usual: float = 0.0  # ... of what is usual for the carrier and the list, ...
    channel: float = 0.0  # ... and of the channel's share, said of everybody

    @property
    def n(self) -> int:
        return sum(band.n for band in self.bands)

    def add(self, chance: Chance, channel: float, arrived: bool) -> None:
        value = chance.value
        next(band for band in self.bands if value < band.high or band.high == 1.0).add(value, arrived)
        self.own += (value - arrived) ** 2
        self.usual += (chance.usual.rate - arrived) ** 2
        self.channel += (channel - arrived) ** 2


def calibrate(
    history: Sequence[KnownResult], *, counted: float = 0.5, half_life: timedelta = HALF_LIFE
) -> Calibration:
    """Count what is usual from this share of the results (0..1), the oldest, and predict the others."""
    split = int(len(history) * counted)
    usual = _usual(history[:split])
    found = Calibration(sum(one.outcome != Outcome.SILENT for one in history[:split]))
    earlier: dict[tuple[int, str], list[KnownResult]] = defaultdict(list)
    for place, one in enumerate(history):
        before = earlier[one.address_id, one.channel]
        if place >= split and one.outcome != Outcome.SILENT:
            results = [Result(each.outcome, each.at) for each in before if each.known_at <= one.at]
            chance = Chance(weigh(results, one.at, half_life), usual.of(one.channel, one.carrier, one.source))
            share = usual.of(one.channel, "", None).rate if one.channel in usual.odds else 0.5
            found.add(chance, share, one.outcome == Outcome.ARRIVED)
        before.append(one)
    return found


def stored() -> Iterator[KnownResult]:
    """The messages of this database, the oldest first."""
    rows = Message.objects.exclude(disposition="").order_by("created_at", "pk")
    for row in rows.values_list(
        "contact_id", "address_id", "channel", "carrier", "list_source_id", "created_at", "delivered_at", "settled_at",
        "updated_at", "disposition", "fault", "evidence",
    ).iterator(5_000):  # fmt: skip
        contact, address, channel, carrier, source, made, delivered, settled, updated, *result = row
        if outcome := outcome_of(*result):
            known_at = delivered or settled or updated
            yield KnownResult(contact, address, channel, carrier, source, outcome, made, known_at)


def _usual(history: Sequence[KnownResult]) -> BaseRates:
    known = [one for one in history if one.outcome != Outcome.SILENT]
    return base_rates.of_shares(
        _shares((one.channel, one.carrier, one.outcome) for one in known),
        _shares((one.channel, one.source, one.outcome) for one in known),
        dict(base_rates.strengths_of(_alike(known))),
    )


def _shares(rows: Iterable[tuple]) -> dict[str, dict]:
    found: dict[str, dict] = defaultdict(dict)
    for channel, value, outcome in rows:
        arrived, sent = found[channel].get(value, ArrivalShare(0, 0))
        found[channel][value] = ArrivalShare(arrived + (outcome == Outcome.ARRIVED), sent + 1)
    return found


def _alike(known: Sequence[KnownResult]) -> Iterator[tuple]:
    """As ALIKE of `base_rates`."""
    sent = Counter((one.channel, one.contact_id) for one in known)
    arrived = Counter((one.channel, one.contact_id) for one in known if one.outcome == Outcome.ARRIVED)
    for channel in {one.channel for one in known}:
        pairs = [(n, arrived[key]) for key, n in sent.items() if key[0] == channel and n > 1]
        yield (
            channel,
            sum(n * (n - 1) for n, _ in pairs),
            sum(y * (n - 1) for n, y in pairs),
            sum(y * (y - 1) for _, y in pairs),
        )
