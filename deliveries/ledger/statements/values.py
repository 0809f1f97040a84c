"""What goes into the statements and comes out of them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

# A message's dimensions as the tallies count them, in the order of `tallies.DIMENSIONS`.
MESSAGE_DIMENSIONS = (
    "campaign_id", "created_on", "channel", "account_id", "carrier", "region", "list_source_id",
    "status", "failure_class", "disposition", "reason_code",
)  # fmt: skip


class EventRow(NamedTuple):
    """One fact about one message, ready to be written. `disposition` and `reason_code` are what the message
    shows if this event wins."""

    message_id: int
    fact: int
    receipt_id: int | None
    status: str
    precedence: int
    failure_class: str
    fault: str
    evidence: str
    native_status: str
    native_code: str
    native_text: str
    part: int
    parts: int
    occurred_at: datetime
    disposition: str
    reason_code: str


class ClaimedReceipt(NamedTuple):
    """A claimed receipt."""

    id: int
    account_id: int
    kind: str
    received_at: datetime
    method: str
    query: str
    headers: dict
    body: bytes
    attempts: int


class Applied(NamedTuple):
    """How many events were new, and how many messages changed their status."""

    events: int
    changed: int
