"""Questions of ours, which may be many: they take turns as messages do, by the same limits and the same rows.

A sender that may send no more today, or little, holds up nobody else's questions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, zip_longest

from django.db import connection
from django.db.models import QuerySet

from campaigns.models import Sender
from campaigns.segments import segments
from contacts.answering import Kind
from contacts.channels import Channel
from contacts.models import AutomaticAnswer
from contacts.models.answers import LINK_PLACE
from deliveries import links
from deliveries.deciding.rests import rests
from deliveries.models import Account
from deliveries.sending.lanes import Lane
from deliveries.sending.pacing import Clock, Pacing, Turn

# Seconds ahead that turns are taken for. Steps come each second, and campaigns claim half a second ahead: a question
# has its turn between their messages.
AHEAD = 1.0
SOON = timedelta(seconds=1)  # until one that found no turn looks for it again

NEXT_SENDER = """
SELECT sender_value FROM contacts_automaticanswer
WHERE state = 'waiting' AND kind IN ('confirm', 'verify') AND sender_value > %s ORDER BY sender_value LIMIT 1
"""


def worded(row: AutomaticAnswer) -> str:
    """What a question says, with the person's own link."""
    if not row.subject and row.kind != Kind.VERIFY:
        return row.text
    page = links.page(str(row.uuid))
    if row.kind != Kind.VERIFY:
        return row.text.replace(LINK_PLACE, f"{page}?confirm")
    text = row.text.replace(LINK_PLACE, f"{page}?correct")
    return links.below(text, page) if row.channel == Channel.EMAIL else text


def first_due(waiting: QuerySet[AutomaticAnswer], now: datetime, most: int) -> list[AutomaticAnswer]:
    """Questions that are due, locked as `waiting` says: the first of each sender, then the second of each, and so on;
    of those the ones that wait longest. A look-up in the index for each sender, however many wait."""
    of_each = [
        list(_due(now).filter(sender_value=value).order_by("until", "pk").values_list("until", "pk")[:most])
        for value in _senders()
    ]
    in_turn = chain.from_iterable(sorted(filter(None, each)) for each in zip_longest(*of_each))
    ids = [pk for _, pk in in_turn][:most]
    rows = {row.pk: row for row in waiting.filter(pk__in=ids)}
    return [rows[pk] for pk in ids if pk in rows]


def _due(now: datetime) -> QuerySet[AutomaticAnswer]:
    return AutomaticAnswer.objects.filter(
        state=AutomaticAnswer.State.WAITING, kind__in=AutomaticAnswer.QUESTIONS, until__lte=now
    )


def _senders() -> list[str]:
    """Those in whose name any question waits, due or not."""
    found: list[str] = []
    with connection.cursor() as cursor:
        while True:
            cursor.execute(NEXT_SENDER, [found[-1] if found else ""])
            if not (row := cursor.fetchone()):
                return found
            found.append(row[0])


class Questions:
    """By which account the questions of some senders may leave now, and when. Used within the transaction that takes
    them up; `save` notes what they took."""

    def __init__(
        self,
        rows: Sequence[AutomaticAnswer],
        senders: Mapping[str, Sender],
        accounts: Collection[Account],
        now: datetime,
    ) -> None:
        values = {
            row.sender_value
            for row in rows
            if row.kind in AutomaticAnswer.QUESTIONS and row.sender_value in senders
        }
        lanes = _lanes([senders[value] for value in sorted(values)], accounts)
        # What refused, and is tried again, is tried by messages: a question that is refused is not asked again.
        open_lanes, _ = rests(now).part(chain.from_iterable(lanes.values())) if lanes else ([], {})
        self._lanes = {
            value: lane for value, those in lanes.items() if (lane := _first_of(those, open_lanes))
        }
        self._accounts = {one.pk: one for one in accounts}
        self._now = now
        self._pacing = Pacing(sorted(self._lanes.values()), Clock(now), AHEAD)

    def account_for(self, row: AutomaticAnswer) -> Account | None:
        """The first that does not rest, whichever it was before."""
        lane = self._lanes.get(row.sender_value)
        return self._accounts[lane.account_id] if lane else None

    def turn(self, row: AutomaticAnswer) -> Turn:
        """What it takes is taken. One that waits always says until when."""
        weight = segments(worded(row)) if row.channel == Channel.SMS else 1
        turn = self._pacing.turn(self._lanes[row.sender_value], max(weight, 1))
        return turn._replace(until=turn.until or self._now + SOON) if turn.waits else turn

    def save(self) -> None:
        self._pacing.save()


def _lanes(senders: Sequence[Sender], accounts: Collection[Account]) -> dict[str, list[Lane]]:
    """By a sender's value, in the accounts' order: those that own the sender; where none does, all for its channel."""
    if not senders:
        return {}
    owned = set(Account.senders.through.objects.values_list("account_id", "sender_id"))
    found = {}
    for sender in senders:
        fitting = [one for one in accounts if one.active and one.is_ready and sender.channel in one.channels]
        owners = [one for one in fitting if (one.pk, sender.pk) in owned]
        found[sender.value] = [Lane(one.pk, sender.pk) for one in owners or fitting]
    return found


def _first_of(those: Sequence[Lane], open_lanes: Collection[Lane]) -> Lane | None:
    return next((lane for lane in those if lane in open_lanes), None)
