"""The table of contacts, and the search in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from contacts.asking_members import ANSWERS
from contacts.channels import Channel
from contacts.consent_ledger import LatestConsent
from contacts.models import ContactImport, ContactList, DoubleOptIn
from contacts.searching import FEWEST, alike, clean
from dashboard.charts import SHORT
from dashboard.contacts.addresses import shown_addresses
from dashboard.shell.pages import fragment, may_see
from deliveries.ledger.source_figures import Ever
from deliveries.models import Message
from deliveries.outcomes.finding import LIMIT, find
from deliveries.outcomes.keyset import LARGEST_ID, read_id
from deliveries.outcomes.people import (
    NOT_WRITTEN_TO,
    NOTHING_SAID,
    OPTED_IN,
    OPTED_OUT,
    PeopleFilter,
    PersonRow,
    among,
    people,
    rows,
)
from deliveries.outcomes.rows import bucket_of
from deliveries.statuses import BUCKETS
from deliveries.wording import listed, wording

NAMED = {one: SHORT.get(one, str(one.label)) for one in Channel}
SAYS = {OPTED_IN: "opted in", OPTED_OUT: "opted out", NOTHING_SAID: "nothing said"}


class PeopleForm(forms.Form):
    """How the table is narrowed. What it does not know, such as a list that is gone, is a fault in words."""

    list = forms.ChoiceField(label="List", required=False)
    source = forms.ChoiceField(label="List source", required=False)
    consent = forms.ChoiceField(
        label="Consent",
        required=False,
        choices=[
            ("", "Any"),
            *(
                (name, [(f"{one.value}-{key}", f"{name}: {words}") for key, words in SAYS.items()])
                for one, name in NAMED.items()
            ),
        ],
    )
    result = forms.ChoiceField(
        label="Last result",
        required=False,
        choices=[
            ("", "Any"),
            *((bucket, disposition.label) for disposition, bucket in BUCKETS.items()),
            (NOT_WRITTEN_TO, "No message yet"),
        ],
    )
    ever = forms.ChoiceField(label="So far", required=False, choices=[("", "Any"), *Ever.choices])
    # Set by the numbers of a list that asks to confirm.
    answer = forms.ChoiceField(
        label="Asked to confirm",
        required=False,
        choices=[
            ("", "Any"),
            *(
                (f"{channel}-{key}", f"{name}: {words}")
                for channel, name in DoubleOptIn.CHANNELS
                for key, words in ANSWERS.items()
            ),
        ],
        widget=forms.HiddenInput,
    )
    # Not offered for choice, for there may be thousands: the report of imports leads here.
    first_import = forms.IntegerField(
        label="Brought in by", required=False, min_value=1, max_value=LARGEST_ID, widget=forms.HiddenInput
    )

    def __init__(self, data: Mapping[str, Any], lists: Sequence[tuple[int, str]]) -> None:
        super().__init__(data)
        for name in ("list", "source"):
            self.fields[name].choices = [("", "Any"), *((str(pk), words) for pk, words in lists)]  # type: ignore[attr-defined]

    @property
    def given(self) -> dict[str, str]:
        """What narrows anything, in the order of the fields."""
        return {name: str(self.cleaned_data[name]) for name in self.fields if self.cleaned_data.get(name)}

    def wanted(self) -> PeopleFilter:
        channel, _, consent = self.given.get("consent", "").partition("-")
        return PeopleFilter(
            contact_list=read_id(self.given.get("list", "")),
            source=read_id(self.given.get("source", "")),
            first_import=read_id(self.given.get("first_import", "")),
            channel=channel,
            consent=consent,
            result=self.given.get("result", ""),
            ever=self.given.get("ever", ""),
            answer=self.given.get("answer", ""),
        )

    def chips(self, kept: Mapping[str, str]) -> Sequence[tuple[str, str, str]]:
        """(label, words, the query string without it) of each filter that is set."""
        found = []
        for name, value in self.given.items():
            others = {key: given for key, given in self.given.items() if key != name}
            words = self._words(name, value)
            found.append((str(self.fields[name].label), words, urlencode({**kept, **others})))
        return found

    def _words(self, name: str, value: str) -> str:
        if name == "first_import":
            file = ContactImport.objects.filter(pk=value).values_list("file_name", flat=True).first()
            return file or f"import {value}"
        flat = [pair for one in self.fields[name].choices for pair in _flat(one)]  # type: ignore[attr-defined]
        return dict(flat)[value]


def _flat(choice: tuple[str, Any]) -> list[tuple[str, Any]]:
    return choice[1] if isinstance(choice[1], list) else [choice]


class PersonLine(NamedTuple):
    """A person as the table shows them. `consent` is made of (what they did, on which channels, a bucket)."""

    row: PersonRow
    addresses: list[dict[str, Any]]
    consent: list[tuple[str, str, str]]
    result: str
    bucket: str


def line(row: PersonRow, *, full: bool) -> PersonLine:
    """Addresses are whole only in `full`."""
    return PersonLine(
        row=row,
        addresses=shown_addresses(row.contact.addresses.all(), full=full),
        consent=consent_words(row.said),
        result=_result(row.last) if row.last else "",
        bucket=bucket_of(row.last.disposition) if row.last else "",
    )


def consent_words(said: list[tuple[Channel, LatestConsent | None]]) -> list[tuple[str, str, str]]:
    """What somebody allowed and refused, the refusals first: ("Opted out", "SMS and MMS", "optout")."""
    found = []
    for opted_in, words, bucket in ((False, "Opted out", "optout"), (True, "Opted in", "success")):
        names = [NAMED[channel] for channel, word in said if word and word.opted_in == opted_in]
        if names:
            found.append((words, listed(names), bucket))
    return found


def _result(last: Message) -> str:
    return wording(last.channel, last.status, last.failure_class, last.goal, last.evidence).label


@requires("contacts.view_contact")
@require_safe
@vary_on_headers("HX-Request")
def index(request: HttpRequest) -> HttpResponse:
    """Everybody, the newest first; or whoever was searched for. Narrowed alike."""
    text = clean(request.GET.get("q", ""))[:100]
    lists = list(ContactList.objects.values_list("pk", "name"))
    form = PeopleForm(request.GET, lists)
    valid = form.is_valid()
    wanted = form.wanted() if valid else PeopleFilter()
    context: dict[str, Any] = {"text": text, "form": form, "limit": LIMIT, "too_short": "", "similar": False}
    context |= _searched(text, wanted) if text else _table(wanted, request.GET.get("after", ""))
    if not valid:
        context |= {"rows": [], "page": None}
    kept = {"q": text} if text else {}
    given = form.given if valid else {}
    full = may_see(request)
    context |= {
        "people": [line(row, full=full) for row in context["rows"]],
        "chips": [(label, words, f"{request.path}?{query}") for label, words, query in form.chips(kept)]
        if valid
        else [],
        "clear_url": f"{request.path}?{urlencode(kept)}",
        "keep": urlencode({**kept, **given}),
        "first_url": f"{request.path}?{urlencode({**kept, **given})}",
        "any": bool(text or given),
        "all_url": reverse("contacts:search"),
    }
    return render(request, fragment(request, "contacts/search.html", "results"), context)


def _searched(text: str, wanted: PeopleFilter) -> dict[str, Any]:
    """At most LIMIT people, exact matches first; where nobody is found those with a similar name."""
    found = find(text)
    similar = [] if found else alike(text)
    ids = among([one.pk for one in found or similar], wanted)
    return {
        "rows": rows(ids),
        "page": None,
        "count": len(ids),
        "similar": bool(similar),
        "more": len(found) == LIMIT,
        "too_short": _too_short(text),
    }


def _table(wanted: PeopleFilter, mark: str) -> dict[str, Any]:
    found = people(wanted, mark)
    return {"rows": found.rows, "page": found.page, "count": found.count, "looked_at": found.looked_at}


def _too_short(text: str) -> str:
    """What to type instead of so little; '' where it is enough to look for."""
    if len(text) >= FEWEST:
        return ""
    more = f"Type at least {FEWEST} letters or digits of it"
    return f"{more}, or #{text} for the contact or message of that id." if text.isdigit() else f"{more}."
