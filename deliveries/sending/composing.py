"""What a provider is given: the campaign's content with the contact's details in it, and where to report to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import urlencode

from django.conf import settings

from campaigns.merging import merge, values_of
from campaigns.models import Content
from contacts.channels import Channel
from contacts.models import Contact
from deliveries.models import Account, Message
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import Outgoing
from deliveries.providers.kit.signatures import URL_SECRET


def contents_of(campaign_ids: Iterable[int]) -> dict[tuple[int, str], Content]:
    """What these campaigns say, by campaign and channel."""
    contents = Content.objects.filter(campaign__in=set(campaign_ids))
    return {(content.campaign_id, content.channel): content for content in contents}


class Words(NamedTuple):
    """What one person reads or hears."""

    subject: str
    body: str


def worded(content: Content, contact: Contact) -> Words:
    """The content with this contact's details in it, accents put together with their letters: apart, a text message
    would cost twice as much."""
    values = values_of(contact)
    return Words(*(normalize("NFC", merge(text, values)) for text in (content.subject, content.body)))


def outgoing(message: Message, content: Content, account: Account, began: datetime | None = None) -> Outgoing:
    """The message as the provider gets it. Its callback address carries our own reference."""
    words = worded(content, message.contact)
    return Outgoing(
        ref=str(message.uuid),
        channel=message.channel,
        to=message.address.value,
        sender=message.sender.value,
        subject=words.subject,
        body=words.body,
        media_url=content.media_url,
        extra=_extra(message, began),
        callback=callback(account, message),
    )


def _extra(message: Message, began: datetime | None) -> dict[str, str]:
    """What only some handovers need: when one in doubt began, and that a call listens for a key.

    Every call does, since whoever is called must be able to end such calls there and then (9), or ask for more (1).
    """
    extra = {"since": began.isoformat()} if began else {}
    return {**extra, "keys": "1"} if message.channel == Channel.VOICE else extra


def callback(account: Account, message: Message) -> str:
    """Where the provider reports on this message; with our secret in it where the provider signs nothing."""
    query = {"m": str(message.uuid), "c": message.channel}
    adapter = PROVIDERS.get(account.provider)
    if adapter and adapter.proof_field == "url_secret":
        query[URL_SECRET] = str(account.credentials.get("url_secret") or "")
    return f"{settings.PUBLIC_URL}/hooks/{account.token}/status?{urlencode(query)}"
