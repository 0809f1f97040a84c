"""Who was shown whole addresses, and who took out files: for those who answer for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, time
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.apps import apps
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.roles import requires
from contacts.channels import Channel
from contacts.models import AccessRecord, Reply, Suppression
from dashboard.contacts.people import PeopleForm
from deliveries.outcomes.counting import counted
from deliveries.outcomes.keyset import LARGEST_ID, page

SIZE = 50
# What a page or file is called; any other by its address alone.
CALLED = {
    "contacts:search": "Contacts",
    "contacts:trail": "A contact",
    "contacts:correct": "Correcting a contact",
    "contacts:suppress": "Suppressing a contact",
    "contacts:release": "Releasing a suppression",
    "contacts:list": "A list",
    "contacts:new": "Adding a person",
    "contacts:duplicates": "Duplicates",
    "contacts:duplicates_of": "Duplicates of a contact",
    "contacts:merge": "Merging",
    "contacts:privacy": "Privacy of a contact",
    "contacts:export": "History of a contact",
    "contacts:export_data": "All data of a contact",
    "contacts:import": "An import",
    "contacts:import_columns": "Columns of an import",
    "contacts:import_preview": "Preview of an import",
    "contacts:import_refused": "Refused lines of an import",
    "campaigns:export": "Messages of a campaign",
    "campaigns:skipped": "Who a draft would skip",
    "deliveries:export": "Messages of a queue",
    "deliveries:message": "A message",
    "suppressions:list": "Suppression list",
    "suppressions:export": "Suppression list",
    "suppressions:detail": "A suppression",
    "suppressions:look_up": "Look-up of an address",
    "suppressions:release": "Releasing a suppression",
    "suppressions:upload": "Upload of suppressions",
    "suppressions:mistakes": "Suppressions by mistake",
    "suppressions:release_mistakes": "Releasing suppressions by mistake",
    "inbox:list": "Replies to read",
    "inbox:work": "Replies to do",
    "inbox:all": "All replies",
    "inbox:acted": "Replies already opted out",
    "inbox:read": "Replies that were read",
    "inbox:answer": "A reply",
    "mappings:backscatter": "Mail that was never sent",
}
# The words of what narrows a page, as its chips have them.
LABELS = {"s": "Search", "q": "Search", "reading": "Read as", "result": "Last result"}
CHOICES: dict[str, dict[str, Iterable[Any]]] = {
    "contacts": {name: getattr(field, "choices", []) for name, field in PeopleForm.base_fields.items()},
    "inbox": {"channel": Channel.choices, "reading": Reply.Reading.choices, "asks": Reply.Asks.choices},
    "suppressions": {
        "channel": [*Channel.choices, ("every", "Every channel")],
        "scope": Suppression.Scope.choices,
        "reason": Suppression.Reason.choices,
        "origin": Suppression.Origin.choices,
    },
}
ADMIN_PAGE = re.compile("admin:([a-z]+)_([a-z]+)_[a-z]+")


class AccessFilter(forms.Form):
    """What a reader narrows the records to. Days are those of the reader's zone, both included."""

    by = forms.ModelChoiceField(
        User.objects.order_by("username"), label="Who", required=False, empty_label="Anybody"
    )
    kind = forms.ChoiceField(label="What", required=False, choices=[("", "Any"), *AccessRecord.Kind.choices])
    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="Until", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    contact = forms.IntegerField(
        label="Contact number", required=False, min_value=1, max_value=LARGEST_ID, widget=forms.TextInput
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            self.add_error("until", "It lies before the first day: give a later one.")
        for name in ("since", "until"):
            if (day := cleaned.get(name)) and not 1970 <= day.year <= 9_000:
                self.add_error(name, "Give a year in four digits, such as 2026.")
        return cleaned

    def rows(self) -> QuerySet[AccessRecord]:
        given, found = self.cleaned_data, AccessRecord.objects.select_related("by")
        for field, name in (("by", "by"), ("kind", "kind"), ("contact_number", "contact")):
            if given.get(name):
                found = found.filter(**{field: given[name]})
        if given["since"]:
            found = found.filter(at__gte=timezone.make_aware(datetime.combine(given["since"], time())))
        if given["until"]:
            end = timezone.make_aware(datetime.combine(given["until"], time.max))
            found = found.filter(at__lte=end)
        return found

    def querystring(self) -> str:
        return urlencode({name: self[name].value() for name in self.fields if self[name].value()})


def _called(page_name: str) -> str:
    """What a page is called; '' where it has no name."""
    found = ADMIN_PAGE.fullmatch(page_name)
    model = apps.all_models[found[1]].get(found[2]) if found else None
    return f"Admin: {model._meta.verbose_name_plural}" if model else CALLED.get(page_name, "")


def _in_words(row: AccessRecord) -> str:
    """What narrowed the page, as its chips have it; else its parameters, as words."""
    known = CHOICES.get(row.page.partition(":")[0], {})
    return ", ".join(_part(known, *part.partition(": ")) for part in row.filter.split(", "))


def _part(known: Mapping[str, Iterable[Any]], name: str, colon: str, value: str) -> str:
    label = LABELS.get(name) or name.replace("_", " ").strip().capitalize()
    return f"{label}{colon}{dict(_flat(known.get(name, []))).get(value) or value.replace('_', ' ')}"


def _flat(choices: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Also those in groups."""
    for value, words in choices:
        yield from words if isinstance(words, list) else [(str(value), str(words))]


@requires("contacts.view_accessrecord")
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Newest first, a page at a time. A fixed number of queries."""
    form = AccessFilter(request.GET)
    valid = form.is_valid()
    rows = form.rows() if valid else AccessRecord.objects.none()
    found = page(rows, SIZE, request.GET.get("after", ""), at="at")
    keep = form.querystring() if valid else ""
    context = {
        "form": form,
        "valid": valid,
        "narrowed": bool(keep),
        "count": counted(rows),
        "page": found,
        "rows": [(row, _called(row.page), _in_words(row)) for row in found.rows],
        "keep": keep,
        "first_url": f"{reverse('contacts:access')}?{keep}",
    }
    return render(request, "contacts/access.html", context, status=200 if valid else 422)
