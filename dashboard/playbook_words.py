"""A playbook in words and as a sentence with fields in it: what the composer and the pages of playbooks share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from campaigns.models import Playbook
from campaigns.models.playbooks import ChannelOrder
from campaigns.playbook_form import ChannelsField, InOrder
from contacts.channels import Channel

MOST_STRIKES = 100  # more in a row than any address gets
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
    """The chosen channels one after the other, and `spare` places more."""

    use_fieldset = False
    spare = 1

    def render(
        self, name: str, value: Any, attrs: Mapping[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        chosen = [str(one) for one in value if one] if isinstance(value, list) else []
        places = [*chosen, *[""] * self.spare][: len(list(self.choices)) or 1]
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


def number_field(name: str) -> forms.IntegerField:
    """The field of a number of a playbook, within its limits."""
    field: Any = Playbook._meta.get_field(name)
    limits = {type(one): one.limit_value for one in field.validators if hasattr(one, "limit_value")}
    found = forms.IntegerField(
        label=str(field.verbose_name).capitalize(),
        min_value=limits.get(MinValueValidator, 0),
        max_value=limits.get(MaxValueValidator, MOST_STRIKES),
    )
    found.widget.attrs |= {"class": "number", "aria-label": found.label}
    return found


def too_long_pauses(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name of a field, what is wrong with it): a pause that is longer than all of the time for retries is a mistake,
    as nothing would be retried. `values` by the names of fields; what is missing is not judged."""
    window = values.get("retry_window_hours")
    for line in LINES:
        retries, after = values.get(line.times), values.get(line.pause)
        hours = after / 60 if after and line.unit == "minutes" else after
        if retries and hours and window and hours > window:
            yield (
                line.pause,
                f"{line.words}: a pause of {after} {line.unit} does not fit into {window} h, so nothing would be"
                " retried. Shorten it, or retry for longer.",
            )


def in_words(
    values: Mapping[str, Any], begins: str, others: Sequence[str], urgent: Sequence[str] = ()
) -> str:
    """A playbook in a sentence, but for the lines of its own. `begins`: what is retried; `others`: the channels it
    moves to, in order; `urgent`: those of urgent campaigns, where they are others."""
    times, pause, window, move, end = (
        str(values[name])
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
        "is not retried" if times == "0" else f"is retried {number}, {pause} h apart, for at most {window} h"
    )
    if str(values["channel_order"]) == ChannelOrder.BEST_CHANCE:
        begins = "What is likeliest to arrive comes first for each person, and"
    moves = f"; after {move} h it moves to {_then(others)}" if others else ""
    hurried = f", urgent ones to {_then(urgent)}" if urgent and list(urgent) != list(others) and moves else ""
    return f"{begins} {tries}{moves}{hurried}. Nothing is waited for after {end} h."


def _then(channels: Sequence[str]) -> str:
    return ", then ".join(Channel(one).in_sentence for one in channels)


class SentencePart(NamedTuple):
    """Words, and the field that follows them; None behind the last."""

    words: str
    field: forms.BoundField | None = None


ORDERS = [
    (ChannelOrder.FIXED.value, "In this order, the same for everybody"),
    (ChannelOrder.BEST_CHANCE.value, "Best chance: for each person, also first, what is likeliest to arrive"),
]


def sentence(
    begins: str, names: Mapping[str, forms.BoundField], move: forms.BoundField
) -> list[SentencePart]:
    """Retry [2] times, [4] h apart, for at most [24] h. After [48] h move to [email]; stop waiting after [72] h."""
    return [
        SentencePart(f"{begins} Retry", names["retries"]),
        SentencePart("times,", names["retry_after_hours"]),
        SentencePart("h apart, for at most", names["retry_window_hours"]),
        SentencePart("h. After", names["switch_after_hours"]),
        SentencePart("h move to", move),
        SentencePart("and stop waiting after", names["give_up_hours"]),
        SentencePart("h."),
    ]


def retry_parts(line: RetryLine, times: forms.BoundField, pause: forms.BoundField) -> list[SentencePart]:
    """Busy: retry [2] times, [30] minutes apart."""
    return [
        SentencePart(f"{line.words}: retry", times),
        SentencePart("times,", pause),
        SentencePart(f"{line.unit} apart."),
    ]
