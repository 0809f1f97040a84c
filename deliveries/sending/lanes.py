"""Lanes of the outbox: the messages of one account and sender wait in a line of their own, the urgent ones first.

So an account that is slow, rests, or may hand over one message a second holds up nobody else, however many wait for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from deliveries.ledger.statements import backend
from deliveries.models import Outbox

NEXT_LANE = """
SELECT account_id, sender_id FROM deliveries_outbox
WHERE claimed_until IS NULL AND (account_id, sender_id) > (%s, %s) ORDER BY account_id, sender_id LIMIT 1
"""


class Lane(NamedTuple):
    account_id: int
    sender_id: int


def lanes() -> Iterator[Lane]:
    """Those in which anything waits, due or not. One look-up in the index for each, however long they are."""
    found: tuple[int, int] | None = (-1, -1)
    with connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT_LANE, found)
            found = cursor.fetchone()
            if found is None:
                return
            yield Lane(*found)


def take(
    those: Sequence[Lane],
    places: Counter[int],
    most: Mapping[Lane, int],
    now: datetime,
    without: Sequence[int],
    *,
    urgent: bool,
) -> list[Outbox]:
    """Due messages of these lanes, locked for this transaction, those left out that somebody else has locked.

    `places` says how many each account may have; what is taken is subtracted. They are shared out evenly among an
    account's lanes, and what one leaves is for those that want more; `most` are for a lane at most, where it is in
    there. `without`: campaigns to pass over.
    """
    rows: list[Outbox] = []
    got: Counter[Lane] = Counter()
    while those := [lane for lane in those if places[lane.account_id] > 0]:
        sharing = Counter(lane.account_id for lane in those)
        even = {lane: -(-places[lane.account_id] // sharing[lane.account_id]) for lane in those}
        shares = {
            lane: min(share, most[lane] - got[lane] if lane in most else share)
            for lane, share in even.items()
        }
        taken = [row.message_id for row in rows]
        before = got.copy()
        for row in backend().lock_due(shares, now, without, taken, urgent=urgent):
            got[Lane(row.account_id, row.sender_id)] += 1
            if places[row.account_id] > 0:
                places[row.account_id] -= 1
                rows.append(row)
        those = [
            lane
            for lane, share in shares.items()
            if got[lane] - before[lane] == share and got[lane] < most.get(lane, got[lane] + 1)
        ]
    return rows
