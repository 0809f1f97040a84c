"""What a message says. Its text is not kept; it is put together again from the campaign's content and the contact.

Content has one version at a time, and every change of it makes the next: a message that carried the present one said
just this, as long as its contact has not changed since. Everything else is said beside the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from campaigns.merging import fields
from campaigns.models import Content
from campaigns.texts import contents_of, worded
from contacts.channels import Channel
from deliveries import links
from deliveries.models import Message
from deliveries.statuses import Status


@dataclass(frozen=True)
class MessageText:
    subject: str
    body: str
    media_url: str
    caveat: str  # how it may differ from what was handed over; '' when it is exactly that

    @property
    def is_known(self) -> bool:
        return bool(self.body or self.media_url)


GONE = MessageText(
    "", "", "", "No copy of the text is kept, and the campaign has no content for this channel any more."
)


def texts(messages: Iterable[Message]) -> dict[int, MessageText]:
    """Message id -> what it says. One query, with contact, address and sender of each message loaded."""
    messages = list(messages)
    contents = contents_of(message.campaign_id for message in messages)
    return {m.pk: _text(m, contents.get((m.campaign_id, m.channel))) for m in messages}


def _text(message: Message, content: Content | None) -> MessageText:
    if content is None:
        return GONE
    text = worded(content, message.contact)
    # Whoever has the link itself speaks for the person.
    body = links.below(text.body, "(their own link)") if message.channel == Channel.EMAIL else text.body
    return MessageText(text.subject, body, content.media_url, _caveat(message, content))


def _caveat(message: Message, content: Content) -> str:
    if message.canceled_at:
        return "It never left. This is what it would say today."
    if message.status == Status.QUEUED:
        return "It has not left yet. This is what it would say today."
    if message.content_version != content.version:
        return (
            f"The text was changed since this message was made with version {message.content_version}, and of what "
            f"it said no copy is kept. This is version {content.version}, with today's details of the contact."
        )
    filled_in = message.handed_over_at or message.created_at
    if fields(content.subject + content.body) and message.contact.updated_at > filled_in:
        return "With today's details of the contact."  # what was saved since may be none of those in the text
    return ""
