"""The list of campaigns: what a reader narrows it to, all of it in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.roles import requires
from campaigns.models import Playbook
from contacts.channels import Channel
from contacts.searching import clean
from dashboard.shell.pages import fragment, trigger
from deliveries.meaning.mappings import describe
from deliveries.models import Account
from deliveries.outcomes.campaign_lines import lines
from deliveries.outcomes.campaign_list import (
    NO_CODE,
    CampaignQuery,
    CampaignSort,
    OfferedCause,
    ShownState,
    campaign_page,
    causes_offered,
    total,
)
from deliveries.outcomes.counting import Count
from deliveries.outcomes.filters import Chip
from deliveries.outcomes.keyset import LARGEST_ID, Page
from deliveries.outcomes.tally_cells import CauseCount
from deliveries.wording import wording

LIST_SIZE = 50


class FilterDay(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(attrs={"class": "date"}, format="%Y-%m-%d")


class CampaignFilter(forms.Form):
    """Parameters that are not fields are ignored. `codes`, with what they say, only fill the choice: a code that is
    not among them still counts, so that a link goes on working."""

    s = forms.CharField(label="Search", required=False, max_length=100)
    state = forms.ChoiceField(label="State", required=False, choices=[("", "Any"), *ShownState.choices])
    channel = forms.ChoiceField(label="Channel", required=False, choices=[("", "Any"), *Channel.choices])
    since = forms.DateField(label="Started from", required=False, widget=FilterDay)
    until = forms.DateField(label="Started to", required=False, widget=FilterDay)
    cause = forms.CharField(label="Worst cause", required=False, max_length=64, widget=forms.Select)
    sort = forms.ChoiceField(
        label="Order", required=False, choices=[("", "Newest first"), *CampaignSort.choices[1:]]
    )
    playbook = forms.IntegerField(
        label="Playbook",
        required=False,
        min_value=-LARGEST_ID,
        max_value=LARGEST_ID,
        widget=forms.HiddenInput,
    )

    def __init__(self, data: Mapping[str, Any], codes: Mapping[str, str] | None = None) -> None:
        super().__init__(data, auto_id="filter-%s")
        self.fields["s"].widget.attrs |= {
            "id": "s", "type": "search", "placeholder": "Name", "autocomplete": "off",
        }  # fmt: skip
        given = str(self.data.get("cause", ""))[:64]
        words = {
            code or NO_CODE: f"{code}: {says}" if code else "No code" for code, says in (codes or {}).items()
        }
        if given:
            words.setdefault(given, given)
        self.fields["cause"].widget.choices = [("", "Any"), *words.items()]

    def clean_s(self) -> str:
        return clean(self.cleaned_data["s"])

    def clean_cause(self) -> str:
        return clean(self.cleaned_data["cause"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in ("since", "until"):
            day = data.get(name)
            if day and not 1970 <= day.year <= 9_000:
                self.add_error(name, "Give a year in four digits, such as 2026.")
        if not self.errors and data.get("since") and data.get("until") and data["until"] < data["since"]:
            self.add_error("until", "This is before the first day: give a later one.")
        return data

    @property
    def given(self) -> dict[str, str]:
        """What narrows or orders anything, in the order of the fields. Needs `is_valid()` to have run."""
        return {name: str(self.cleaned_data[name]) for name in self.fields if self.cleaned_data.get(name)}

    def querystring(self, without: str = "") -> str:
        return urlencode({name: value for name, value in self.given.items() if name != without})

    def chips(self) -> list[Chip]:
        return [
            Chip(name, str(self.fields[name].label), self._words(name, value), self.querystring(name))
            for name, value in self.given.items()
            if name != "sort"
        ]

    def _words(self, name: str, value: str) -> str:
        if name in ("since", "until"):
            return date_format(self.cleaned_data[name], "j M Y")
        if name == "playbook":
            return _playbook_words(int(value))
        choices = getattr(self.fields[name], "choices", None) or getattr(
            self.fields[name].widget, "choices", []
        )
        return str(dict(choices).get(value, value))

    def wanted(self) -> CampaignQuery:
        data = self.cleaned_data
        return CampaignQuery(
            text=data["s"],
            state=data["state"],
            channel=data["channel"],
            since=data["since"],
            until=data["until"],
            cause=data["cause"],
            playbook=data["playbook"] or 0,
            sort=data["sort"] or CampaignSort.NEWEST,
        )


def _playbook_words(pk: int) -> str:
    """One query."""
    name = Playbook.objects.filter(pk=abs(pk)).values_list("name", flat=True).first() or "none that there is"
    return f"{name}, with own numbers" if pk < 0 else name


@requires("campaigns.view_report")
@require_safe
@vary_on_headers("HX-Request")
def campaigns(request: HttpRequest) -> HttpResponse:
    """All campaigns, a page at a time. A filter that cannot be read is said, and lists nothing."""
    slugs = Account.objects.providers()
    form = CampaignFilter(request.GET, {one.code: cause_words(one, slugs) for one in causes_offered()})
    now, found, count = timezone.now(), Page([]), Count(0)
    if valid := form.is_valid():
        zone = timezone.get_current_timezone()
        found = campaign_page(form.wanted(), request.GET.get("after", ""), LIST_SIZE, now, zone)
        count = total(form.wanted(), found, now, zone)
    shown = [(line, cause_words(line.worst, slugs) if line.worst else "") for line in lines(found.rows, now)]
    keep = form.querystring() if valid else ""
    base = reverse("campaigns:list")
    context = {
        "lines": shown,
        "page": found,
        "count": count,
        "now": now,
        "form": form,
        "chips": form.chips() if valid else [],
        "order": str(dict(form.fields["sort"].choices)[form.given.get("sort", "")]) if valid else "",  # type: ignore[attr-defined]
        "first_url": f"{base}?{keep}" if keep else base,
        "next_url": f"{base}?{keep}{'&' if keep else ''}after={found.after}" if found.after else "",
        "swap_form": bool(request.headers.get("HX-Request")) and trigger(request) != "filters",
    }
    template = fragment(request, "campaigns/list.html", "results")
    return render(request, template, context, status=200 if valid else 422)


def cause_words(cause: CauseCount | OfferedCause, slugs: dict[int, str]) -> str:
    """What the code says; without a code, what the status does."""
    usual = wording(cause.channel, cause.status).meaning
    if not cause.code:
        return usual
    return describe(slugs.get(cause.account_id, ""), cause.channel, cause.code, cause.status).short or usual
