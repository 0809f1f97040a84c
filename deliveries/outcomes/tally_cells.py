"""The tallies of one campaign, read as cells: a few values that messages have in common, and how many have them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from django.db.models import Model, Sum

from campaigns.models import Campaign
from deliveries.models import CarrierTally, CodeTally, SourceTally, TallyDelta
from deliveries.outcomes.delivery_rate import Outcomes
from deliveries.statuses import BUCKETS, Disposition

# Of the codes of a campaign, all but how many.
CODE_COLUMNS = ("channel", "account_id", "reason_code", "status", "disposition")
K = TypeVar("K", str, int)
T = TypeVar("T")


class CarrierCell(NamedTuple):
    """Messages of a campaign with these values. The fields of a cell are named as the filters that it answers."""

    channel: str
    carrier: str
    status: str
    failure: str  # one of FailureClass
    disposition: str
    n: int


class SourceCell(NamedTuple):
    source: int  # list source, 0 for none
    region: str
    channel: str
    disposition: str
    n: int


class CodeCell(NamedTuple):
    channel: str
    account_id: int
    code: str
    status: str
    disposition: str
    n: int


# Of each kind of cell: the tally that it is read from, and the columns there of all its fields but how many.
TALLIES: dict[type, tuple[type[Model], tuple[str, ...]]] = {
    CarrierCell: (CarrierTally, ("channel", "carrier", "status", "failure_class", "disposition")),
    SourceCell: (SourceTally, ("list_source_id", "region", "channel", "disposition")),
    CodeCell: (CodeTally, CODE_COLUMNS),
}


def tallied(kind: type, campaign: Campaign) -> list[tuple]:
    """The rows of a tally as the values of such cells. One query."""
    tally, columns = TALLIES[kind]
    rows = tally._default_manager.filter(campaign_id=campaign.pk).order_by().values_list(*columns)
    return list(rows.annotate(total=Sum("n")))


def uncounted(campaign: Campaign) -> dict[type, list[tuple]]:
    """The rows to be added to each of its tallies: the same change stands in every one of them. One query."""
    columns = list(dict.fromkeys(name for _, names in TALLIES.values() for name in names))
    changes = TallyDelta.objects.filter(campaign_id=campaign.pk).order_by().values(*columns)
    rows = list(changes.annotate(total=Sum("n")))
    return {
        kind: [(*(row[name] for name in names), row["total"]) for row in rows]
        for kind, (_, names) in TALLIES.items()
    }


def cells(kind: Callable[..., T], rows: Iterable[tuple]) -> list[T]:
    """The cells that these rows come to; a row is the values of a cell, the last of them how many."""
    sums: Counter[tuple] = Counter()
    for *key, n in rows:
        sums[tuple(key)] += n
    return [kind(*key, n) for key, n in sums.items() if n]


def outcomes_by_channel(cells: Iterable[Any]) -> dict[str, Outcomes]:
    """Channel -> its outcomes, the busiest first, of cells of any kind."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for cell in cells:
        counts[cell.channel][cell.disposition] += cell.n
    found = {channel: Outcomes(dict(count)) for channel, count in counts.items() if any(count.values())}
    return dict(sorted(found.items(), key=lambda pair: -pair[1].sent))


@dataclass(frozen=True)
class CauseCount:
    """Messages not delivered for one native code."""

    code: str
    channel: str
    account_id: int
    status: str
    disposition: str
    bucket: str
    n: int


def causes(cells: Iterable[CodeCell]) -> list[CauseCount]:
    """What of these is trouble, most frequent first."""
    fine = {"", Disposition.DELIVERED, Disposition.PENDING}
    found = [
        CauseCount(
            cell.code, cell.channel, cell.account_id, cell.status, cell.disposition,
            BUCKETS[Disposition(cell.disposition)], cell.n,
        )
        for cell in cells
        if cell.disposition not in fine and cell.n
    ]  # fmt: skip
    return sorted(found, key=lambda cause: (-cause.n, cause.code))


def totals(pairs: Iterable[tuple[K, int]]) -> dict[K, int]:
    """Each key with the sum of its numbers; keys that come to nothing are left out."""
    sums: Counter[K] = Counter()
    for key, n in pairs:
        sums[key] += n
    return {key: n for key, n in sums.items() if n}
