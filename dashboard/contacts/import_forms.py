"""What is asked about an uploaded file of contacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import phonenumbers
from django import forms
from django.utils import timezone

from contacts.channels import Channel
from contacts.dates import EARLIEST
from contacts.import_columns import choices, faults_in, looks_like_consent
from contacts.import_options import LONGEST_HOW, ImportOptions
from contacts.lists import name_fault
from contacts.models import ContactList

DATES = [
    ("", "The other dates of the column tell"),
    ("day-first", "Day first: 03/04 is the third of April"),
    ("month-first", "Month first: 03/04 is the fourth of March"),
]


class UploadForm(forms.Form):
    file = forms.FileField(
        label="File",
        help_text="CSV in UTF-8, or an Excel workbook (.xlsx), of which the first sheet is read. "
        "Its first line names the columns. 500,000 lines at most.",
        error_messages={"empty": "The file is empty."},
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx", "class": "control"}),
    )


class ColumnsForm(forms.Form):
    """What each column is, where the people go, and what else happens. A field for each column, `use_1` the first."""

    contact_list = forms.ModelChoiceField(
        label="List", queryset=ContactList.objects.all(), required=False, empty_label="A new list"
    )
    list_name = forms.CharField(
        label="Name of the new list", required=False, max_length=120, help_text="Where it is a new one."
    )
    source = forms.ModelChoiceField(
        label="Source of new people",
        queryset=ContactList.objects.all(),
        required=False,
        empty_label="The list itself",
        help_text="Results are reported by it: where do these people come from?",
    )
    region = forms.CharField(
        label="Country of numbers without a country code",
        max_length=2,
        min_length=2,
        help_text="Two letters, such as US or DE.",
    )
    dates = forms.ChoiceField(
        label="Dates such as 03/04/2026",
        choices=DATES,
        required=False,
        help_text="Where a column says when people agreed.",
    )
    fill_in = forms.BooleanField(
        label="Update the details of people already here",
        required=False,
        help_text="Off: they only come onto the list. On: what the file says of them replaces what is known, "
        "and new addresses are added as the preferred ones. Nothing is ever emptied.",
    )
    everybody = forms.MultipleChoiceField(
        label="Everybody in this file agreed to",
        choices=Channel.choices,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Only where you can prove it, and no column says so for each person.",
    )
    how = forms.CharField(
        label="How they agreed",
        required=False,
        max_length=LONGEST_HOW,
        help_text="Such as “Web form at the spring fair”. Needed to record consent.",
    )
    when = forms.DateField(
        label="When they agreed",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="For lines on which no column says so.",
    )
    wording = forms.CharField(
        label="The words they agreed to",
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="As they were shown. Needed to record consent: without them it cannot be proved.",
    )

    def __init__(self, *args: Any, titles: Sequence[str], uses: Sequence[str], **kwargs: Any) -> None:
        """`uses` are shown as chosen."""
        super().__init__(*args, **kwargs)
        self.titles = list(titles)
        for number, (title, use) in enumerate(zip(titles, uses, strict=True), start=1):
            self.fields[f"use_{number}"] = forms.ChoiceField(
                label=f"Column {number}, “{title}”", choices=choices(title), required=False, initial=use
            )
        for name in self.errors if self.is_bound else ():
            if name in self.fields:
                self.fields[name].widget.attrs["aria-invalid"] = "true"

    def columns(self, samples: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """Each column with its field, some of its cells, and the use to offer where it looks like consent."""
        offers = [looks_like_consent(title) for title in self.titles]
        return [
            {
                "title": title or f"Column {number}",
                "field": self[f"use_{number}"],
                "samples": [
                    row[number - 1][:60] for row in samples if number <= len(row) and row[number - 1]
                ],
                "consent": dict(choices(title))[offer] if offer and not self[f"use_{number}"].value() else "",
            }
            for number, (title, offer) in enumerate(zip(self.titles, offers, strict=True), start=1)
        ]

    def general(self) -> list[forms.BoundField]:
        names = ("contact_list", "list_name", "source", "region", "dates")
        return [self[name] for name in names]

    def evidence(self) -> list[forms.BoundField]:
        return [self[name] for name in ("how", "when", "wording")]

    def clean_region(self) -> str:
        region = str(self.cleaned_data["region"]).upper()
        if region not in phonenumbers.SUPPORTED_REGIONS:
            raise forms.ValidationError(f"“{region}” is no country. Use two letters, such as US.")
        return region

    def clean_when(self) -> Any:
        when = self.cleaned_data["when"]
        if when and when > timezone.localdate():
            raise forms.ValidationError("It lies in the future: give the day on which they agreed.")
        if when and when.year < EARLIEST:
            raise forms.ValidationError(
                f"It lies before {EARLIEST}: give the year in four digits, such as 2026."
            )
        return when

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for fault in faults_in(self.titles, self.uses):
            self.add_error(None, fault)
        name = cleaned.get("list_name", "").strip()
        if not cleaned.get("contact_list"):
            fault = name_fault(name) if name else "Name the new list, or choose one that there is."
            if fault:
                self.add_error("list_name", fault)
        if self.options.records_consent:
            self._require_evidence(cleaned)
        return cleaned

    def _require_evidence(self, cleaned: dict[str, Any]) -> None:
        needed = {
            "how": ("consent_how", "Say how they agreed, or choose the column that does."),
            "when": ("consent_at", "Say when they agreed, or choose the column that does."),
            "wording": ("", "Give the words they agreed to."),
        }
        for name, (column, sentence) in needed.items():
            if not cleaned.get(name) and name not in self.errors and (not column or column not in self.uses):
                self.add_error(name, sentence)

    @property
    def uses(self) -> list[str]:
        return [self.cleaned_data.get(f"use_{number}", "") for number in range(1, len(self.titles) + 1)]

    @property
    def options(self) -> ImportOptions:
        cleaned = self.cleaned_data
        given = cleaned.get("contact_list")
        return ImportOptions(
            uses=self.uses,
            region=cleaned.get("region", ""),
            list_name="" if given else cleaned.get("list_name", "").strip(),
            fill_in=cleaned.get("fill_in", False),
            everybody=cleaned.get("everybody", []),
            how=cleaned.get("how", "").strip(),
            when=cleaned["when"].isoformat() if cleaned.get("when") else "",
            wording=cleaned.get("wording", "").strip(),
            dates=cleaned.get("dates", ""),
        )
