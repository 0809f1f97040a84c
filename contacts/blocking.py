"""Which suppressions stand in the way of a send. Whoever wants to know whether something is blocked asks here.

`meets` is the rule, and `blocks` asks it for many targets. `SQL_BLOCKS` says the same of a whole audience at once; a
test over random cases holds the two together (`tests/deliveries/sending/test_twin_at_random.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from contacts.among import Among
from contacts.channels import Channel, takes
from contacts.consent_ledger import family_of
from contacts.models import Address, Contact, Suppression


class Target(NamedTuple):
    """Where something would be sent: the key of the address ('' where there is none), whose it is, on which channel,
    from which sender.

    `sender` is the value of one, or '' where it is asked whether the address is blocked whoever sends: then what blocks
    one sender alone does not count.
    """

    match_key: str
    contact_id: int
    channel: str
    sender: str = ""

    @classmethod
    def at(cls, address: Address | None, contact_id: int, channel: str, sender: str = "") -> Target:
        return cls(address.match_key if address else "", contact_id, channel, sender)


class Block(NamedTuple):
    """A suppression in force, as far as sending is concerned, and what tells its grounds."""

    id: int
    match_key: str
    contact_id: int | None
    channel: str
    scope: str
    scope_value: str
    reason: str
    origin: str
    created_at: datetime
    fact: str
    evidence: str
    created_by_id: int | None
    expires_at: datetime | None


def meets(block: Block | Suppression, target: Target) -> bool:
    """Whether a suppression in force blocks this send. One with an address holds wherever the address stands."""
    whole = not block.match_key
    theirs = block.contact_id == target.contact_id if whole else block.match_key == target.match_key
    if not theirs or not _concerns(block, target.channel):
        return False
    # Senders do not know their brand yet, so a brand's suppression holds for all of them: rather one too many.
    return block.scope != Suppression.Scope.SENDER or block.scope_value == target.sender


def stand_for(met: Collection[Block], fact: str) -> bool:
    """Whether all that blocks an address are suppressions that a rule made of failures, and one was made of this fact:
    then whoever has it before them is asked for the right address."""
    of_failures = all(
        one.origin == Suppression.Origin.RULE and one.reason in Suppression.OF_FAILURES for one in met
    )
    return of_failures and any(one.fact == fact for one in met)


def _concerns(block: Block | Suppression, channel: str) -> bool:
    """What a person says of texts they say of picture messages, too, and so with calls and voicemails."""
    if block.origin == Suppression.Origin.RECIPIENT:
        return not block.channel or block.channel in family_of(channel)
    return block.channel in ("", channel)


def closes(block: Block | Suppression) -> str:
    """The channels it closes, in words: those that its address can take, or "Every channel" of a whole contact."""
    met = [each for each in Channel if _concerns(block, each)]
    names = [each.in_sentence for each in met if not block.match_key or takes(block.match_key, each)]
    if len(names) == len(Channel):
        return "Every channel"
    words = " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else "no channel"
    return f"{words[0].upper()}{words[1:]}"


# The same for a statement about many people, to be joined where a contact is `c` and its address `a`: the suppressions
# in force that meet the channel and the sender. `by_address.match_key` and `by_contact.contact_id` are NULL where none
# does; `asked` is 1 where the person asked for one.
_IN_FORCE = """released_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s)
  AND (channel IN ('', %(channel)s) OR (origin = 'recipient' AND channel = %(sibling)s))
  AND (scope <> 'sender' OR scope_value = %(sender)s)"""
SQL_BLOCKS = f"""LEFT JOIN (
  SELECT match_key, max(CASE WHEN origin = 'recipient' THEN 1 ELSE 0 END) AS asked FROM contacts_suppression
  WHERE value <> '' AND {_IN_FORCE} GROUP BY match_key) by_address ON by_address.match_key = a.match_key
LEFT JOIN (
  SELECT contact_id, max(CASE WHEN origin = 'recipient' THEN 1 ELSE 0 END) AS asked FROM contacts_suppression
  WHERE value = '' AND {_IN_FORCE} GROUP BY contact_id) by_contact ON by_contact.contact_id = c.id"""  # noqa: S608 - our own statement


def sql_values(channel: str, sender: str) -> dict[str, str]:
    """What `SQL_BLOCKS` asks for, beside `now`."""
    sibling = next((one for one in family_of(channel) if one != channel), channel)
    return {"channel": channel, "sibling": sibling, "sender": sender}


def blocks(
    targets: Collection[Target], now: datetime, *, past: bool = False
) -> dict[Target, tuple[Block, ...]]:
    """The suppressions in force that meet each target, the oldest first; `past`: those that were at `now`.

    One query whatever the number of targets.
    """
    rows = Suppression.objects.in_force_then(now) if past else Suppression.objects.in_force(now)
    fields = rows.order_by().values_list(*Block._fields)
    keys = {each.match_key for each in targets} - {""}
    of_addresses = fields.exclude(value="").filter(Among("match_key", keys))
    of_contacts = fields.filter(Among("contact_id", {each.contact_id for each in targets}), value="")
    found: defaultdict[str | int | None, list[Block]] = defaultdict(list)
    for row in of_addresses.union(of_contacts, all=True).order_by("id"):
        block = Block(*row)
        found[block.match_key or block.contact_id].append(block)
    return {
        target: tuple(
            block for block in (*found[target.match_key], *found[target.contact_id]) if meets(block, target)
        )
        for target in targets
    }


def blocks_in_force(contact: Contact, addresses: Collection[Address], now: datetime) -> list[Suppression]:
    """Suppressions in force for the person or any of these addresses, the newest first, for whoever shows them.

    Which sends each of them blocks, `meets` says.
    """
    theirs = Q(contact=contact, value="") | Q(match_key__in={one.match_key for one in addresses} - {""})
    found = Suppression.objects.in_force(now).filter(theirs)
    found = found.select_related("created_by", "follows", "contact")
    return list(found.order_by("-created_at", "-id"))
