"""What share of messages usually arrives, by channel, carrier and list: the starting point for a person of whom little
is known (`outcomes/chance.py`).

Counted from tallies, and stored once an hour as one row, so that a page reads it in one query. A carrier or a list with
few messages is drawn towards its channel. How much the usual share counts beside a person's own results follows from
how alike the results of one person are, among the newest messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max, Sum

from deliveries.models import Bookmark, DayTally, Message, SourceTally
from deliveries.statuses import Disposition

NAME = "base_rates"  # of the bookmark
EVERY = timedelta(hours=1)
RECENT = timedelta(days=180)  # of what carriers did; of lists all there is
DRAWN = 20.0  # messages: so much the channel's share counts beside the carrier's or the list's own
SAMPLE = 100_000  # of the newest messages, for the likeness of one person's results
FEWEST_PAIRS = 200  # of results of one person, to judge it by
STRENGTHS = (2.0, 40.0)  # messages: the least and the most that the usual share counts for
STRENGTH = 6.0  # while there are too few pairs
MOST_LISTS = 2_000  # those with the most messages; the others are taken for their channel

COUNTED = (Disposition.DELIVERED, Disposition.PENDING_RETRY, Disposition.BOUNCED_HARD)

# Of people with several results: how often two of one person are both arrivals, against how often one is.
ALIKE = """
SELECT channel, sum(n * (n - 1)), sum(y * (n - 1)), sum(y * (y - 1)) FROM (
  SELECT channel, count(*) AS n, sum(CASE WHEN disposition = 'DELIVERED' THEN 1 ELSE 0 END) AS y
  FROM deliveries_message
  WHERE id > %s AND disposition IN ('DELIVERED', 'PENDING_RETRY', 'BOUNCED_HARD') AND fault IN ('none', 'recipient')
  GROUP BY channel, contact_id HAVING count(*) > 1) one
GROUP BY channel
"""


class BaseRate(NamedTuple):
    """What is usual: the share that arrives, and for how many messages' worth of evidence it counts."""

    rate: float
    strength: float


NOTHING_KNOWN = BaseRate(0.5, 2.0)


@dataclass(frozen=True)
class BaseRates:
    """The usual share by channel, as odds, and the factors by which a carrier or a list changes them."""

    odds: Mapping[str, float]
    strengths: Mapping[str, float]
    carriers: Mapping[tuple[str, str], float]  # (channel, carrier)
    sources: Mapping[tuple[str, int], float]  # (channel, list source)

    def of(self, channel: str, carrier: str, source: int | None) -> BaseRate:
        """What is usual for a person with this carrier, who came with this list."""
        if channel not in self.odds:
            return NOTHING_KNOWN
        odds = self.odds[channel] * self.carriers.get((channel, carrier), 1.0)
        odds *= self.sources.get((channel, source or 0), 1.0)
        return BaseRate(odds / (1 + odds), self.strengths[channel])


def run(now: datetime) -> int:
    """Count anew once an hour; 0, as nothing is left to do."""
    last = Bookmark.objects.filter(name=NAME).values_list("at", flat=True).first()
    if last is None or last <= now - EVERY:
        refresh(now)
    return 0


def refresh(now: datetime) -> BaseRates:
    detail = _counted(now)
    Bookmark.objects.update_or_create(name=NAME, defaults={"at": now, "detail": detail})
    return _from(detail)


def load() -> BaseRates:
    """As they were counted last; nothing is known before that. One query."""
    detail = Bookmark.objects.filter(name=NAME).values_list("detail", flat=True).first()
    return _from(detail or {})


def _from(detail: Mapping[str, Any]) -> BaseRates:
    return BaseRates(
        {channel: one["odds"] for channel, one in detail.items()},
        {channel: one["strength"] for channel, one in detail.items()},
        {(channel, name): f for channel, one in detail.items() for name, f in one["carriers"].items()},
        {(channel, int(pk)): f for channel, one in detail.items() for pk, f in one["sources"].items()},
    )


class ArrivalShare(NamedTuple):
    arrived: int
    sent: int

    def odds(self, usual: float = 0.5, drawn: float = 2.0) -> float:
        """Drawn towards `usual` as by so many messages."""
        return (self.arrived + drawn * usual) / (self.sent - self.arrived + drawn * (1 - usual))


def _counted(now: datetime) -> dict[str, Any]:
    days = DayTally.objects.filter(day__gt=(now - RECENT).date())
    return _detail(
        _shares(days, "carrier"), _shares(SourceTally.objects.all(), "list_source_id"), _strengths()
    )


Shares = Mapping[str, Mapping[Any, ArrivalShare]]  # channel -> carrier, or list source -> its share


def of_shares(by_carrier: Shares, by_source: Shares, strengths: Mapping[str, float]) -> BaseRates:
    """What is usual where these were counted."""
    return _from(_detail(by_carrier, by_source, strengths))


def _detail(by_carrier: Shares, by_source: Shares, strengths: Mapping[str, float]) -> dict[str, Any]:
    found = {}
    for channel, carriers in by_carrier.items():
        whole = ArrivalShare(*map(sum, zip(*carriers.values(), strict=True)))
        odds = whole.odds()
        usual = odds / (1 + odds)
        sources = sorted(by_source.get(channel, {}).items(), key=lambda one: -one[1].sent)[:MOST_LISTS]
        found[channel] = {
            "odds": odds,
            "strength": strengths.get(channel, STRENGTH),
            "carriers": {name: one.odds(usual, DRAWN) / odds for name, one in carriers.items()},
            "sources": {pk: one.odds(usual, DRAWN) / odds for pk, one in sources},
        }
    return found


def _shares(tally: Any, field: str) -> dict[str, dict[Any, ArrivalShare]]:
    """channel -> value of the field -> how many of its messages arrived. One query."""
    rows = tally.filter(disposition__in=COUNTED).order_by()
    rows = rows.values_list("channel", field, "disposition").annotate(total=Sum("n"))
    found: dict[str, dict[Any, ArrivalShare]] = defaultdict(dict)
    for channel, value, disposition, n in rows:
        arrived, sent = found[channel].get(value, ArrivalShare(0, 0))
        found[channel][value] = ArrivalShare(
            arrived + (n if disposition == Disposition.DELIVERED else 0), sent + n
        )
    return found


def _strengths() -> dict[str, float]:
    """By channel, from the newest messages. Two queries."""
    newest = Message.objects.aggregate(last=Max("pk"))["last"] or 0
    with connection.cursor() as cursor:
        cursor.execute(ALIKE, [newest - SAMPLE])
        return dict(strengths_of(cursor.fetchall()))


def strengths_of(rows: Iterable[tuple]) -> Iterable[tuple[str, float]]:
    for channel, pairs, singles, both in rows:
        if pairs < 2 * FEWEST_PAIRS:  # each stands in it twice
            continue
        share = float(singles / pairs)
        chance = share * (1 - share)
        likeness = (float(both / pairs) - share**2) / chance if chance else 0.0
        least, most = STRENGTHS
        yield channel, min(max(1 / likeness - 1, least), most) if likeness > 0 else most
