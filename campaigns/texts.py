"""What a campaign says to one person: its content with the person's own details in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from unicodedata import normalize

from campaigns.links import replaced, replaced_in_html
from campaigns.merging import MergedPiece, merge, merge_html, pieces, values_of
from campaigns.models import Content, ContentVersion
from contacts.models import Contact


def contents_of(campaign_ids: Iterable[int]) -> dict[tuple[int, str], Content]:
    """What these campaigns say, by campaign and channel."""
    contents = Content.objects.filter(campaign__in=set(campaign_ids)).select_related("campaign")
    return {(content.campaign_id, content.channel): content for content in contents}


class PersonalText(NamedTuple):
    """What one person reads or hears."""

    subject: str
    body: str


def worded(
    content: Content | ContentVersion, contact: Contact, short: Mapping[str, str] | None = None
) -> PersonalText:
    """The content with this contact's details in it, accents put together with their letters: apart, a text message
    would cost twice as much.

    `short`: the short link that stands for each address in the text. What the contact's own details hold stays.
    """
    values, body = values_of(contact), replaced(content.body, short or {})
    return PersonalText(*(normalize("NFC", merge(text, values)) for text in (content.subject, body)))


def html_for(
    content: Content | ContentVersion, contact: Contact, short: Mapping[str, str] | None = None
) -> str:
    """The HTML beside a mail's text, with this contact's details in it; '' where there is none. Of its addresses, those
    of links alone leave as short ones."""
    return normalize("NFC", merge_html(replaced_in_html(content.html, short or {}), values_of(contact)))


def worded_in_pieces(text: str, contact: Contact) -> list[MergedPiece]:
    """The same of one text, with the contact's own parts kept apart from the author's, and those missing."""
    return [
        MergedPiece(normalize("NFC", piece.text), piece.field) for piece in pieces(text, values_of(contact))
    ]
