"""A playbook as one sentence with numbers that can be changed for one campaign alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

from campaigns.models import Campaign, Playbook
from campaigns.models.playbooks import ChannelOrder
from contacts.channels import Channel
from dashboard.playbook_words import LINES, NUMBERS, ORDERS, SentenceChannels, SentencePart


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
            self._add(name, self._number(name))
        channels = SentenceChannels(label="Move to")
        channels.choices = [(one.value, one.in_sentence) for one in Channel if one != campaign.channel]
        self._add("switch", channels, self._channels(self._shown))
        self._add(
            "channel_order",
            forms.ChoiceField(label="Order of channels", choices=ORDERS, widget=forms.RadioSelect),
        )
        if self.was_shown:
            self._leave_out_what_was_not()

    def _number(self, name: str) -> forms.IntegerField:
        field: Any = Playbook._meta.get_field(name)
        limits = {type(one): one.limit_value for one in field.validators if hasattr(one, "limit_value")}
        return forms.IntegerField(
            label=str(field.verbose_name).capitalize(),
            min_value=limits.get(MinValueValidator, 0),
            max_value=limits[MaxValueValidator],
        )

    def _add(self, name: str, field: forms.Field, initial: Any = None) -> None:
        key = self._key(name)
        self._form.fields[key] = field
        self._form.initial[key] = getattr(self._shown, name) if initial is None else initial
        if isinstance(field, forms.IntegerField):
            field.widget.attrs |= {"class": "number", "aria-label": field.label}

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
        """A pause that is longer than all of the time for retries is a mistake: nothing would be retried."""
        window = data.get(self._key("retry_window_hours"))
        for line in LINES:
            retries, after = data.get(self._key(line.times)), data.get(self._key(line.pause))
            hours = after / 60 if after and line.unit == "minutes" else after
            if retries and hours and window and hours > window:
                self._form.add_error(
                    self._key(line.pause),
                    f"{line.words}: a pause of {after} {line.unit} does not fit into {window} h, so nothing would be"
                    " retried. Shorten it, or retry for longer.",
                )

    # ---- For the template --------------------------------------------------------------------------------------

    @property
    def order(self) -> forms.BoundField:
        return self._field("channel_order")

    @property
    def parts(self) -> list[SentencePart]:
        """Retry [2] times, [4] h apart, for at most [24] h. After [48] h move to [email]; stop waiting after [72] h."""
        return [
            SentencePart(f"Try {Channel(self._campaign.channel).in_sentence}. Retry", self._field("retries")),
            SentencePart("times,", self._field("retry_after_hours")),
            SentencePart("h apart, for at most", self._field("retry_window_hours")),
            SentencePart("h. After", self._field("switch_after_hours")),
            SentencePart("h move to", self._field("switch")),
            SentencePart("and stop waiting after", self._field("give_up_hours")),
            SentencePart("h."),
        ]

    @property
    def lines(self) -> list[list[SentencePart]]:
        """Those for what has numbers of its own, where a channel in use reports it."""
        return [
            [
                SentencePart(f"{line.words}: retry", self._field(line.times)),
                SentencePart("times,", self._field(line.pause)),
                SentencePart(f"{line.unit} apart."),
            ]
            for line in LINES[1:]
            if line.channels & self._in_use and self._key(line.pause) in self._form.fields
        ]

    @property
    def has_errors(self) -> bool:
        return any(name.startswith(self._key("")) for name in self._form.errors)

    @property
    def said(self) -> str:
        """All but the lines of their own in words, as they stand in the form."""
        times, pause, window, move, end = (
            str(self._form[self._key(name)].value())
            for name in (
                "retries",
                "retry_after_hours",
                "retry_window_hours",
                "switch_after_hours",
                "give_up_hours",
            )
        )
        number = "once" if times == "1" else f"{times} times"
        tries = (
            "is not retried"
            if times == "0"
            else f"is retried {number}, {pause} h apart, for at most {window} h"
        )
        begins = f"{Channel(self._campaign.channel).label} {tries}"
        if str(self._form[self._key("channel_order")].value()) == ChannelOrder.BEST_CHANCE:
            begins = f"What is likeliest to arrive comes first for each person, and {tries}"
        others = ", then ".join(Channel(one).in_sentence for one in self._others)
        moves = f"; after {move} h it moves to {others}" if others else ""
        return f"{begins}{moves}. Nothing is waited for after {end} h."

    @property
    def _others(self) -> list[str]:
        chosen = self._form[self._key("switch")].value()
        return [str(one) for one in chosen or () if str(one) in Channel.values]

    @property
    def _in_use(self) -> set[Channel]:
        return {Channel(one) for one in (self._campaign.channel, *self._others)}

    def _field(self, name: str) -> forms.BoundField:
        return self._form[self._key(name)]
