"""A shared playbook as a form: a sentence, and a line for each thing that may happen to a message."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from django import forms

from campaigns.models import Playbook
from campaigns.models.playbooks import ChannelOrder
from campaigns.playbook_form import PlaybookForm
from contacts.channels import Channel
from dashboard.playbook_words import (
    LINES,
    NUMBERS,
    ORDERS,
    InSentence,
    SentenceChannels,
    SentencePart,
    in_words,
    number_field,
    retry_parts,
    sentence,
    too_long_pauses,
)

BEGINS = "Try the campaign's own channel."
REPEATED = "What was sent"
LABELS = {
    "retries": "Retries", "retry_window_hours": "Hours in which it is retried",
    "retry_after_hours": "Hours between retries",
    "busy_retries": "Busy: retries", "no_answer_retries": "No answer: retries",
    "mailbox_full_retries": "Mailbox full: retries", "busy_after_minutes": "Busy: minutes between retries",
    "no_answer_after_hours": "No answer: hours between retries",
    "mailbox_full_after_hours": "Mailbox full: hours between retries", "at_risk_hours": "Hours until it is at risk",
    "switch_after_hours": "Hours until it moves to another channel", "switch_to": "Move to",
    "urgent_switch_to": "Urgent: move to", "channel_order": "Order of channels",
    "give_up_hours": "Hours until nothing is waited for", "strikes": "Permanent failures in a row", "name": "Name",
}  # fmt: skip
BY_CALL, BY_MAILBOX = "Calls and voicemail.", "Voicemail and email."


class PlaceInOrder(InSentence):
    """As in the composer, with room for two channels more: here nothing is saved while one chooses."""

    spare = 2


class OutcomeLine(NamedTuple):
    """What may happen to a message: in words, the sentence with its numbers (none where no playbook changes it), and
    what is done about it."""

    title: str
    parts: list[SentencePart]
    says: str


class PlaybookPageForm(PlaybookForm):
    """`given`: what a new one begins with."""

    def __init__(self, data: Any = None, *, instance: Playbook, locked: bool = False) -> None:
        super().__init__(data, instance=instance)
        for name in (*NUMBERS, "at_risk_hours", "strikes"):
            self.fields[name] = number_field(name)
        for name in ("switch_to", "urgent_switch_to"):
            self.fields[name] = SentenceChannels(widget=PlaceInOrder)
            self.fields[name].choices = [(one.value, one.in_sentence) for one in Channel]  # type: ignore[attr-defined]
        self.fields["channel_order"] = forms.ChoiceField(choices=ORDERS, widget=forms.RadioSelect)
        for name, field in self.fields.items():
            field.label, field.help_text, field.disabled = LABELS[name], "", locked
            if isinstance(field, forms.IntegerField):
                field.widget.attrs["aria-label"] = field.label

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name, wrong in too_long_pauses(data):
            self.add_error(name, wrong)
        return data

    @cached_property
    def digest(self) -> str:
        """Of what was typed: what was looked at is what is saved. Needs `is_valid()` to have been true."""
        typed = json.dumps(self.cleaned_data, sort_keys=True, default=str)
        return hashlib.sha256(typed.encode()).hexdigest()[:32]

    # ---- For the template --------------------------------------------------------------------------------------

    @property
    def parts(self) -> list[SentencePart]:
        return sentence(BEGINS, {name: self[name] for name in NUMBERS}, self["switch_to"])

    @property
    def urgent(self) -> list[SentencePart]:
        return [
            SentencePart("In urgent campaigns move to", self["urgent_switch_to"]),
            SentencePart("instead."),
        ]

    @property
    def lines(self) -> list[OutcomeLine]:
        busy, no_answer, full = (retry_parts(line, self[line.times], self[line.pause]) for line in LINES[1:])
        risk = [SentencePart("At risk after", self["at_risk_hours"]), SentencePart("h.")]
        blocked = [SentencePart("Block the address after", self["strikes"]), SentencePart("in a row.")]
        return [
            OutcomeLine(
                "Switched off, no signal, network trouble",
                [],
                "Retried as the sentence says, at the person's permitted hours. Once the retries or their time are used"
                " up, it moves to the next channel; where there is none, it waits under Retry for a colleague.",
            ),
            OutcomeLine("Busy", busy, f"{BY_CALL} Whoever talks is soon free again. Then as above."),
            OutcomeLine("No answer", no_answer, f"{BY_CALL} Best at another time of the day. Then as above."),
            OutcomeLine("Mailbox full", full, f"{BY_MAILBOX} Somebody has to empty it. Then as above."),
            OutcomeLine(
                "Delayed, or no receipt",
                risk,
                "It stands under Watch, and urgent campaigns move on at once. With no receipt for as long as the"
                " sentence says, it counts as unknown: neither delivered nor failed.",
            ),
            OutcomeLine(
                "No such number or mailbox",
                blocked,
                "Never retried there. It moves to the next channel at once, and a colleague is asked to correct it."
                " Some codes block sooner: see Automatic suppression.",
            ),
            OutcomeLine(
                "Refused: content, sender or account",
                [],
                "The same in every playbook: it waits under Review until somebody has fixed it, and never counts"
                " against the person.",
            ),
            OutcomeLine(
                "Opted out",
                [],
                "The same in every playbook: nothing more is sent, and what was planned is withdrawn at once.",
            ),
        ]


def said(playbook: Playbook) -> str:
    """A shared playbook in a sentence."""
    return in_words(playbook.rules, REPEATED, playbook.switch_to, playbook.urgent_switch_to)


class ChangedNumber(NamedTuple):
    label: str
    before: str
    after: str


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[ChangedNumber]:
    """What is another than before, in words; empty where it was made."""
    if not before:
        return []
    return [
        ChangedNumber(LABELS[name], _value(name, before.get(name)), _value(name, after.get(name)))
        for name in LABELS
        if before.get(name) != after.get(name)
    ]


def _value(name: str, value: Any) -> str:
    if isinstance(value, list):
        return ", then ".join(Channel(one).in_sentence for one in value) or "no other channel"
    if name == "channel_order" and value in ChannelOrder.values:
        return dict(ORDERS)[value]
    return str(value)
