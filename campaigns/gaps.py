"""A draft judged by the first people on its lists: who they are, and which merge fields they have nothing for."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from campaigns import merging
from campaigns.models import Campaign
from contacts.models import Contact

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


def gaps(campaign: Campaign, contacts: QuerySet[Contact], *, partly: bool = False) -> list[Gap]:
    """Merge fields of what it says that not all of these contacts have, the first whom it means.

    `partly`: there are more.
    """
    contents = list(campaign.contents.all())
    texts, pages = (f"{one.subject} {one.body}" for one in contents), (one.html for one in contents)
    names = list(dict.fromkeys([*merging.fields(" ".join(texts)), *merging.html_fields(" ".join(pages))]))
    if not names:
        return []
    size = contacts.count()
    found = merging.lacking(contacts, names)
    return [Gap(name, lacking, size, partly) for name, lacking in found.items() if lacking]
