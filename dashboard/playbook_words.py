"""A playbook in words and as a sentence with fields in it: what the composer and the pages of playbooks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from campaigns.models.playbooks import ChannelOrder
from campaigns.playbook_form import ChannelsField, InOrder
from contacts.channels import Channel

NUMBERS = (
    "retries",
    "retry_after_hours",
    "retry_window_hours",
    "busy_retries",
    "busy_after_minutes",
    "no_answer_retries",
    "no_answer_after_hours",
    "mailbox_full_retries",
    "mailbox_full_after_hours",
    "switch_after_hours",
    "give_up_hours",
)


class RetryLine(NamedTuple):
    """What is retried by a line: its name in words, its fields, how often and after which pause, and the channels that
    report it."""

    words: str
    times: str
    pause: str
    channels: frozenset[Channel]

    @property
    def unit(self) -> str:
        return "minutes" if self.pause.endswith("minutes") else "h"


CALLS = frozenset({Channel.VOICE, Channel.RVM})
LINES = (
    RetryLine("A temporary failure", "retries", "retry_after_hours", frozenset(Channel)),
    RetryLine("Busy", "busy_retries", "busy_after_minutes", CALLS),
    RetryLine("No answer", "no_answer_retries", "no_answer_after_hours", CALLS),
    RetryLine(
        "Mailbox full",
        "mailbox_full_retries",
        "mailbox_full_after_hours",
        frozenset({Channel.RVM, Channel.EMAIL}),
    ),
)


class InSentence(InOrder):
    """The chosen channels one after the other, and one more place."""

    use_fieldset = False

    def render(
        self, name: str, value: Any, attrs: Mapping[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        chosen = [str(one) for one in value if one] if isinstance(value, list) else []
        places = [*chosen, ""][: len(list(self.choices)) or 1]
        attrs = dict(attrs or {})
        first = attrs.pop("id", f"id_{name}")
        selects = (
            forms.Select(
                choices=[("", "nothing else" if number else "no other channel"), *self.choices]
            ).render(name, one, {**attrs, "id": _id(first, number), "aria-label": _place(number)}, renderer)
            for number, one in enumerate(places)
        )
        return format_html_join(" ", "{}", ((one,) for one in selects))

    def id_for_label(self, id_: str, index: str | None = None) -> str:
        return id_


def _id(first: str, number: int) -> str:
    return f"{first}_{number}" if number else first


def _place(number: int) -> str:
    return "then to" if number else "move to"


class SentenceChannels(ChannelsField):
    widget = InSentence


class SentencePart(NamedTuple):
    """Words, and the field that follows them; None behind the last."""

    words: str
    field: forms.BoundField | None = None


ORDERS = [
    (ChannelOrder.FIXED.value, "In this order, the same for everybody"),
    (ChannelOrder.BEST_CHANCE.value, "Best chance: for each person, also first, what is likeliest to arrive"),
]
