"""What a replay would change: messages that move, blocks that come and go, people who become free."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as Fields
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from campaigns.models import Campaign
from contacts.addresses import match_key
from contacts.grounds import reported_fact
from contacts.models import Suppression
from contacts.withdrawing import Mistaken, own_blocks
from deliveries.deciding.health import examine
from deliveries.meaning.translation import Mapping
from deliveries.models import Message
from deliveries.receiving.retranslation import Affected, Read
from deliveries.statuses import Disposition

PEOPLE = 10_000  # told apart, as each of them may have messages in several slices; more are as many as these
EXAMPLES = 20  # messages named for each way in which messages would change
OF_MESSAGE = "message "  # how the fact of a report begins
BY_RULE = (Suppression.Reason.HARD_FAILS, Suppression.Reason.HARD_BOUNCE)


@dataclass
class Difference:
    """What reading the stored receipts anew would change, as far as it has been counted.

    `moves` counts messages by (disposition before, after), `examples` names the newest of each.
    """

    messages: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    crossing: int = 0  # addresses that would reach the limit of permanent failures
    lifting: int = 0  # blocks that would lift
    freed: int = 0  # people who opted out, and whom nothing would keep from being written to any more
    blocked: set[int] = field(
        default_factory=set
    )  # contacts who would be blocked as opted out; at most PEOPLE

    @classmethod
    def read(cls, stored: Fields[str, Any]) -> Difference:
        """From `MappingVersion.preview`."""
        counts = {name: stored.get(name, 0) for name in ("messages", "crossing", "lifting", "freed")}
        moves = stored.get("moves", [])
        return cls(
            **counts,
            blocked=set(stored.get("blocked", [])),
            moves=Counter({(a, b): n for a, b, n, *_ in moves}),
            examples={(a, b): ids for a, b, _, *more in moves for ids in more},
        )

    def stored(self) -> dict[str, Any]:
        return {
            "messages": self.messages, "crossing": self.crossing, "lifting": self.lifting, "freed": self.freed,
            "blocked": sorted(self.blocked),
            "moves": [[*move, n, self.examples.get(move, [])] for move, n in sorted(self.moves.items())],
        }  # fmt: skip

    def merge(self, more: Difference) -> None:
        """Add what was counted for other messages, later ones."""
        self.messages += more.messages
        self.moves += more.moves
        for move, ids in more.examples.items():
            self.examples[move] = [*self.examples.get(move, []), *ids][-EXAMPLES:]
        self.crossing += more.crossing
        self.lifting += more.lifting
        self.freed += more.freed
        self.blocked = set(sorted(self.blocked | more.blocked)[:PEOPLE])

    def add(self, before: str, after: str, message: int) -> None:
        self.messages += 1
        self.moves[before, after] += 1
        self.examples[before, after] = [*self.examples.get((before, after), []), message][-EXAMPLES:]


def compare(ids: Sequence[int], affected: Affected, mapping: Mapping) -> Difference:
    """What would change for these messages."""
    read, difference = Read.of(ids, affected, mapping), Difference()
    other: dict[int, tuple[str, str]] = {}
    for pk in sorted({event.message_id for event in read.concerned}):
        message, shown = read.messages[pk], read.shown(pk)
        if shown != (message.disposition, message.fault):
            other[pk] = shown
            difference.add(message.disposition, shown[0], pk)
    messages = [read.messages[pk] for pk in other]
    triples = {(m.contact_id, m.address_id, m.channel) for m in messages}
    before, after, strikes = examine(triples), examine(triples, other), strikes_of(messages)
    blocked_before, blocked_after = (
        {p for p in after if found[p].too_many(p[1], strikes[p])} for found in (before, after)
    )
    crossing, well = blocked_after - blocked_before, blocked_before - blocked_after
    difference.crossing += len(crossing)
    difference.lifting += rule_blocks(messages, well).count()
    none_any_more = [pk for pk, (shown, _) in other.items() if shown != Disposition.OPTOUT]
    difference.freed += _freed(read, none_any_more, affected, mapping)
    optouts = [message for message in messages if other[message.pk][0] == Disposition.OPTOUT]
    difference.blocked = _blocked(one for one in optouts if one.disposition != Disposition.OPTOUT)
    return difference


def _blocked(messages: Iterable[Message]) -> set[int]:
    """The contacts of these who have not said no already: such an outcome would block them."""
    whose = {(m.contact_id, m.address.match_key) for m in messages}
    blocked = own_blocks(key for _, key in whose)
    return {contact for contact, key in whose if not blocked.get(key)}


def _freed(read: Read, ids: Sequence[int], affected: Affected, mapping: Mapping) -> int:
    """How many people only such opt-outs keep from being written to; each counted at the last of them."""
    mistaken = {_message(one): one for one in read.mistaken(ids)}
    grounds: dict[str, list[int]] = {}
    for key, rows in own_blocks(match_key(one.value) for one in mistaken.values()).items():
        facts = [reported_fact(row) for row in rows]
        known = [int(fact.removeprefix(OF_MESSAGE)) for fact in facts if fact.startswith(OF_MESSAGE)]
        if len(known) == len(facts) and max(known) in mistaken:
            grounds[key] = known
    others = {message for those in grounds.values() for message in those} - mistaken.keys()
    rest = Read.of(sorted(others), affected, mapping)
    fallen = mistaken.keys() | {
        _message(one)
        for one in rest.mistaken(pk for pk in rest.messages if rest.shown(pk)[0] != Disposition.OPTOUT)
    }
    free = [max(those) for those in grounds.values() if fallen.issuperset(those)]
    return len({read.messages[message].contact_id for message in free})


def _message(one: Mistaken) -> int:
    return int(one.fact.removeprefix(OF_MESSAGE))


def strikes_of(messages: Iterable[Message]) -> dict[tuple[int, str], int]:
    """How many failures in a row block each (address, channel), by the playbook of the latest campaign here."""
    messages = sorted(messages, key=lambda m: m.pk)
    campaigns = Campaign.objects.select_related("playbook").in_bulk({m.campaign_id for m in messages})
    return {(m.address_id, m.channel): campaigns[m.campaign_id].playbook.strikes for m in messages}


def rule_blocks(messages: Iterable[Message], pairs: Collection[tuple[int, str]]) -> QuerySet[Suppression]:
    """The rules' own blocks in force on these (address, channel) pairs."""
    keys: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        if (message.address_id, message.channel) in pairs:
            keys[message.channel].add(message.address.match_key)
    where = Q(pk__in=[])
    for channel, those in keys.items():
        where |= Q(channel=channel, match_key__in=those)
    return Suppression.objects.filter(
        where, reason__in=BY_RULE, origin=Suppression.Origin.RULE, released_at=None
    )
