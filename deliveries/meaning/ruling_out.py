"""What a permanent failure says beyond its own channel: that the number is dead, or takes no text messages.

Most codes say nothing beyond it, and count as one failure of the address on that channel. Those that say more stand in
`providers/ruled_out.csv`, by table, channel and code; MMS looks among the codes of SMS as well.
"""

from __future__ import annotations

import csv
from functools import lru_cache

from contacts.channels import KIND_OF, Channel, Closed
from deliveries.meaning.translation import CODES, FALLBACK_CHANNEL, tables_of

FILE = CODES.parent / "ruled_out.csv"
TEXTING = frozenset({Channel.SMS, Channel.MMS})


@lru_cache(maxsize=1)
def rows() -> dict[tuple[str, str, str], Closed]:
    """What a code rules out by (table, channel, code in lower case)."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return {
            (row["provider"], row["channel"], row["native_code"].lower()): Closed(row["rules_out"])
            for row in csv.DictReader(file)
        }


def ruled_out(provider: str, channel: str, code: str) -> Closed | None:
    """How far the failure reaches for which a provider gives `code`; None: no further than any other."""
    for table in tables_of(provider):
        for where in (channel, FALLBACK_CHANNEL.get(channel, "")):
            found = rows().get((table, where, code.lower()))
            if found is not None:
                return found
    return None


def channels_of(closed: Closed, channel: str) -> frozenset[str]:
    """The channels that such a failure on `channel` closes."""
    if closed == Closed.NUMBER:
        kind = KIND_OF[Channel(channel)]
        return frozenset(each for each in Channel if KIND_OF[each] == kind)
    return TEXTING | {channel} if closed == Closed.TEXTING else frozenset({channel})


def disproved(closed: Closed, channel: str, arrived: set[str]) -> bool:
    """Whether arrivals since then, on the channels `arrived`, say that it is not so, or not any more."""
    if closed == Closed.NUMBER:
        return bool(arrived)
    return bool(arrived & (TEXTING if closed == Closed.TEXTING else {channel}))
