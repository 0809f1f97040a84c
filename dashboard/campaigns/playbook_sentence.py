"""A playbook as one sentence with numbers that can be changed for one campaign alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from campaigns.models import Campaign, Playbook
from contacts.channels import Channel
from dashboard.playbook_words import (
    LINES,
    NUMBERS,
    ORDERS,
    SentenceChannels,
    SentencePart,
    in_words,
    number_field,
    retry_parts,
    sentence,
    too_long_pauses,
)


class PlaybookSentence:
    """The fields that a form has for the numbers of `shared`, as `campaign` follows it.

    Their names carry the playbook: what was typed for one says nothing of another that is chosen meanwhile.
    """

    def __init__(self, form: forms.BaseForm, campaign: Campaign, shared: Playbook) -> None:
        self._form, self._campaign, self.shared = form, campaign, shared
        self._to = "urgent_switch_to" if campaign.is_urgent else "switch_to"
        follows = campaign.playbook
        mine = follows.pk == shared.pk or follows.began_from_id == shared.pk
        self._shown = follows if mine else shared
        for name in NUMBERS:
            self._add(name, number_field(name))
        channels = SentenceChannels(label="Move to")
        channels.choices = [(one.value, one.in_sentence) for one in Channel if one != campaign.channel]
        self._add("switch", channels, self._channels(self._shown))
        self._add(
            "channel_order",
            forms.ChoiceField(label="Order of channels", choices=ORDERS, widget=forms.RadioSelect),
        )
        if self.was_shown:
            self._leave_out_what_was_not()

    def _add(self, name: str, field: forms.Field, initial: Any = None) -> None:
        key = self._key(name)
        self._form.fields[key] = field
        self._form.initial[key] = getattr(self._shown, name) if initial is None else initial

    def _key(self, name: str) -> str:
        return f"p{self.shared.pk}_{name}"

    @property
    def was_shown(self) -> bool:
        """Whether what was posted has these fields: not where another playbook was chosen just now."""
        return self._form.add_prefix(self._key("retries")) in self._form.data

    def _leave_out_what_was_not(self) -> None:
        """Lines of channels that were not in use have no fields on the page: their numbers stay."""
        for line in LINES[1:]:
            for name in (line.times, line.pause):
                if self._form.add_prefix(self._key(name)) not in self._form.data:
                    del self._form.fields[self._key(name)]

    def skip(self) -> None:
        """Nothing was typed here: the numbers are those of the shared one."""
        for name in (*NUMBERS, "switch", "channel_order"):
            self._form.fields[self._key(name)].required = False

    @property
    def is_own(self) -> bool:
        return self._shown.own_of_id is not None

    def _channels(self, playbook: Playbook) -> list[str]:
        return [one for one in getattr(playbook, self._to) if one != self._campaign.channel]

    def changed(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What was typed, by the names of the playbook's fields."""
        names = (*NUMBERS, "channel_order")
        found = {name: data.get(self._key(name), getattr(self._shown, name)) for name in names}
        channels = data[self._key("switch")]
        if channels != self._channels(self.shared):
            found[self._to] = channels
        return found

    def check(self, data: Mapping[str, Any]) -> None:
        """Pauses that are too long: they are no field's own mistake."""
        for name, wrong in too_long_pauses({name: data.get(self._key(name)) for name in NUMBERS}):
            self._form.add_error(self._key(name), wrong)

    # ---- For the template --------------------------------------------------------------------------------------

    @property
    def order(self) -> forms.BoundField:
        return self._field("channel_order")

    @property
    def parts(self) -> list[SentencePart]:
        fields = {name: self._field(name) for name in NUMBERS if self._key(name) in self._form.fields}
        begins = f"Try {Channel(self._campaign.channel).in_sentence}."
        return sentence(begins, fields, self._field("switch"))

    @property
    def lines(self) -> list[list[SentencePart]]:
        """Those for what has numbers of its own, where a channel in use reports it."""
        return [
            retry_parts(line, self._field(line.times), self._field(line.pause))
            for line in LINES[1:]
            if line.channels & self._in_use and self._key(line.pause) in self._form.fields
        ]

    @property
    def has_errors(self) -> bool:
        return any(name.startswith(self._key("")) for name in self._form.errors)

    @property
    def said(self) -> str:
        """All but the lines of their own in words, as they stand in the form."""
        values = {
            name: self._form[self._key(name)].value()
            for name in (*NUMBERS, "channel_order")
            if self._key(name) in self._form.fields
        }
        return in_words(values, str(Channel(self._campaign.channel).label), self._others)

    @property
    def _others(self) -> list[str]:
        chosen = self._form[self._key("switch")].value()
        return [str(one) for one in chosen or () if str(one) in Channel.values]

    @property
    def _in_use(self) -> set[Channel]:
        return {Channel(one) for one in (self._campaign.channel, *self._others)}

    def _field(self, name: str) -> forms.BoundField:
        return self._form[self._key(name)]
