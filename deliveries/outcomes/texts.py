"""What a message says. Its text is not kept; it is put together again from the version of the content that it left
with (`ContentVersion`), and the contact.

A message said just this, as long as its contact has not changed since. Everything else is said beside the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.urls import reverse

from campaigns.merging import fields
from campaigns.models import Content, ContentVersion
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
    compare: str = ""  # where it is compared with what the campaign says by now; '' where it says the same

    @property
    def is_known(self) -> bool:
        return bool(self.body or self.media_url)


GONE = MessageText(
    "", "", "", "No copy of the text is kept, and the campaign has no content for this channel any more."
)


def texts(messages: Iterable[Message]) -> dict[int, MessageText]:
    """Message id -> what it says. One query, and another where something was changed since; with contact, address and
    sender of each message loaded."""
    messages = list(messages)
    contents = contents_of(message.campaign_id for message in messages)
    kept = _kept(messages, contents)
    found = {}
    for message in messages:
        content = contents.get((message.campaign_id, message.channel))
        version = kept.get((content.pk, message.content_version)) if content else None
        found[message.pk] = _text(message, content, version)
    return found


def _kept(
    messages: Iterable[Message], contents: Mapping[tuple[int, str], Content]
) -> dict[tuple[int, int], ContentVersion]:
    """(content, number) -> what messages left with that is not said any more."""
    wanted = {
        (content.pk, message.content_version)
        for message in messages
        if (content := contents.get((message.campaign_id, message.channel)))
        and message.content_version != content.version
        and _left(message)
    }
    if not wanted:
        return {}
    ids, numbers = ({one[n] for one in wanted} for n in (0, 1))
    rows = ContentVersion.objects.filter(content__in=ids, number__in=numbers)
    return {(row.content_id, row.number): row for row in rows}


def _left(message: Message) -> bool:
    return not message.canceled_at and message.status != Status.QUEUED


def _text(message: Message, content: Content | None, kept: ContentVersion | None) -> MessageText:
    if content is None:
        return GONE
    said = kept or content
    text = worded(said, message.contact)
    # Whoever has the link itself speaks for the person.
    body = links.below(text.body, "(their own link)") if message.channel == Channel.EMAIL else text.body
    number = kept.number if kept else content.version
    compare = ""
    if kept:
        page = reverse("campaigns:wordings", args=[content.campaign.slug, content.channel])
        compare = f"{page}?from={number}&to={content.version}"
    return MessageText(text.subject, body, said.media_url, _caveat(message, said, number), compare)


def _caveat(message: Message, said: Content | ContentVersion, number: int) -> str:
    if message.canceled_at:
        return "It never left. This is what it would say today."
    if message.status == Status.QUEUED:
        return "It has not left yet. This is what it would say today."
    if message.content_version != number:
        return (
            f"The text was changed since this message was made with version {message.content_version}, and of what "
            f"it said no copy is kept. This is version {number}, with today's details of the contact."
        )
    filled_in = message.handed_over_at or message.created_at
    if fields(said.subject + said.body) and message.contact.updated_at > filled_in:
        return "With today's details of the contact."  # what was saved since may be none of those in the text
    return ""
