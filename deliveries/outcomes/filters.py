"""What a reader narrows a list of outcomes to. A query string is a form: checked, put in words, made canonical.

A form, read once, yields an `OutcomeView`: the page, its fragments, its export and a bulk action all go by that value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from campaigns.steps import RecipientState
from contacts.channels import Channel
from contacts.models import ContactList
from contacts.searching import FEWEST, clean, partly
from deliveries.ledger.failure_index import DISPOSITIONS, STATUSES
from deliveries.models import Message, QueueEntry
from deliveries.outcomes import by_person, recent
from deliveries.statuses import BUCKETS, Queue, Status

PERIODS = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("Last 24 hours", timedelta(hours=24)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
TODAY = "today"
NOBODY = "-"  # the choice for "no carrier", "no list": '' already means "any"
ME = "me"
UNOWNED = "nobody"
CANCELED = Status.CANCELED.value
# What a pill says, and the disposition it stands for; what was canceled before it left has none.
# `unknown` and `canceled` are statuses as well: what the pill says wins.
DISPOSITION_OF = {**{bucket: disposition.value for disposition, bucket in BUCKETS.items()}, CANCELED: ""}
RESULTS = [*((bucket, disposition.label) for disposition, bucket in BUCKETS.items()), (CANCELED, "Canceled")]
STATUSES_TOO = [(status.value, status.label) for status in Status if status not in DISPOSITION_OF]
STATUS_CHOICES = [("", "Any"), ("Result", RESULTS), ("Status", STATUSES_TOO)]
_PILLS = {label for _, label in RESULTS}
# A status that has the name of a pill would only be a second entry of that name.
OFFERED = [
    ("", "Any"),
    ("Result", RESULTS),
    ("In detail", [one for one in STATUSES_TOO if one[1] not in _PILLS]),
]


# Where people stand in a campaign, in the words of its report. Whoever was skipped got no message, and is listed apart.
PERSON_CHOICES = [
    (RecipientState.REACHED.value, "Reached"),
    (RecipientState.FAILED.value, "Not reached"),
    (RecipientState.OPEN.value, "Open"),
    (RecipientState.UNKNOWN.value, "Unknown"),
    (RecipientState.PLANNED.value, "Not begun"),
]


DAYS_CHOICES = [(str(days), f"Last {days} days (UTC)") for days in recent.DAYS]


class OutcomeFilter(forms.Form):
    """Every way to narrow a list of outcomes. Parameters that are not fields are ignored.

    `carriers`, `sources` ([(id, name)]) and `codes` only fill the selects: a value they do not list still counts,
    so that a link goes on working after the last row with that carrier has left.
    """

    s = forms.CharField(label="Search", required=False, max_length=100)
    # One row for each person, their last message. Set by the numbers of people; taken off by its chip.
    person = forms.ChoiceField(
        label="People", required=False, choices=[("", "Any"), *PERSON_CHOICES], widget=forms.HiddenInput
    )
    # The same for what they did.
    engaged = forms.ChoiceField(
        label="Did", required=False, choices=[("", "Any"), *by_person.ENGAGED], widget=forms.HiddenInput
    )
    # The last UTC days, as the overview counts them. Set by its numbers.
    days = forms.ChoiceField(
        label="Days", required=False, choices=[("", "Any"), *DAYS_CHOICES], widget=forms.HiddenInput
    )
    status = forms.ChoiceField(label="Status", required=False, choices=STATUS_CHOICES)
    channel = forms.ChoiceField(label="Channel", required=False, choices=[("", "Any"), *Channel.choices])
    carrier = forms.CharField(label="Carrier", required=False, max_length=60)
    source = forms.CharField(label="List source", required=False, max_length=19)
    code = forms.CharField(label="Error code", required=False, max_length=64)
    updated = forms.ChoiceField(
        label="Updated",
        required=False,
        choices=[("", "Any time"), (TODAY, "Today"), *((key, words) for key, (words, _) in PERIODS.items())],
    )

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        carriers: Iterable[str] = (),
        sources: Iterable[tuple[int, str]] = (),
        codes: Iterable[str] = (),
    ) -> None:
        super().__init__(data or {}, auto_id="filter-%s")
        self.fields["status"].widget.choices = self._offered_statuses()
        self.names = {str(pk): name for pk, name in sources} | {NOBODY: "No list"}
        self._offer("carrier", [(one or NOBODY, one or "Not reported") for one in carriers])
        self._offer("source", [(str(pk) if pk else NOBODY, name) for pk, name in sources])
        self._offer("code", [(one or NOBODY, one or "No code") for one in codes])
        self.fields["s"].widget.attrs |= {
            "placeholder": "Name or last digits",
            "autocomplete": "off",
            "type": "search",
        }
        self.fields["s"].widget.attrs["id"] = "s"  # the script's shortcut and the htmx trigger name it

    def _offered_statuses(self) -> list[tuple[str, Any]]:
        """What pills say and what they leave open; and what a link has set, so that it stays set."""
        given = str(self.data.get("status", ""))
        hidden = [one for one in STATUSES_TOO if one[0] == given and one[1] in _PILLS]
        return [*OFFERED, *hidden]

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        given = str(self.data.get(name, ""))[:64]
        if given and given not in dict(choices):
            choices.append((given, given))
        self.fields[name].widget = forms.Select(choices=[("", "Any"), *choices])

    def clean_s(self) -> str:
        text = clean(self.cleaned_data["s"])
        if text and len(text) < FEWEST:
            raise forms.ValidationError(f"Search for at least {FEWEST} letters or digits.")
        return text

    def clean_source(self) -> str:
        value = self.cleaned_data["source"]
        if value and value != NOBODY and not (value.isascii() and value.isdigit()):
            raise forms.ValidationError("That is not a list source. Choose one from the list.")
        return value

    @property
    def can_show(self) -> bool:
        """Whether there is a list to show. A search that is too short yet narrows nothing, and says what it needs."""
        return self.is_valid() or set(self.errors) == {"s"}

    @property
    def needs(self) -> str:
        """What the search needs before it narrows anything."""
        return str(self.errors["s"][0]) if "s" in self.errors else ""

    @property
    def given(self) -> dict[str, str]:
        """The parameters that narrow anything, in the order of the fields. Needs `is_valid()` to have run."""
        return {name: self.cleaned_data[name] for name in self.fields if self.cleaned_data.get(name)}

    @property
    def narrowing(self) -> dict[str, str]:
        """What is set, in words that mean the same whoever reads them: what a selection or an export keeps."""
        return self.given

    def view(self, campaign_id: int | None, queue: str) -> OutcomeView:
        """What a list of this place shows. Needs `is_valid()` or `can_show`; what is not valid narrows nothing.

        `queue` is one of Queue, or '' for every outcome.
        """
        return OutcomeView(campaign_id, queue, self.narrowing)

    @property
    def given_status(self) -> str:
        """The status that is set, for the figures that are filters on it."""
        return str(self.cleaned_data.get("status", "")) if self.is_bound else ""

    def querystring(self, **extra: str) -> str:
        """What is set, then `extra`, without empties: equal views have equal URLs."""
        return urlencode(self.given | {name: value for name, value in extra.items() if value})

    def chips(self) -> list[Chip]:
        """One for each filter that is set, with the query string that lacks it."""
        return [
            Chip(name, str(self.fields[name].label), self.words(name, value), self._without(name))
            for name, value in self.given.items()
            if name != "days"  # said above the list, and chosen there
        ]

    def _without(self, name: str) -> str:
        return urlencode({key: value for key, value in self.given.items() if key != name})

    def words(self, name: str, value: str) -> str:
        """How a person would say `value`."""
        if name == "source":
            return self.names.get(value, f"List {value}")
        if name in ("carrier", "code"):
            return {NOBODY: "Not reported" if name == "carrier" else "No code"}.get(value, value)
        choices = getattr(self.fields[name], "choices", [])
        flat = [pair for one in choices for pair in (one[1] if isinstance(one[1], list) else [one])]
        return str(dict(flat).get(value, value))

    def file_words(self) -> str:
        """What is set, for the name of a file: without what was searched for, which may be somebody's number."""
        chips = self.chips()
        return " ".join(chip.label if chip.name == "s" else f"{chip.label} {chip.words}" for chip in chips)

    def sentence(self) -> str:
        """All filters in one line, for print and for the log of exports."""
        return ", ".join(f"{chip.label.lower()} {chip.words}" for chip in self.chips()) or "no filter"


class QueueFilter(OutcomeFilter):
    """Where people work, rows also have an owner, and those that are snoozed stand aside until their time.

    `me` is the id of the person who reads, for whom `owner=me` means something; a kept selection has none. An
    owner may also be given by id.
    """

    owner = forms.CharField(label="Owner", required=False, max_length=18)
    snoozed = forms.ChoiceField(
        label="Snoozed", required=False, choices=[("", "Hidden"), ("1", "Only these")]
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, me: int | None = None, **offered: Iterable[Any]
    ) -> None:
        super().__init__(data, **offered)
        self.me = me
        self._offer("owner", [(ME, "Me"), (UNOWNED, "Nobody")])

    def clean_owner(self) -> str:
        value = self.cleaned_data["owner"]
        known = value in ("", UNOWNED) or (value == ME and self.me) or (value.isascii() and value.isdigit())
        if not known:
            raise forms.ValidationError("That is not an owner. Choose one from the list.")
        return value

    @property
    def narrowing(self) -> dict[str, str]:
        mine = self.given.get("owner") == ME
        return self.given | ({"owner": str(self.me)} if mine else {})

    def words(self, name: str, value: str) -> str:
        if name == "owner" and value.isdigit():
            owner = User.objects.filter(pk=value).first()
            return owner.display_name if owner else "Somebody who left"
        if name == "owner":
            return {ME: "Me", UNOWNED: "Nobody"}[value]
        return super().words(name, value)


def is_worklist(campaign_id: int | None, queue: str) -> bool:
    """Whether these rows are a list of work: a queue over all campaigns. A campaign's report counts every row."""
    return bool(queue) and campaign_id is None


def filter_of(
    campaign_id: int | None, queue: str, given: Mapping[str, Any], *, me: int | None = None
) -> OutcomeFilter:
    """The form that narrows this list."""
    return QueueFilter(given, me=me) if is_worklist(campaign_id, queue) else OutcomeFilter(given)


@dataclass(frozen=True)
class Chip:
    name: str
    label: str
    words: str
    without: str


@dataclass(frozen=True)
class OutcomeView:
    """Which rows a list shows: of one campaign or of all, of one queue or every outcome, narrowed by filters.

    `filters`: name of a field -> its value as the form has checked it, none of them empty; an owner is an id or
    `UNOWNED`. `OutcomeFilter.view` makes one of a query string, `read_view` of what was kept: whoever is given a view
    checks nothing.
    """

    campaign_id: int | None  # None: of all campaigns
    queue: str = ""  # '': every outcome
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_worklist(self) -> bool:
        return is_worklist(self.campaign_id, self.queue)


class BadFilter(ValueError):
    """Filters that no list page would have accepted."""


def read_view(campaign_id: int | None, queue: str, filters: Mapping[str, Any]) -> OutcomeView:
    """The view that was kept as these. Raises BadFilter, naming each field, for what no list page would have shown."""
    if queue and queue not in Queue.values:
        raise BadFilter(f"There is no queue called {queue!r}.")
    form = filter_of(campaign_id, queue, filters)
    if not form.is_valid():
        raise BadFilter("; ".join(f"{name}: {errors[0]}" for name, errors in form.errors.items()))
    return form.view(campaign_id, queue)


def matching(view: OutcomeView, now: datetime) -> QuerySet[Message]:
    """The messages that a list page shows for `view`; unordered.

    Relative periods count back from `now`: give it the moment of a selection that is kept.
    """
    prefix = "queue_entry__" if view.queue else "failure__" if only_failures(view.filters) else ""
    condition = _place(view, prefix) & _narrowed(view, prefix, now)
    if not prefix and view.filters.get("status") != CANCELED:
        condition &= ~Q(disposition="")  # what was canceled before it left is no outcome: no page counts it
    return Message.objects.filter(condition)


def only_failures(filters: Mapping[str, str]) -> bool:
    """Whether every message that these let through is in the index of failures: then they are looked up there."""
    status, code = filters.get("status", ""), filters.get("code", NOBODY)
    return code != NOBODY or DISPOSITION_OF.get(status) in DISPOSITIONS or status in STATUSES


def entries(view: OutcomeView, now: datetime) -> QuerySet[QueueEntry]:
    """The same rows as queue entries: what the tab of a queue reads."""
    return QueueEntry.objects.filter(_place(view, "") & _narrowed(view, "", now, entries=True))


def _place(view: OutcomeView, prefix: str) -> Q:
    place = Q(**{f"{prefix}queue": view.queue}) if view.queue else Q()
    if view.campaign_id is not None:
        # The entry's own copy where there is one: its index holds campaign, queue and time.
        place &= Q(**{f"{prefix}campaign_id": view.campaign_id})
    return place


def _narrowed(view: OutcomeView, prefix: str, now: datetime, *, entries: bool = False) -> Q:
    found = Q()
    for name, value in view.filters.items():
        if name == "engaged":
            found &= by_person.engaged(value, view.campaign_id, entries=entries)
        elif name != "snoozed":
            found &= _condition(name, value, prefix, now, entries)
    if view.is_worklist:
        found &= _asleep(prefix, now) if view.filters.get("snoozed") else _awake(prefix, now)
    return found


def _asleep(prefix: str, now: datetime) -> Q:
    return Q(**{f"{prefix}snoozed_until__gt": now})


def _awake(prefix: str, now: datetime) -> Q:
    return Q(**{f"{prefix}snoozed_until": None}) | Q(**{f"{prefix}snoozed_until__lte": now})


COLUMNS = {"channel": "channel", "carrier": "carrier", "code": "reason_code"}


def _condition(name: str, value: str, prefix: str, now: datetime, entries: bool) -> Q:
    if name in COLUMNS:
        return Q(**{prefix + COLUMNS[name]: "" if value == NOBODY else value})
    if name == "status":
        return status_condition(value, prefix)
    if name == "days":
        return recent.of_days(int(value), now, "message__" if entries else "")
    if name == "person":
        return by_person.standing(value, entries=entries)
    if name == "source":
        return Q(**{f"{prefix}list_source_id": 0 if value == NOBODY else int(value)})
    if name == "owner":
        return Q(**{f"{prefix}owner_id": None if value == UNOWNED else int(value)})
    if name == "updated":
        time = "at" if entries or prefix else "updated_at"
        return Q(**{f"{prefix}{time}__gte": since(value, now)})
    # The entry's copy of the contact is a plain column, the message's a link: both spell it the same.
    return partly(value, f"{prefix}contact_id")


def status_condition(value: str, prefix: str = "") -> Q:
    if value in DISPOSITION_OF:
        return Q(**{f"{prefix}disposition": DISPOSITION_OF[value]})
    return Q(**{f"{prefix}status": value})


def since(period: str, now: datetime) -> datetime:
    """When the period began; today begins at midnight where the reader is."""
    if period == TODAY:
        return timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    return now - PERIODS[period][1]


def source_names(ids: Iterable[int]) -> list[tuple[int, str]]:
    """(id, name) of these lists by name, 0 last as what it is."""
    ids = set(ids)
    named = list(ContactList.objects.filter(pk__in=ids).order_by("name").values_list("pk", "name"))
    return named + ([(0, "No list")] if 0 in ids else [])
