"""What a reader narrows a list of outcomes to. A query string is a form: checked, put in words, made canonical.

A form, read once, yields an `OutcomeView`: the page, its fragments, its export and a bulk action all go by that value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.utils.formats import date_format

from accounts.models import User
from campaigns.models import Priority
from contacts.channels import Channel
from contacts.jurisdictions import Purpose
from contacts.models import Contact
from contacts.searching import FEWEST, clean
from deliveries.outcomes import by_person
from deliveries.outcomes.cause_fields import CauseFields
from deliveries.outcomes.filter_choices import (
    DAYS_CHOICES,
    FEWEST_OFFERED,
    NAMED,
    NAMELESS,
    OFFERED,
    OFFERED_BY_PAGE,
    PERSON_CHOICES,
    PILLS,
    STATUS_CHOICES,
    STATUSES_TOO,
    WHOLE_NUMBERS,
    Offer,
    Offered,
    day,
)
from deliveries.outcomes.keyset import read_id
from deliveries.outcomes.narrowing import (
    ME,
    NOBODY,
    PERIODS,
    SKIPPED,
    TODAY,
    UNOWNED,
    OutcomeView,
    is_worklist,
)
from deliveries.outcomes.shorthand import EXAMPLE, meant, typed
from deliveries.outcomes.skipped_people import why
from deliveries.statuses import Evidence, FailureClass, Queue


class OutcomeFilter(CauseFields):
    """Every way to narrow a list of outcomes. Parameters that are not fields are ignored.

    `offered` only fills the selects: a value they do not list still counts, so that a link goes on working after the
    last row with that carrier has left. What is typed as shorthand into the search box is set as if it was chosen.
    """

    ONLY: ClassVar[tuple[str, ...]] = ()  # the fields that a form like this has; () for all
    # The others stand behind a button.
    MAIN: ClassVar[tuple[str, ...]] = ("s", "status", "channel", "carrier", "source", "code", "updated")

    s = forms.CharField(label="Search", required=False, max_length=200)
    # One row for each person, their last message: the tabs of people.
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
    failure = forms.ChoiceField(
        label="Failure class", required=False, choices=[("", "Any"), *FailureClass.choices]
    )
    region = forms.CharField(label="Region", required=False, max_length=8)
    sender = forms.CharField(label="Sender", required=False, max_length=19)
    account = forms.CharField(label="Account", required=False, max_length=19)
    version = forms.CharField(label="Wording", required=False, max_length=5)
    link = forms.CharField(label="Link to", required=False, max_length=253)
    attempt = forms.CharField(label="Attempt", required=False, max_length=4)
    evidence = forms.ChoiceField(label="Evidence", required=False, choices=[("", "Any"), *Evidence.choices])
    priority = forms.ChoiceField(label="Priority", required=False, choices=[("", "Any"), *Priority.choices])
    stage = forms.ChoiceField(
        label="Lifecycle stage",
        required=False,
        choices=[("", "Any"), *Contact.Stage.choices, (NOBODY, "None")],
    )
    since = day("Made from (UTC)")
    until = day("to")

    def __init__(self, data: Mapping[str, Any] | None = None, *, offered: Offered | None = None) -> None:
        data = dict(data or {})
        found, rest = typed(str(data.get("s", "")), set(self.base_fields) - {"s"})
        super().__init__({**data, "s": rest} if found else data, auto_id="filter-%s")
        if self.ONLY:
            self.fields = {name: self.fields[name] for name in self.ONLY}
        self.names: dict[str, dict[str, str]] = {}
        self.not_meant: list[str] = []  # of what was typed, in sentences
        for name in self.fields:
            if name in OFFERED_BY_PAGE:
                self._offer(name, list((offered or {}).get(name, ())))
        self._set(found)
        if "status" in self.fields:
            self.fields["status"].widget.choices = self._offered_statuses()
        self.fields["s"].widget.attrs |= {
            "placeholder": "Name or last digits",
            "autocomplete": "off",
            "type": "search",
        }
        self.fields["s"].widget.attrs["id"] = "s"  # the script's shortcut and the htmx trigger name it

    def _set(self, found: Mapping[str, str]) -> None:
        """What was typed as shorthand, as if it was chosen."""
        for name, written in found.items():
            if name not in self.fields:
                self.not_meant.append(f"“{name}:” narrows messages, and these people got none.")
                continue
            values = self._meant(name, written)
            if len(values) == 1:
                self.data = {**self.data, name: values[0]}
                if name in OFFERED_BY_PAGE:
                    self._keep(name)
            elif values:
                self.not_meant.append(f"“{name}:{written}” could be several: write more of it.")
            else:
                self.not_meant.append(f"“{name}:{written}” is nothing that {name} can be.")

    def _meant(self, name: str, written: str) -> list[str]:
        if name in ("since", "until"):
            return [written]
        choices = [*self.names.get(name, {}).items(), *self._choices(name)]
        if found := meant(written, choices):
            return found
        if name not in NAMED:
            return [written] if name in OFFERED_BY_PAGE else []
        table, column = NAMED[name]
        rows = table._default_manager.filter(**{f"{column}__icontains": written}).values_list("pk", column)
        return meant(written, [(str(pk), words) for pk, words in rows[:50]]) or [
            str(pk) for pk, _ in rows[:2]
        ]

    def _choices(self, name: str) -> list[tuple[str, str]]:
        """The fixed choices of a field, those in groups too."""
        flat: list[tuple[str, str]] = []
        for value, words in getattr(self.fields[name], "choices", []):
            flat += [
                (str(one), str(label))
                for one, label in (words if isinstance(words, list) else [(value, words)])
            ]
        return flat

    def _offered_statuses(self) -> list[tuple[str, Any]]:
        """What pills say and what they leave open; and what a link has set, so that it stays set."""
        given = str(self.data.get("status", ""))
        hidden = [one for one in STATUSES_TOO if one[0] == given and one[1] in PILLS]
        return [*OFFERED, *hidden]

    def _offer(self, name: str, choices: list[Offer]) -> None:
        self.names[name] = {one.value: one.words for one in choices}
        if len(choices) < FEWEST_OFFERED and name not in self.MAIN and not self.data.get(name):
            self.fields[
                name
            ].widget = forms.HiddenInput()  # all have the same: nothing to choose, but typed it counts
            return
        self.fields[name].widget = forms.Select(
            choices=[("", "Any"), *((one.value, one.label) for one in choices)]
        )
        self._keep(name)

    def _keep(self, name: str) -> None:
        """A value that is not offered stays set."""
        given, widget = str(self.data.get(name, ""))[:253], self.fields[name].widget
        if given and isinstance(widget, forms.Select) and given not in {value for value, _ in widget.choices}:
            widget.choices = [*widget.choices, (given, self.words(name, given))]

    def clean_s(self) -> str:
        if self.not_meant:
            raise forms.ValidationError(" ".join(self.not_meant))
        text = clean(self.cleaned_data["s"])
        if text and len(text) < FEWEST:
            raise forms.ValidationError(f"Search for at least {FEWEST} letters or digits.")
        return text

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in WHOLE_NUMBERS:
            value = data.get(name) or "0"
            if read_id(value) is None and (name, value) != ("source", NOBODY):
                label = str(self.fields[name].label).lower()
                self.add_error(name, f"That is not one of its values: choose the {label} from the list.")
        for name in ("since", "until"):
            one = data.get(name)
            if one and not 1970 <= one.year <= 9_000:
                self.add_error(name, "Give a year in four digits, such as 2026.")
        if data.get("since") and data.get("until") and data["until"] < data["since"]:
            self.add_error("until", "This is before the first day: give a later one.")
        return data

    @property
    def order(self) -> str:
        """The order of parameters in an address: equal views have equal ones."""
        return ",".join(["queue", *self.fields, "show"])

    @property
    def more_names(self) -> list[str]:
        """The fields that stand behind "More filters"."""
        return [
            name for name, one in self.fields.items() if name not in self.MAIN and not one.widget.is_hidden
        ]

    @property
    def example(self) -> str:
        return EXAMPLE

    @property
    def more_set(self) -> int:
        """How many of those are set."""
        return sum(bool(self.data.get(name)) for name in self.more_names)

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
        return {name: str(self.cleaned_data[name]) for name in self.fields if self.cleaned_data.get(name)}

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

    def replaced(self, **changes: str) -> str:
        """The query string with these instead; '' takes one off. In the order of the fields, as every other."""
        given = {**self.given, **changes}
        order = [*self.fields, *(name for name in changes if name not in self.fields)]
        return urlencode({name: given[name] for name in order if given.get(name)})

    def chips(self) -> list[Chip]:
        """One for each filter that is set, with the query string that lacks it."""
        return [
            Chip(name, str(self.fields[name].label), self.words(name, value), self.replaced(**{name: ""}))
            for name, value in self.given.items()
            if name != "days"  # said above the list, and chosen there
        ]

    def words(self, name: str, value: str) -> str:
        """How a person would say `value`."""
        if value == NOBODY and name in NAMELESS:
            return NAMELESS[name]
        if name in self.names:
            label = str(self.fields[name].label)
            return self.names[name].get(value, f"{label} {value}" if name in WHOLE_NUMBERS else value)
        if name in ("since", "until"):
            return date_format(date.fromisoformat(value), "j M Y")
        return dict(self._choices(name)).get(value, value)

    def file_words(self) -> str:
        """What is set, for the name of a file: without what was searched for, which may be somebody's number."""
        chips = self.chips()
        return " ".join(chip.label if chip.name == "s" else f"{chip.label} {chip.words}" for chip in chips)

    def sentence(self) -> str:
        """All filters in one line, for print and for the log of exports."""
        return ", ".join(f"{chip.label.lower()} {chip.words}" for chip in self.chips()) or "no filter"


class SkippedFilter(OutcomeFilter):
    """What narrows the people whom a campaign skipped: nothing that only a message could answer."""

    ONLY = ("s", "person", "skip", "source", "stage")
    MAIN = ("s", "skip", "source", "stage")

    skip = forms.CharField(label="Why", required=False, max_length=24)

    def words(self, name: str, value: str) -> str:
        return why(value).capitalize() if name == "skip" else super().words(name, value)


class QueueFilter(OutcomeFilter):
    """Where people work, rows also have an owner, and those that are snoozed stand aside until their time.

    `me` is the id of the person who reads, for whom `owner=me` means something; a kept selection has none. An
    owner may also be given by id.
    """

    MAIN = (*OutcomeFilter.MAIN, "owner", "snoozed")

    campaign = forms.CharField(label="Campaign", required=False, max_length=19)
    purpose = forms.ChoiceField(
        label="Campaign type",
        required=False,
        choices=[("", "Any"), *((one.value, one.name.title()) for one in Purpose)],
    )
    segment = forms.CharField(label="Segment of the campaign", required=False, max_length=19)
    owner = forms.CharField(label="Owner", required=False, max_length=18)
    snoozed = forms.ChoiceField(
        label="Snoozed", required=False, choices=[("", "Hidden"), ("1", "Only these")]
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, me: int | None = None, offered: Offered | None = None
    ) -> None:
        self.me = me
        owners = [Offer(ME, "Me"), Offer(UNOWNED, "Nobody")]
        super().__init__(data, offered={**(offered or {}), "owner": owners})

    def clean_owner(self) -> str:
        value = self.cleaned_data["owner"]
        known = value in ("", UNOWNED) or (value == ME and self.me) or read_id(value) is not None
        if not known:
            raise forms.ValidationError("That is not an owner. Choose one from the list.")
        return value

    @property
    def narrowing(self) -> dict[str, str]:
        mine = self.given.get("owner") == ME
        return self.given | ({"owner": str(self.me)} if mine else {})

    def words(self, name: str, value: str) -> str:
        if name == "owner" and read_id(value) is not None:
            owner = User.objects.filter(pk=value).first()
            return owner.display_name if owner else "Somebody who left"
        if name == "owner":
            return {ME: "Me", UNOWNED: "Nobody"}.get(value, value)
        return super().words(name, value)


def filter_of(
    campaign_id: int | None, queue: str, given: Mapping[str, Any], *, me: int | None = None
) -> OutcomeFilter:
    """The form that narrows this list."""
    if is_worklist(campaign_id, queue):
        return QueueFilter(given, me=me)
    narrows_skipped = given.get("person") == SKIPPED and not queue
    return SkippedFilter(given) if narrows_skipped else OutcomeFilter(given)


@dataclass(frozen=True)
class Chip:
    name: str
    label: str
    words: str
    without: str


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
