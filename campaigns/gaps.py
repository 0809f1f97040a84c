"""A draft judged by the first people on its lists: who they are, and which merge fields they have nothing for."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from campaigns import merging
from campaigns.models import Campaign
from contacts.models import Contact, ListMembership

# Contacts that are asked for their merge fields: of a million it would take seconds, for a page.
ASKED = 50_000


@dataclass(frozen=True)
class Gap:
    """A merge field that `lacking` of the `asked` contacts have nothing to put in place of; `partly` when there are
    more contacts than were asked."""

    field: str
    lacking: int
    asked: int
    partly: bool = False

    @property
    def whole(self) -> bool:
        """Nobody has it: more likely a slip than meant."""
        return self.lacking == self.asked and not self.partly


def gaps(campaign: Campaign) -> list[Gap]:
    """Merge fields of what it says that not everybody on its lists has, judged by the first of them."""
    names = merging.fields(" ".join(f"{one.subject} {one.body}" for one in campaign.contents.all()))
    if not names:
        return []
    contacts = first_contacts(campaign)
    size = contacts.count()
    found = merging.lacking(contacts, names)
    return [Gap(name, lacking, size, size == ASKED) for name, lacking in found.items() if lacking]


def first_contacts(campaign: Campaign) -> QuerySet[Contact]:
    """Those of its lists by whom a draft is judged: all of them, or as many as are looked at in a moment."""
    members = ListMembership.objects.filter(contact_list__in=campaign.lists.all()).order_by("contact_id")
    return Contact.objects.filter(pk__in=members.values("contact_id").distinct()[:ASKED])
