"""What a campaign says to one person: its content with the person's own details in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from unicodedata import normalize

from campaigns.merging import merge, values_of
from campaigns.models import Content
from contacts.models import Contact


def contents_of(campaign_ids: Iterable[int]) -> dict[tuple[int, str], Content]:
    """What these campaigns say, by campaign and channel."""
    contents = Content.objects.filter(campaign__in=set(campaign_ids))
    return {(content.campaign_id, content.channel): content for content in contents}


class PersonalText(NamedTuple):
    """What one person reads or hears."""

    subject: str
    body: str


def worded(content: Content, contact: Contact) -> PersonalText:
    """The content with this contact's details in it, accents put together with their letters: apart, a text message
    would cost twice as much."""
    values = values_of(contact)
    return PersonalText(*(normalize("NFC", merge(text, values)) for text in (content.subject, content.body)))
