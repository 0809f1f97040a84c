"""The list of suppressions: narrowed by a query string, a page at a time, and as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format

from accounts.zones import zone_name
from contacts import searching
from contacts.blocking import closes
from contacts.channels import Channel
from contacts.models import Contact, Suppression
from contacts.phones import concealed, grouped, mask
from contacts.strength import lifter
from contacts.suppression_lists import STATES, BlockState, find_holders, in_state, named, state_of
from contacts.suppression_trend import monday_of, week_bounds
from dashboard.exports import BOM, CHUNK, Echo, local, safe, utc
from deliveries.outcomes.counting import Count, counted
from deliveries.outcomes.filters import Chip
from deliveries.outcomes.keyset import Page, page

SIZE = 50
EVERY = "every"  # the channel of what blocks every one
ANY = ("", "Any")
Reason, Scope = Suppression.Reason, Suppression.Scope
# The colour of a reason, and of a state.
BUCKETS = {
    Reason.STOP: "optout",
    Reason.ASKED: "optout",
    Reason.COMPLAINT: "compliance",
    Reason.LEGAL: "compliance",
    Reason.REGISTER: "compliance",
    Reason.LITIGATOR: "compliance",
    Reason.HARD_BOUNCE: "permanent",
    Reason.HARD_FAILS: "permanent",
    Reason.UNREACHABLE: "retryable",
    Reason.STAFF: "unknown",
    Reason.IMPORTED: "unknown",
}
STATE_BUCKETS = {
    BlockState.BLOCKING: "permanent",
    BlockState.RELEASED: "success",
    BlockState.EXPIRED: "unknown",
}


class SuppressionFilter(forms.Form):
    """What a reader narrows the list to. Parameters that are not fields are ignored."""

    s = forms.CharField(label="Search", required=False, max_length=searching.LONGEST)
    channel = forms.ChoiceField(
        label="Channel", required=False, choices=[ANY, (EVERY, "Every channel"), *Channel.choices]
    )
    scope = forms.ChoiceField(label="Scope", required=False, choices=[ANY, *Suppression.Scope.choices])
    reason = forms.ChoiceField(label="Reason", required=False, choices=[ANY, *Reason.choices])
    origin = forms.ChoiceField(label="Origin", required=False, choices=[ANY, *Suppression.Origin.choices])
    state = forms.ChoiceField(label="State", required=False, choices=[ANY, *STATES])
    week = forms.DateField(
        label="Week from", required=False, widget=forms.HiddenInput
    )  # of the table by week

    def __init__(self, data: Mapping[str, Any]) -> None:
        super().__init__(data, auto_id="filter-%s")
        self.fields["s"].widget.attrs |= {
            "id": "s", "type": "search", "placeholder": "Number, email or ID", "autocomplete": "off",
        }  # fmt: skip

    def clean_week(self) -> str:
        """The Monday of the week, in ISO form; '' for none."""
        day = self.cleaned_data["week"]
        if day and not 1970 <= day.year <= 9_000:
            raise forms.ValidationError("Give a year in four digits, such as 2026.")
        return str(monday_of(day)) if day else ""

    @property
    def given(self) -> dict[str, str]:
        """What narrows anything, in the order of the fields. Needs `is_valid()` to have run."""
        return {name: self.cleaned_data[name] for name in self.fields if self.cleaned_data.get(name)}

    def querystring(self, without: str = "", **extra: str) -> str:
        kept = {name: value for name, value in self.given.items() if name != without}
        return urlencode(kept | extra)

    def chips(self) -> list[Chip]:
        return [
            Chip(name, str(self.fields[name].label), self._words(name, value), self.querystring(name))
            for name, value in self.given.items()
        ]

    def _words(self, name: str, value: str) -> str:
        if name == "week":
            return date_format(date.fromisoformat(value), "j M Y")
        return str(dict(getattr(self.fields[name], "choices", [])).get(value, value))

    def rows(self, now: datetime) -> QuerySet[Suppression]:
        found = Suppression.objects.select_related("contact", "created_by", "released_by")
        given = self.given
        for name in ("scope", "reason", "origin"):
            if given.get(name):
                found = found.filter(**{name: given[name]})
        if given.get("scope", Scope.EVERYTHING) != Scope.EVERYTHING:
            found = found.exclude(scope=Scope.EVERYTHING)  # as the index says it: SQLite uses it only so
        if channel := given.get("channel"):
            found = found.filter(channel="" if channel == EVERY else channel)
        if week := given.get("week"):
            start, end = week_bounds(date.fromisoformat(week), timezone.get_current_timezone())
            found = found.filter(created_at__gte=start, created_at__lt=end)
        if text := given.get("s"):
            found = found.filter(named(text))
        return found.filter(in_state(given.get("state", ""), now))


@dataclass(frozen=True)
class SuppressionRow:
    """One suppression as a reader sees it. `holder`: whose it is, the first of several, and how many others."""

    row: Suppression
    address: str
    holder: Contact | None
    others: int
    closes: str
    state: BlockState
    scope: str  # in words, '' where it holds for everything

    @property
    def bucket(self) -> str:
        return BUCKETS[Reason(self.row.reason)]

    @property
    def state_bucket(self) -> str:
        return STATE_BUCKETS[self.state]

    @property
    def source(self) -> str:
        """Whose wish it is, and the colleague who entered it."""
        colleague = self.row.created_by
        return f"{self.row.get_origin_display()}{f', {colleague.display_name}' if colleague else ''}"

    @property
    def lifter(self) -> str:
        return str(lifter(self.row).label)


def shown(rows: Sequence[Suppression], now: datetime, *, full: bool) -> list[SuppressionRow]:
    """With whoever has the addresses: two queries. Addresses are whole only in `full`."""
    find_holders(rows)
    return [
        SuppressionRow(
            row=row,
            address=whole_or_masked(row.value, full=full),
            holder=holder[0] if (holder := row.holder) else None,  # type: ignore[attr-defined]
            others=holder[1] if holder else 0,
            closes=closes(row),
            state=state_of(row, now),
            scope=scope_words(row),
        )
        for row in rows
    ]


def whole_or_masked(value: str, *, full: bool) -> str:
    if not value:
        return "The whole contact"
    return grouped(value) if full else mask(value)


def scope_words(row: Suppression) -> str:
    """What it holds for where that is not everything we send."""
    if row.scope == Suppression.Scope.EVERYTHING:
        return ""
    what = "sender" if row.scope == Suppression.Scope.SENDER else "brand"
    return f"Only {what} {row.scope_value}".strip()


@dataclass(frozen=True)
class SuppressionPage:
    """One page of the list. `form` says what is wrong where it could not be read."""

    form: SuppressionFilter
    page: Page
    rows: list[SuppressionRow]
    count: Count
    valid: bool

    @property
    def chips(self) -> list[Chip]:
        return self.form.chips() if self.valid else []

    @property
    def next_url(self) -> str:
        return f"?{self.form.querystring(after=self.page.after)}" if self.page.after else ""

    @property
    def first_url(self) -> str:
        return "" if self.page.first else f"?{self.form.querystring()}"

    @property
    def query(self) -> str:
        """What narrows it, as the export takes it."""
        return self.form.querystring() if self.valid else ""


def suppression_page(given: Mapping[str, Any], now: datetime, *, full: bool) -> SuppressionPage:
    """Five queries whatever is found."""
    form = SuppressionFilter(given)
    if not form.is_valid():
        return SuppressionPage(form, Page([]), [], Count(0), valid=False)
    rows = form.rows(now)
    found = page(rows, SIZE, str(given.get("after", "")), at="created_at")
    return SuppressionPage(form, found, shown(found.rows, now, full=full), counted(rows), valid=True)


# ---- As a file -------------------------------------------------------------------------------------------------

COLUMNS = (
    "suppression", "address", "contact_id", "contact", "contacts_with_it", "closes", "channel", "scope", "scope_value",
    "reason", "ground", "origin", "state", "evidence", "added_by", "can_be_lifted", "since_utc", "ends_utc",
    "released_utc", "released_by", "release_note", "since_local", "time_zone",
)  # fmt: skip


def lines(rows: QuerySet[Suppression], now: datetime, *, full: bool) -> Iterator[str]:
    """CSV lines, header first, newest first. Addresses, also within words, are whole only in `full`."""
    writer, zone = csv.writer(Echo()), zone_name()
    yield BOM + writer.writerow(COLUMNS)
    found = rows.order_by("-created_at", "-id").iterator(chunk_size=CHUNK)
    while chunk := list(islice(found, CHUNK)):
        for one in shown(chunk, now, full=full):
            yield writer.writerow([safe(cell) for cell in [*_cells(one, full=full), zone]])


def _cells(one: SuppressionRow, *, full: bool) -> list[Any]:
    row = one.row
    evidence, note = (text if full else concealed(text) for text in (row.evidence, row.release_note))
    address = (row.value if full else mask(row.value)) if row.value else ""
    return [
        row.pk, address, one.holder.pk if one.holder else "", str(one.holder) if one.holder else "",
        one.others + 1 if one.holder else 0, one.closes, row.channel, row.scope, row.scope_value,
        row.get_reason_display(), row.ground, row.get_origin_display(), one.state.label, evidence,
        row.created_by.display_name if row.created_by else "", one.lifter, utc(row.created_at), utc(row.expires_at),
        utc(row.released_at), row.released_by.display_name if row.released_by else "", note, local(row.created_at),
    ]  # fmt: skip
