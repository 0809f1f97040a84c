"""The forms about senders, their registrations and brands. Each says what is wrong in a sentence."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django import forms

from campaigns.models import Brand, Registration, Sender
from campaigns.sender_form import SenderForm
from contacts.channels import Channel
from contacts.emails import NotAnEmail, parse_domain

DATES = ("submitted_on", "decided_on", "expires_on")
SELECTOR = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?", re.I)


class SenderSettingsForm(SenderForm):
    """What administrators change of a sender that there is: its address and channel stay."""

    class Meta:
        model = Sender
        fields = ("name", "brand", "dkim_selectors", "registered_as", "per_second", "per_day", "warm_up_from")
        widgets = {"warm_up_from": forms.DateInput(attrs={"type": "date"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channel = self.instance.channel if self.instance.pk else ""
        unfit = {"dkim_selectors", "warm_up_from"} if channel and channel != Channel.EMAIL else set()
        for name in unfit | ({"registered_as"} if channel == Channel.EMAIL else set()):
            self.fields.pop(name, None)

    def clean_dkim_selectors(self) -> str:
        words = self.cleaned_data["dkim_selectors"].replace(",", " ").split()
        wrong = next((word for word in words if not SELECTOR.fullmatch(word)), "")
        if wrong:
            raise forms.ValidationError(
                f"“{wrong}” is no selector: enter the word before ._domainkey, such as s1."
            )
        return " ".join(words)


class NewSenderForm(SenderSettingsForm):
    class Meta(SenderSettingsForm.Meta):
        fields = ("name", "brand", "channel", "value", *SenderSettingsForm.Meta.fields[2:])  # type: ignore[assignment]
        labels = {"value": "Number, short code, name or From address"}

    field_order = ("channel", "value", "name", "brand")


class RegistrationForm(forms.ModelForm):
    class Meta:
        model = Registration
        fields = ("kind", "country", "carrier", "state", "reference", *DATES, "note")
        widgets = {name: forms.DateInput(attrs={"type": "date"}) for name in DATES}
        labels = {
            "submitted_on": "Submitted",
            "decided_on": "Decided",
            "expires_on": "Holds until",
            "note": "What you know of it",
        }

    def clean_country(self) -> str:
        country = self.cleaned_data["country"].strip().upper()
        if country and not re.fullmatch("[A-Z]{2}", country):
            raise forms.ValidationError("Enter a country by its two letters, such as US.")
        return country

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        submitted, decided, expires = (data.get(name) for name in DATES)
        if data.get("kind") == Registration.Kind.CARRIER and not data.get("carrier"):
            self.add_error("carrier", "Say which carrier has approved or refused it.")
        elif data.get("carrier") and data.get("kind") not in ("", None, Registration.Kind.CARRIER):
            self.add_error("carrier", "Only a carrier's approval names a carrier: leave it empty.")
        if submitted and decided and decided < submitted:
            self.add_error("decided_on", "It was decided before it was submitted: correct one of the dates.")
        if decided and expires and expires < decided:
            self.add_error("expires_on", "It ends before it was decided: correct one of the dates.")
        return data

    def fill_dates(self, known: Registration | None, day: date) -> None:
        """Of a state that is new, a date that nobody gave: it was on `day`, as far as we know."""
        row = self.instance
        if known is not None and known.state == row.state:
            return
        states = Registration.State
        if row.state in (states.SUBMITTED, states.APPROVED, states.REJECTED) and row.submitted_on is None:
            ends = [each for each in (row.decided_on, row.expires_on, day) if each]
            row.submitted_on = min(ends)
        if row.state in (states.APPROVED, states.REJECTED) and row.decided_on is None:
            row.decided_on = max(min(filter(None, (row.expires_on, day))), row.submitted_on or day)

    def validate_unique(self) -> None:
        """What is said of a kind again changes the row that there is."""


class StateForm(forms.Form):
    follows = "follows"
    state = forms.ChoiceField(
        label="State", choices=[(follows, "As its registrations say"), *Sender.State.choices]
    )
    reason = forms.CharField(
        label="Why",
        max_length=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="It stays on record with your name, and in force until somebody changes it.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("state") != self.follows and not data.get("reason", "").strip():
            self.add_error("reason", "Say why its registrations do not count, or choose to follow them.")
        return data


class BrandForm(forms.ModelForm):
    domains = forms.CharField(
        label="Its own domains",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One a line, such as example.com. Names below them count as well.",
    )

    class Meta:
        model = Brand
        fields = ("name", "domains")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["domains"] = "\n".join(self.instance.domains)

    def clean_domains(self) -> list[str]:
        found = []
        for one in self.cleaned_data["domains"].replace(",", "\n").split():
            try:
                found.append(parse_domain(one))
            except NotAnEmail as problem:
                raise forms.ValidationError(f"“{one}” is no domain: {problem.why}") from None
        return list(dict.fromkeys(found))
