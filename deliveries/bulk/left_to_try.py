"""What is left to try for people whom nothing reached: by the rules that a retry or a change of channel is judged by.

What a list says can be tried is what the act would do then: both ask `judge`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.utils import timezone

from campaigns.models import Recipient
from contacts.channels import Channel
from deliveries.bulk.previewing import Action, Judged, judge
from deliveries.deciding.context import load_context
from deliveries.deciding.recipients import load_recipients
from deliveries.models import Message
from deliveries.wording import SKIPS, date_words

State, Step = Recipient.State, Recipient.NextStep
NOT_OVER = {State.OPEN, State.PLANNED}


def left_to_try(messages: Sequence[Message], now: datetime) -> Mapping[int, str]:
    """Message id -> a sentence about its person, of whom it is the last message of one campaign (`recipient` and
    `address` are loaded). A fixed number of queries for each channel, whatever the number of people."""
    sentences = {message.pk: _known(message.recipient) for message in messages}
    asked = [one for one in messages if not sentences[one.pk]]
    if not asked:
        return sentences
    views = load_recipients(sorted({message.recipient_id for message in asked}))
    context = load_context(views, now)
    tried = {view.recipient.pk: {message.channel for message in view.messages} for view in views}
    found: dict[int, list[tuple[str, Judged]]] = {message.pk: [] for message in asked}
    for one in judge(Action.RETRY, asked, views, context, {}, now):
        found[one.message.pk].append((f"{Channel(one.message.channel).in_sentence} again", one))
    for channel in [one for one in Channel if any(one == other for _, other in context.routes)]:
        new = [message for message in asked if channel not in tried.get(message.recipient_id, ())]
        for one in judge(Action.SWITCH, new, views, context, {"channel": channel.value}, now):
            found[one.message.pk].append((channel.in_sentence, one))
    return sentences | {pk: _sentence(options) for pk, options in found.items()}


def _known(recipient: Recipient) -> str:
    """What can be said of somebody without asking; '' where it is to be asked."""
    if recipient.state == State.REACHED:
        by = Channel(recipient.reached_by).in_sentence if recipient.reached_by else "another message"
        return f"Reached by {by}{_on(recipient.reached_at)}."
    if recipient.goes_on_by_itself and recipient.next_step != Step.WAIT:
        return f"{Step(recipient.next_step).label} by itself{_on(recipient.next_step_at)}."
    return "Nothing to do yet: it is not over." if recipient.state in NOT_OVER else ""


def _on(moment: datetime | None) -> str:
    local = timezone.localtime(moment) if moment else None
    return f" on {date_words(local)}, {local:%H:%M}" if local else ""


def _sentence(options: Sequence[tuple[str, Judged]]) -> str:
    possible = [words for words, one in options if not one.skip]
    if possible:
        return f"Left to try: {', '.join(possible)}."
    whys = {SKIPS.get(one.skip, one.skip) for _, one in options}
    if len(whys) == 1:
        return f"Nothing is left to try: {_lower(whys.pop())}."
    each = "; ".join(
        f"{words.removesuffix(' again')}: {_lower(SKIPS.get(one.skip, one.skip))}" for words, one in options
    )
    return f"Nothing is left to try. {each[:1].upper()}{each[1:]}."


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]
