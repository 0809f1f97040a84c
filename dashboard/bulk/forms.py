"""What a list page sends to have something done to many rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils import timezone

from contacts.channels import Channel
from dashboard.shell.listing import MOST_TICKED
from deliveries.bulk.selections import Selection
from deliveries.models import Batch
from deliveries.outcomes.filters import BadFilter, read_view
from deliveries.outcomes.keyset import LARGEST_ID, read_id
from deliveries.outcomes.narrowing import OutcomeView
from deliveries.statuses import Queue


class SelectionForm(forms.Form):
    """What a list page sends when rows are ticked, or all of them are chosen."""

    action = forms.ChoiceField(choices=Batch.Action)
    campaign = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_ID)
    queue = forms.ChoiceField(required=False, choices=[("", ""), *Queue.choices])
    filters = forms.CharField(required=False, max_length=2_000)
    selected_at = forms.CharField(required=False, max_length=40)
    all = forms.BooleanField(required=False)
    messages = forms.CharField(required=False, widget=forms.MultipleHiddenInput)
    channel = forms.ChoiceField(required=False, choices=[("", "Choose a channel"), *Channel.choices])
    note = forms.CharField(required=False, max_length=200)

    def clean_filters(self) -> OutcomeView:
        """The list that the rows were chosen from: what the page showed, read again once."""
        given = QueryDict(self.cleaned_data["filters"]).dict()
        try:
            return read_view(self.cleaned_data.get("campaign"), self.cleaned_data.get("queue", ""), given)
        except BadFilter as problem:
            raise forms.ValidationError(
                "The filters of this selection cannot be read. Go back and choose again."
            ) from problem

    def clean_selected_at(self) -> datetime:
        try:
            moment = datetime.fromisoformat(self.cleaned_data["selected_at"] or "now")
        except ValueError:
            return timezone.now()
        return min(moment, timezone.now()) if moment.tzinfo else timezone.now()

    def clean_messages(self) -> tuple[int, ...]:
        given = cast(QueryDict, self.data).getlist("messages")
        if len(given) > MOST_TICKED:
            raise forms.ValidationError(f"Select at most {MOST_TICKED:,} messages, or select all that match.")
        ids = [read_id(one) for one in given]
        if None in ids:
            raise forms.ValidationError("This selection cannot be read. Go back and choose again.")
        return tuple(dict.fromkeys(pk for pk in ids if pk is not None))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("all") and not cleaned.get("messages") and "messages" in cleaned:
            raise forms.ValidationError("Nothing is selected. Tick the messages you want.")
        if cleaned.get("all") and not cleaned.get("campaign") and not cleaned.get("queue"):
            raise forms.ValidationError(
                "You cannot select all messages of all campaigns. Choose a campaign or a queue."
            )
        return cleaned

    @property
    def selection(self) -> Selection:
        given = self.cleaned_data
        return Selection(
            view=given["filters"],
            message_ids=() if given["all"] else given["messages"],
            selected_at=given["selected_at"],
        )

    @property
    def options(self) -> dict[str, str]:
        given = self.cleaned_data
        wanted = {"switch": ("channel",), "suppress": ("note",)}.get(given["action"], ())
        return {name: given[name] for name in wanted if given[name]}

    @property
    def missing(self) -> str:
        """What the action still needs to know; '' when it can start."""
        given = self.cleaned_data
        if given["action"] == Batch.Action.SWITCH and not given["channel"]:
            return "channel"
        if given["action"] == Batch.Action.SUPPRESS and not given["note"].strip():
            return "note"
        return ""


NEEDS = {
    "channel": "Choose the channel to move these messages to.",
    "note": "Say why these addresses are suppressed.",
}
