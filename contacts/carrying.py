"""Whatever changes somebody's addresses goes through here: what holds for them holds at the address in its place, too.

What the person asked for, or the law asks for about them, always goes along (`carry_over` in `suppressing.py`). What
colleagues and imports said of an address may mean the number alone ("wrong number") or the person ("called, angry");
nothing tells which. So it goes along as well, unless somebody says otherwise for that block.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from contacts.addresses import match_key
from contacts.channels import Channel, Kind
from contacts.chunks import in_lists
from contacts.grounds import day
from contacts.models import Address, Suppression
from contacts.suppressing import carry_over, extend

OURS = (Suppression.Origin.STAFF, Suppression.Origin.IMPORT)
# What `carry_over` takes along whatever anybody says.
_THEIRS = Q(origin=Suppression.Origin.RECIPIENT) | Q(reason__in=Suppression.OF_PERSON)
_OF_NUMBER = Q(reason=Suppression.Reason.REGISTER)  # a do-not-call register lists numbers, not people


def addresses_of(contacts: Iterable[int]) -> list[Address]:
    """The addresses of these contacts as they stand, but for those of people who were erased."""
    found: list[Address] = []
    for part in in_lists(set(contacts)):
        found += Address.objects.filter(contact__in=part, contact__erased_at=None).exclude(value="")
    return found


@contextmanager
def addresses_change(
    *contacts: int, now: datetime, into: int | None = None, leave: Collection[int] = ()
) -> Iterator[None]:
    """Around whatever changes the addresses of these contacts. `into`: that of them which has all of them then.
    `leave` as in `carry`."""
    with transaction.atomic():
        before = addresses_of(contacts)
        yield
        carry(before, contacts, now, leave, into)


def would_carry(kept: int, gone: int, now: datetime) -> list[Suppression]:
    """The blocks of colleagues and imports that would hold at another address than now if the two became `kept`."""
    before = addresses_of([kept, gone])
    used = {
        (kept, one.kind): one
        for whose in (gone, kept)
        for one in before
        if one.preferred and one.contact_id == whose
    }
    going = _going(_replaced(before, [kept, gone], used, kept, now), now)
    return list({block.pk: block for block, _ in going}.values())


def carry(
    before: Sequence[Address],
    contacts: Collection[int],
    now: datetime,
    leave: Collection[int] = (),
    into: int | None = None,
) -> list[Suppression]:
    """The addresses of these contacts were those of `before`. What holds for each person holds at those that are new
    to them, or used instead of others.

    `leave` names blocks of colleagues and imports, by id, that are not to go along; return those of them that would.
    `into` as in `addresses_change`.
    """
    after = addresses_of([into] if into else contacts)
    stood = {(one.contact_id, one.value, one.preferred) for one in before}
    changed = [one for one in after if into or (one.contact_id, one.value, one.preferred) not in stood]
    if not changed:
        return []
    former: defaultdict[int, list[str]] = defaultdict(list)
    for one in before:
        former[into or one.contact_id].append(one.value)
    carry_over(changed, now, former)
    used = {(one.contact_id, one.kind): one for one in changed if one.preferred}
    return _carry_ours(_replaced(before, contacts, used, into, now), now, leave)


def _replaced(
    before: Sequence[Address],
    contacts: Collection[int],
    used: dict[tuple[int, str], Address],
    into: int | None,
    now: datetime,
) -> list[tuple[str, Address]]:
    """Keys of addresses, and the one that is used in the place of each. Where a contact used none of the kind, it takes
    the place of every one that they had, also of those that were deleted earlier."""
    theirs: defaultdict[tuple[int, str], list[Address]] = defaultdict(list)
    for one in before:
        theirs[one.contact_id, one.kind].append(one)
    pairs, without = [], []
    for contact in contacts:
        for kind in Kind.values:
            new = used.get((into or contact, kind))
            if new is None:
                continue
            those = [one for one in theirs[contact, kind] if one.preferred]
            if not those:
                without.append((into or contact, kind, new))
            pairs += [(one.match_key, new) for one in those or theirs[contact, kind]]
    known = {(into or one.contact_id, one.match_key) for one in before}
    for contact, key, is_email in _blocked_for({contact for contact, _, _ in without}, now):
        pairs += [
            (key, new)
            for whose, kind, new in without
            if whose == contact and (kind == Kind.EMAIL) == is_email and (contact, key) not in known
        ]
    return [(key, new) for key, new in pairs if key != new.match_key]


def _blocked_for(contacts: Collection[int], now: datetime) -> list[tuple[int, str, bool]]:
    """Contact, key, and whether it is an email: where colleagues and imports blocked an address as one of theirs."""
    found = []
    for part in in_lists(contacts):
        blocks = Suppression.objects.in_force(now).filter(contact__in=part, origin__in=OURS)
        rows = blocks.exclude(value="").values_list("contact_id", "match_key", "value")
        found += [(contact or 0, key, "@" in value) for contact, key, value in rows]
    return found


def _carry_ours(
    pairs: Sequence[tuple[str, Address]], now: datetime, leave: Collection[int]
) -> list[Suppression]:
    going = _going(pairs, now)
    extend((block, new) for block, new in going if block.pk not in leave)
    return list({block.pk: block for block, _ in going if block.pk in leave}.values())


def _going(pairs: Sequence[tuple[str, Address]], now: datetime) -> list[tuple[Suppression, Address]]:
    """The blocks that stand there, each with the address it would hold at as well."""
    blocks: defaultdict[str, list[Suppression]] = defaultdict(list)
    for block in ours_at({key for key, _ in pairs}, now):
        blocks[block.match_key].append(block)
    return [(block, new) for key, new in pairs for block in blocks[key] if not _began_at(block, new)]


def _began_at(block: Suppression, address: Address) -> bool:
    """Whether it extends one that stands at this address."""
    return block.follows is not None and block.follows.match_key == address.match_key


def ours_at(values: Collection[str], now: datetime) -> list[Suppression]:
    """The blocks by colleagues and imports that stand at these addresses, with who made them, the oldest first."""
    found: list[Suppression] = []
    for part in in_lists({match_key(value) for value in values if value}):
        standing = Suppression.objects.in_force(now).filter(match_key__in=part, origin__in=OURS)
        found += (
            standing.exclude(Q(value="") | _THEIRS | _OF_NUMBER)
            .select_related("created_by", "follows")
            .order_by("pk")
        )
    return found


def words(block: Suppression) -> str:
    """What it says in a sentence: on which channels, by whom and when, and their words."""
    where = Channel(block.channel).in_sentence if block.channel else "every channel"
    who = "an import" if block.origin == Suppression.Origin.IMPORT else "a colleague"
    if block.created_by:
        who = block.created_by.display_name
    said = f": “{block.evidence}”" if block.evidence else ""
    return f"{where}, by {who} on {day(block.created_at)}{said}."
