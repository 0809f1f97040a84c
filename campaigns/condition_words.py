"""Whom a campaign or a saved segment means, as a sentence."""

from __future__ import annotations

from collections.abc import Collection

from campaigns import conditions
from campaigns.conditions import Conditions, Names, sentence
from campaigns.models import Campaign, Segment
from contacts.models import ContactImport, ContactList


def names_of(meant: Conditions, lists: Collection[int] = ()) -> Names:
    """What the ids that it holds are called. A query each for lists, files and campaigns, where there are any."""
    return Names(
        dict(ContactList.objects.filter(pk__in=meant.lists | set(lists)).values_list("pk", "name")),
        dict(ContactImport.objects.filter(pk__in=meant.ids("imports")).values_list("pk", "file_name")),
        dict(Campaign.objects.filter(pk__in=meant.ids("campaign")).values_list("pk", "name")),
    )


def described(meant: Conditions, lists: Collection[int]) -> str:
    """“People on “Clinic” who came from “Web”. Left out: whoever is on “Staff”.”"""
    if not meant.everybody and not lists:
        return "Nobody yet: choose a list, or all contacts with a condition."
    names = names_of(meant, lists)
    whole = "All contacts" if meant.everybody else f"People on {names.list_names(lists)}"
    those = [sentence(one, names) for one in meant.narrowed]
    said = [f"{whole} who {' and '.join(those)}." if those else f"{whole}."]
    if meant.excluded:
        said.append(f"Left out: whoever is on {names.list_names(meant.excluded)}.")
    if meant.hold_out:
        said.append(f"Of those who could be written to, {meant.hold_out}% are held out to compare with.")
    return " ".join(said)


def is_named(contact_list: int) -> bool:
    """Whether a condition of a campaign or a segment names the list, or leaves it out."""
    found = (row for kind in (Campaign, Segment) for row in kind.objects.exclude(conditions={}))
    return any(contact_list in conditions.of(one.conditions).lists for one in found)
