"""Which codes say that a mailbox, of email or of a phone, is full.

They stand in `providers/full_mailboxes.csv`, by table and channel.
"""

from __future__ import annotations

import csv
from functools import lru_cache

from deliveries.meaning.translation import CODES, tables_of

FILE = CODES.parent / "full_mailboxes.csv"


@lru_cache(maxsize=1)
def rows() -> frozenset[tuple[str, str, str]]:
    """(table, channel, code in lower case)."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return frozenset(
            (row["provider"], row["channel"], row["native_code"].lower()) for row in csv.DictReader(file)
        )


def is_full(provider: str, channel: str, code: str) -> bool:
    """Whether a provider gives `code` for a mailbox that is full."""
    return any((table, channel, code.lower()) in rows() for table in tables_of(provider))
