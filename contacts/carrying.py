"""What colleagues and imports said of an address goes along when another one takes its place.

It may mean the number alone ("wrong number") or the person ("called, angry"); nothing tells which. So it holds at the
new one too, unless somebody says otherwise for that block. What the person asked for always goes along: `carry_over`
in `suppressing.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime

from django.db.models import Q

from contacts.addresses import match_key
from contacts.channels import Channel
from contacts.chunks import in_lists
from contacts.grounds import day
from contacts.models import Address, Suppression
from contacts.suppressing import extend

OURS = (Suppression.Origin.STAFF, Suppression.Origin.IMPORT)
# What `carry_over` takes along whatever anybody says.
_THEIRS = Q(origin=Suppression.Origin.RECIPIENT) | Q(reason__in=Suppression.OF_PERSON)
_OF_NUMBER = Q(reason=Suppression.Reason.REGISTER)  # a do-not-call register lists numbers, not people


def ours_at(values: Collection[str], now: datetime) -> list[Suppression]:
    """The blocks by colleagues and imports that stand at these addresses, with who made them, the oldest first."""
    found: list[Suppression] = []
    for part in in_lists({match_key(value) for value in values if value}):
        standing = Suppression.objects.in_force(now).filter(match_key__in=part, origin__in=OURS)
        found += (
            standing.exclude(Q(value="") | _THEIRS | _OF_NUMBER).select_related("created_by").order_by("pk")
        )
    return found


def carry_ours(
    former: Iterable[Address], to: Iterable[Address], now: datetime, leave: Collection[int] = ()
) -> list[Suppression]:
    """Addresses `to`, saved, took the place of `former` of the same contacts and kinds. `leave` names the blocks, by
    id, that are not to hold there; return those of them that stand at `former`."""
    kept: dict[tuple[int, str], list[str]] = defaultdict(list)
    for old in former:
        kept[old.contact_id, old.kind].append(match_key(old.value))
    blocks: dict[str, list[Suppression]] = defaultdict(list)
    for block in ours_at({key for keys in kept.values() for key in keys}, now):
        blocks[block.match_key].append(block)
    if not blocks:
        return []
    pairs = [
        (block, new)
        for new in to
        for key in kept[new.contact_id, new.kind]
        if key != match_key(new.value)
        for block in blocks[key]
    ]
    extend((block, new) for block, new in pairs if block.pk not in leave)
    return list({block.pk: block for block, _ in pairs if block.pk in leave}.values())


def words(block: Suppression) -> str:
    """What it says in a sentence: on which channels, by whom and when, and their words."""
    where = Channel(block.channel).in_sentence if block.channel else "every channel"
    who = "an import" if block.origin == Suppression.Origin.IMPORT else "a colleague"
    if block.created_by:
        who = block.created_by.display_name
    said = f": “{block.evidence}”" if block.evidence else ""
    return f"{where}, by {who} on {day(block.created_at)}{said}."
