"""What a text will cost before it is sent: the SMS segments that its readers' own words make of it."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import QuerySet

from campaigns.merging import fields, merge, values_of
from campaigns.segments import outside, segments
from contacts.models import Contact

WRITTEN_OUT = 12  # letters in place of a merge field while nobody is on the lists


class Estimate(NamedTuple):
    """SMS segments for one person: from `least` to `most`, judged by some of them.

    `special` are the characters of the text, up to ten, for which all of it needs shorter segments.
    """

    least: int
    most: int
    special: str

    def of(self, messages: int) -> str:
        """The segments of so many messages, in words: "40 to 80 segments"."""
        least, most = self.least * messages, self.most * messages
        words = f"{most:,} segment{'' if most == 1 else 's'}"
        return words if least == most else f"{least:,} to {words}"


def estimate(body: str, contacts: QuerySet[Contact]) -> Estimate:
    """How many segments `body` makes for these contacts; one query, none for a text without merge fields."""
    special = outside(merge(body, {}))[:10]
    names = fields(body)
    if not names:
        count = segments(body)
        return Estimate(count, count, special)
    readers = [values_of(contact) for contact in contacts.only("name", "attributes")]
    counts = [
        segments(merge(body, values)) for values in readers or [dict.fromkeys(names, "x" * WRITTEN_OUT)]
    ]
    return Estimate(min(counts), max(counts), special)
