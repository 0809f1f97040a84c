"""What filters of outcomes can be set to, and what those choices are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django import forms
from django.db.models import Model

from campaigns.models import Campaign, Segment, Sender
from campaigns.steps import RecipientState
from contacts.models import ContactList
from deliveries.models import Account
from deliveries.outcomes import recent
from deliveries.outcomes.narrowing import CANCELED, DISPOSITION_OF, SKIPPED
from deliveries.statuses import BUCKETS, Status

RESULTS = [*((bucket, disposition.label) for disposition, bucket in BUCKETS.items()), (CANCELED, "Canceled")]
STATUSES_TOO = [(status.value, status.label) for status in Status if status not in DISPOSITION_OF]
STATUS_CHOICES = [("", "Any"), ("Result", RESULTS), ("Status", STATUSES_TOO)]
PILLS = {label for _, label in RESULTS}
# A status that has the name of a pill would only be a second entry of that name.
OFFERED = [
    ("", "Any"),
    ("Result", RESULTS),
    ("In detail", [one for one in STATUSES_TOO if one[1] not in PILLS]),
]


# Where people stand in a campaign, in the words of its report, those to act on first. Whoever was skipped got no
# message: `SkippedFilter` narrows those.
PERSON_CHOICES = [
    (RecipientState.FAILED.value, "Not reached"),
    (RecipientState.UNKNOWN.value, "Unknown"),
    (RecipientState.OPEN.value, "Open"),
    (RecipientState.PLANNED.value, "Not begun"),
    (SKIPPED, "Skipped"),
    (RecipientState.REACHED.value, "Reached"),
]


DAYS_CHOICES = [(str(days), f"Last {days} days (UTC)") for days in recent.DAYS]


class Offer(NamedTuple):
    """A choice of a filter, and how many messages it has where that is known."""

    value: str
    words: str
    n: int | None = None

    @property
    def label(self) -> str:
        return self.words if self.n is None else f"{self.words} ({self.n:,})"


Offered = Mapping[str, Iterable[Offer]]
NAMELESS = {"carrier": "Not reported", "region": "Not known", "code": "No code", "source": "No list"}
# Names in the typed shorthand, looked up where the page does not offer them: the table, and the column of the name.
NAMED: dict[str, tuple[type[Model], str]] = {
    "source": (ContactList, "name"),
    "sender": (Sender, "value"),
    "account": (Account, "name"),
    "segment": (Segment, "name"),
    "campaign": (Campaign, "name"),
}
FEWEST_OFFERED = 2  # values of a further filter; with fewer it is not shown
WHOLE_NUMBERS = (*NAMED, "version", "attempt", "segments")  # the filters whose values are such
# Whose choices the page knows: those of its rows.
OFFERED_BY_PAGE = (*NAMED, "version", "attempt", "carrier", "code", "region", "link", "skip", "owner")


def day(label: str) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date", "class": "date"}, format="%Y-%m-%d")
    wrong = "Give a day, such as 2026-11-30."
    return forms.DateField(label=label, required=False, widget=widget, error_messages={"invalid": wrong})


def source_names(ids: Iterable[int]) -> list[tuple[int, str]]:
    """(id, name) of these lists by name, 0 last as what it is."""
    ids = set(ids)
    named = list(ContactList.objects.filter(pk__in=ids).order_by("name").values_list("pk", "name"))
    return named + ([(0, "No list")] if 0 in ids else [])
