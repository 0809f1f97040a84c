"""The forms about senders, their registrations and brands. Each says what is wrong in a sentence."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from django import forms

from campaigns.models import Brand, Registration, Sender
from campaigns.rates import kind_of, registered_kinds
from campaigns.sender_form import AS_ITS_VALUE, SenderForm
from contacts.channels import Channel
from contacts.emails import NotAnEmail, parse_domain
from dashboard.senders.kinds import SenderKind

DATES = ("submitted_on", "decided_on", "expires_on")
COUNTRY = re.compile("[A-Z]{2}")
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
        if channel and "registered_as" in self.fields:
            fits = registered_kinds(kind_of(channel, self.instance.value))
            kept = [one for one in registered_kinds() if one[0] == self.instance.registered_as]
            self.fields["registered_as"].choices = [AS_ITS_VALUE, *dict([*fits, *kept]).items()]  # type: ignore[attr-defined]

    def clean_dkim_selectors(self) -> str:
        words = self.cleaned_data["dkim_selectors"].replace(",", " ").split()
        wrong = next((word for word in words if not SELECTOR.fullmatch(word)), "")
        if wrong:
            raise forms.ValidationError(
                f"“{wrong}” is no selector: enter the word before ._domainkey, such as s1."
            )
        return " ".join(words)


class NewSenderForm(SenderSettingsForm):
    """A sender of one kind: asks for what those have. Its limits are the carriers', and change under its settings."""

    country = forms.CharField(
        label="Country it sends to first",
        max_length=2,
        help_text="Two letters, such as GB. Others are added later.",
    )

    class Meta(SenderSettingsForm.Meta):
        fields = ("channel", "value", "name", "brand", "dkim_selectors", "warm_up_from")  # type: ignore[assignment]

    field_order = ("channel", "value", "country", "name", "brand")

    def __init__(self, kind: SenderKind, data: Any = None) -> None:
        super().__init__(data)
        self.kind = kind
        asked = {"channel", "value", "name", *kind.asks}
        if Brand.objects.count() > 1:
            asked.add("brand")
        for name in self.fields.keys() - asked:
            del self.fields[name]
        channel = self.fields["channel"]
        channel.choices = [(one.value, one.label) for one in kind.channels]  # type: ignore[attr-defined]
        channel.initial = kind.channels[0].value
        if len(kind.channels) == 1:
            channel.disabled, channel.widget = True, forms.HiddenInput()
        self.fields["value"].label, self.fields["value"].help_text = kind.value, kind.example

    def clean_country(self) -> str:
        return two_letters(self.cleaned_data["country"])

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        channel, value = data.get("channel"), data.get("value")
        if channel and value and not self.has_error("value") and not self.kind.is_of(channel, value):
            self.add_error(
                "value", f"“{value}” is no {self.kind.value.lower()}: choose another kind of sender."
            )
        return data


def two_letters(text: str) -> str:
    """A country as US. Raises ValidationError."""
    country = text.strip().upper()
    if country and not COUNTRY.fullmatch(country):
        raise forms.ValidationError("Enter a country by its two letters, such as US.")
    return country


class RegistrationForm(forms.ModelForm):
    """What is known of one registration. `named`: its kind, country and carrier as far as they are not asked."""

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

    def __init__(self, named: dict[str, str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in named.items():
            del self.fields[name]
            setattr(self.instance, name, value)
        if "carrier" in self.fields:
            self.fields["carrier"].required = True
            self.fields["carrier"].help_text = ""
            self.fields["carrier"].error_messages["required"] = (
                "Say which carrier has approved or refused it."
            )

    def clean_country(self) -> str:
        return two_letters(self.cleaned_data["country"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        submitted, decided, expires = (data.get(name) for name in DATES)
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
