"""Our reference of a message: the uuid that every callback address carries.

It begins with the millisecond in which it was made (RFC 9562, version 7), and the rest is chance. So those of one day
stand side by side in the index: making a million, and finding the messages that receipts are about, touches a few
pages of it instead of all.
"""

from __future__ import annotations

import secrets
import time
from datetime import datetime
from uuid import UUID


def new_reference() -> UUID:
    chance = secrets.randbits(74)
    high = time.time_ns() // 1_000_000 << 16 | 0x7000 | chance >> 62
    low = 0b10 << 62 | chance & (1 << 62) - 1
    return UUID(int=high << 64 | low)


def moment(at: datetime) -> str:
    """The twelve hexadecimal digits that references made at this time begin with."""
    return f"{int(at.timestamp() * 1000):012x}"
