"""The form of a sender, for the admin and for its page."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.forms import ChoiceField, ModelForm

from campaigns.models import Sender
from campaigns.rates import registered_kinds
from campaigns.sender_values import TEXTS, sender_value
from contacts.channels import Channel
from contacts.emails import NotAnEmail
from contacts.phones import NotAPhone

AS_ITS_VALUE = ("", "As its value says")
NO_LIMIT = "no_limit"  # of campaigns/rates.csv: for a sender on any channel


class SenderForm(ModelForm):
    """Takes any usual notation, keeps the one that providers are given."""

    registered_as = ChoiceField(
        required=False,
        choices=lambda: [AS_ITS_VALUE, *registered_kinds()],
        help_text="Which of the carriers' limits hold. A 10DLC number has those of the class its campaign was given.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        channel = data.get("channel") or self.instance.channel
        if channel and channel not in TEXTS and data.get("state") == Sender.State.NOT_REGISTERED:
            data["state"] = Sender.State.NOT_NEEDED  # there is nowhere to register one
        if channel and channel != Channel.EMAIL and data.get("warm_up_from"):
            self.add_error("warm_up_from", "Only senders of email warm up: leave it empty.")
        if channel and channel not in TEXTS and data.get("registered_as") not in ("", None, NO_LIMIT):
            self.add_error("registered_as", "Only senders of texts are registered so: choose another.")
        value = data.get("value")
        if not (channel and value) or not {"channel", "value"} & set(self.changed_data):
            return data
        try:
            data["value"] = sender_value(channel, value, settings.DEFAULT_REGION)
        except (NotAPhone, NotAnEmail) as problem:
            self.add_error("value", str(problem))
        return data
