"""What a reply asks for, in the light of what it answers, and what of it a person has to read."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime

from campaigns.models import Content
from campaigns.texts import contents_of, worded
from contacts.addresses import match_key
from contacts.channels import Channel
from contacts.consent_ledger import family_of
from contacts.folding import words
from contacts.keywords import REPLY, YES, Keyword, classify
from contacts.models import Address, Reply
from deliveries import links
from deliveries.ledger.statements.values import ClaimedReceipt
from deliveries.models import Message
from deliveries.providers.facts import Inbound
from deliveries.receiving.writers import Writer

LAST_SENT = 5  # messages that a reply may quote
LONGEST_TEXT = 2_000
SHORT = 40  # characters, in which a yes stands


def understood(text: Inbound, writer: Writer) -> Keyword:
    """What the text asks for. What it only quotes of our last messages asks for nothing."""
    opted_out = words(text.text[:SHORT]) == YES and writer.opted_out
    keyword = classify(text.text, text.opt_out_type, opted_out=opted_out)
    if keyword == REPLY or text.opt_out_type or len(text.text.split()) < 2:
        return keyword  # nothing that could be a quotation
    sent = _texts(_last_sent(writer.values, text.channel))
    return classify(text.text, sent=sent, opted_out=opted_out) if sent else keyword


def fact_of(text: Inbound, at: datetime) -> str:
    """What an opt-out by this text is recorded for: recorded again, it is the same."""
    return f"reply {at.isoformat()} {zlib.crc32(text.text.encode('utf-8', 'replace')):08x}"


def lay_out(waiting: ClaimedReceipt, text: Inbound, keyword: Keyword, at: datetime, writer: Writer) -> None:
    """Lay a doubtful reply before the people who read them; laid there again, it stays as it is.

    Where the sender may stand for several numbers, one for each: only one of them wrote it.
    """
    answered = writer.message or next((each.pk for each in _last_sent(writer.values, text.channel)), None)
    rows = [
        Reply(
            value=values[0],
            values=list(values),
            channel=text.channel,
            text=text.text.replace("\x00", "")[:LONGEST_TEXT],
            found=keyword.found[:80],
            acted=keyword.kind == "stop",
            fact=fact_of(text, at),
            receipt_id=waiting.id,
            message_id=answered,
            at=at,
        )
        for values in ([[each] for each in writer.values] if writer.guessed else [writer.values])
        if values
    ]
    Reply.objects.bulk_create(rows, ignore_conflicts=True)


def _texts(messages: Sequence[Message]) -> list[str]:
    contents = contents_of(message.campaign_id for message in messages)
    found = [(contents.get((each.campaign_id, each.channel)), each) for each in messages]
    return [text for content, message in found if content for text in _as_sent(content, message) if text]


def _as_sent(content: Content, message: Message) -> tuple[str, str]:
    subject, body = worded(content, message.contact)
    by_mail = message.channel == Channel.EMAIL
    return subject, links.below(body, links.page(str(message.uuid))) if by_mail else body


def _last_sent(values: Sequence[str], channel: str) -> list[Message]:
    """The last messages of ours to these addresses on the channel or its sibling, the newest first."""
    keys = {match_key(value) for value in values}
    theirs = Address.objects.filter(match_key__in=keys).exclude(value="")
    sent = Message.objects.filter(
        contact__in=theirs.values("contact"),
        address__in=theirs.values("pk"),
        channel__in=family_of(channel),
        handed_over_at__isnull=False,
    )
    return list(sent.select_related("contact", "address", "sender").order_by("-pk")[:LAST_SENT])
