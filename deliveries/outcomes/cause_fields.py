"""The filters that only the numbers of causes and comparisons set; their chips take them off."""

from __future__ import annotations

from django import forms

from deliveries.outcomes.narrowing import hour_of

OUTCOMES = [("left", "Has left"), ("failed", "Failed"), ("silent", "Nothing reported for an hour")]


class CauseFields(forms.Form):
    segments = forms.CharField(
        label="Size in segments", required=False, max_length=4, widget=forms.HiddenInput
    )
    hour = forms.CharField(
        label="Left in the hour (UTC)", required=False, max_length=13, widget=forms.HiddenInput
    )
    outcome = forms.ChoiceField(
        label="Outcome", required=False, choices=[("", "Any"), *OUTCOMES], widget=forms.HiddenInput
    )

    def clean_hour(self) -> str:
        value = self.cleaned_data["hour"]
        if value and hour_of(value) is None:
            raise forms.ValidationError("Give an hour, such as 2026-11-30 14.")
        return value
