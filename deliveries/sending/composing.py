"""What a provider is given: the campaign's content with the contact's details in it, and where to report to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings

from campaigns.models import Content, OnMachine
from campaigns.texts import html_for, worded
from contacts.channels import Channel
from deliveries import links, short_links
from deliveries.models import Account, Message
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import HANG_UP, OutboundMessage
from deliveries.providers.kit.signatures import URL_SECRET


def outgoing(
    message: Message,
    content: Content,
    account: Account,
    began: datetime | None = None,
    numbers: Mapping[str, int] | None = None,
) -> OutboundMessage:
    """The message as the provider gets it. Its callback address carries our own reference.

    `numbers`: those of the addresses that are made short, of this campaign (`short_links.numbers`).
    """
    short = short_links.of_message(message.pk, numbers or {})
    words = worded(content, message.contact, short)
    page = links.page(str(message.uuid))
    by_mail = message.channel == Channel.EMAIL
    return OutboundMessage(
        ref=str(message.uuid),
        channel=message.channel,
        to=message.address.value,
        sender=message.sender.value,
        subject=words.subject,
        body=links.below(words.body, page) if by_mail else words.body,
        html=links.below_html(html_for(content, message.contact, short), page) if by_mail else "",
        media_url=content.media_url,
        extra=_extra(message, content, began),
        callback=callback(account, str(message.uuid), message.channel),
    )


def _extra(message: Message, content: Content, began: datetime | None) -> dict[str, str]:
    """What only some handovers need: when one in doubt began, the page that ends such mail, that a call listens for a
    key, and that it hangs up on a machine.

    Every call listens, since whoever is called must be able to end such calls there and then, or ask for more.
    """
    extra = {"since": began.isoformat()} if began else {}
    if message.channel == Channel.EMAIL:
        extra["unsubscribe"] = links.page(str(message.uuid))
    if message.channel != Channel.VOICE:
        return extra
    hangs_up = {"machine": HANG_UP} if content.on_machine == OnMachine.HANG_UP else {}
    return {**extra, "keys": "1", **hangs_up}


def callback(account: Account, ref: str, channel: str) -> str:
    """Where the provider reports on this message; with our secret in it where the provider signs nothing."""
    adapter = PROVIDERS.get(account.provider)
    proof = ""
    if adapter and adapter.proof_field == "url_secret":
        proof = "&" + urlencode({URL_SECRET: str(account.credentials.get("url_secret") or "")})
    return f"{settings.PUBLIC_URL}/hooks/{account.token}/status?m={ref}&c={channel}{proof}"
