"""How many failures in a row suppress an address, by how sure they are: what Waybill brings, and what was changed here.

What Waybill brings stands in `providers/failure_limits.csv`; which codes are how sure, in `ruling_out.py`. Where a row
has no number, the playbook's counts (`strike_limit` in `contacts/channels.py`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple

from contacts.channels import STRIKES, Channel, strike_limit
from deliveries.meaning.ruling_out import ruled_out
from deliveries.meaning.translation import CODES, FALLBACK_CHANNEL, tables_of
from deliveries.models import Certainty, FailureLimit

FILE = CODES.parent / "failure_limits.csv"
# Nothing has got through for so long, however few were sent: as long as an attempt is followed at all.
UNREACHABLE_FOR = timedelta(days=14)
FEWEST_UNREACHABLE = 3  # messages, for that: one that failed two weeks ago and one today prove little
PAUSES_GROW_BY = 3  # each pause of the same address is so many times as long as the one before
LONGEST_PAUSE = timedelta(days=365)  # one that would be longer has no end


class BlockLimit(NamedTuple):
    """`failures` in a row suppress; 0: as many as the playbook says. `pause_days` of the first; 0: no end."""

    failures: int
    pause_days: int


class Default(NamedTuple):
    """What Waybill brings for one kind of failure, and where that is from."""

    limit: BlockLimit
    source: str


@lru_cache(maxsize=1)
def defaults() -> dict[str, Default]:
    """By `Certainty`."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return {
            Certainty(row["certainty"]).value: Default(
                BlockLimit(int(row["failures"] or 0), int(row["pause_days"])), row["source"]
            )
            for row in csv.DictReader(file)
        }


@dataclass(frozen=True)
class BlockLimits:
    """Those in force: by kind of failure, and by (table, channel, code in lower case) where a code has its own."""

    kinds: Mapping[str, BlockLimit]
    codes: Mapping[tuple[str, str, str], BlockLimit]

    def of(self, provider: str, channel: str, code: str, certainty: str) -> BlockLimit:
        """The code's own, else that of its kind."""
        for table in tables_of(provider):
            for where in (channel, FALLBACK_CHANNEL.get(channel, "")):
                if own := self.codes.get((table, where, code.lower())):
                    return own
        return self.kinds[certainty]


def load_limits() -> BlockLimits:
    """One query."""
    kinds = {kind: one.limit for kind, one in defaults().items()}
    codes: dict[tuple[str, str, str], BlockLimit] = {}
    for row in FailureLimit.objects.order_by("pk"):
        key = (row.table, row.channel, row.code.lower())
        if row.failures is None and row.pause_days is None:
            codes.pop(key, None)
            if row.certainty:
                kinds[row.certainty] = defaults()[row.certainty].limit
        elif row.certainty:
            kinds[row.certainty] = BlockLimit(row.failures or 0, row.pause_days or 0)
        else:
            codes[key] = BlockLimit(row.failures or 0, row.pause_days or 0)
    return BlockLimits(kinds, codes)


def certainty_of(provider: str, channel: str, code: str) -> Certainty:
    """How sure a permanent failure with this code is."""
    if closed := ruled_out(provider, channel, code):
        return Certainty(closed.value)
    return Certainty.MAILBOX if channel == Channel.EMAIL else Certainty.OTHER


def enough_of(limits: Iterable[BlockLimit], channel: str) -> int:
    """How many failures in a row block, where these are those of the failures: as many as the surest asks for. 0: they
    leave it to the playbook, and none asks for fewer than a playbook does by default."""
    found = list(limits)
    own = [limit.failures for limit in found if limit.failures]
    lowest = min(own, default=0)
    left_to_playbook = len(own) < len(found)
    return 0 if left_to_playbook and lowest >= strike_limit(channel, STRIKES) else lowest


def pause(limits: Iterable[BlockLimit], before: int) -> timedelta | None:
    """How long an address is suppressed that was so `before` times already; None: until somebody lifts it.

    Where the failures differ, the surest has it, which may have no end.
    """
    days = min((limit.pause_days for limit in limits), default=0)
    length = timedelta(days=days) * PAUSES_GROW_BY ** min(before, 9)
    return length if days and length <= LONGEST_PAUSE else None
