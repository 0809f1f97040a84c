"""What a reply asks for, in the light of what it answers, and what of it a person has to read."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.lookups import Exact

from campaigns.models import Content, Sender
from campaigns.texts import contents_of, worded
from contacts.addresses import match_key, normal_form, region_of
from contacts.among import Among
from contacts.channels import Channel
from contacts.consent_ledger import family_of
from contacts.folding import words
from contacts.keywords import REPLY, YES, Keyword, KeywordTable, Kind, classify
from contacts.models import Address, Reply
from contacts.reply_asks import asks_for
from deliveries import links, short_links
from deliveries.ledger.statements.values import ClaimedReceipt
from deliveries.models import Message
from deliveries.providers.facts import Inbound
from deliveries.receiving.writers import Writer

# A reply so long after a message is no answer to it: what a message offers or asks is over by then.
ANSWERS_WITHIN = timedelta(days=30)
LAST_SENT = 5  # messages that a reply may quote
LONGEST_TEXT = 2_000
Reading = Reply.Reading
READINGS: dict[Kind, Reading] = {
    "stop": Reading.STOP, "start": Reading.START, "help": Reading.HELP, "reply": Reading.OTHER,
}  # fmt: skip
SHORT = 40  # characters, in which a yes stands


def understood(text: Inbound, writer: Writer, table: KeywordTable) -> Keyword:
    """What the text asks for, by the words of `table`. What it only quotes of our last messages asks for nothing."""
    opted_out = words(text.text[:SHORT]) == YES and writer.opted_out
    keyword = classify(text.text, text.opt_out_type, opted_out=opted_out, table=table)
    if keyword == REPLY or text.opt_out_type or len(text.text.split()) < 2:
        return keyword  # nothing that could be a quotation
    sent = _texts(_last_sent(writer.values, text.channel))
    return classify(text.text, sent=sent, opted_out=opted_out, table=table) if sent else keyword


def fact_of(text: Inbound, at: datetime) -> str:
    """What an opt-out by this text is recorded for: recorded again, it is the same."""
    return f"reply {at.isoformat()} {zlib.crc32(text.text.encode('utf-8', 'replace')):08x}"


def rows_of(
    waiting: ClaimedReceipt, text: Inbound, keyword: Keyword, kind: Kind, at: datetime, writer: Writer
) -> list[Reply]:
    """A reply as it is kept; `kind` is what was made of it.

    Where the sender may stand for several numbers, one for each: only one of them wrote it.
    """
    # Of several only one opted out.
    doubtful = keyword.review or (keyword.kind == "stop" and writer.guessed)
    reading = Reading.UNSURE if doubtful and kind != "stop" else READINGS[kind]
    to = normal_form(text.recipient, region_of(text.sender, settings.DEFAULT_REGION)) or text.recipient
    asks = asks_for(text.text)
    # Whoever wants nothing more from us asks nothing of us either; that it is somebody else is worth knowing.
    asks = asks if kind != "stop" or asks == Reply.Asks.WRONG else ""
    written_from: Sequence[str] = writer.values or [_plain(text.sender)[:254]]
    return [
        Reply(
            value=values[0],
            values=list(values),
            channel=text.channel,
            text=_plain(text.text)[:LONGEST_TEXT],
            reading=reading,
            doubtful=doubtful,
            found=keyword.found[:80],
            acted=kind == "stop",
            fact=fact_of(text, at),
            receipt_id=waiting.id,
            sender_value=_plain(to)[:254],
            account_id=waiting.account_id,
            message_id=writer.message,
            campaign_id=writer.campaign,
            at=at,
            asks=asks,
        )
        for values in ([[each] for each in written_from] if writer.guessed else [written_from])
    ]


def keep(rows: Sequence[Reply]) -> set[int]:
    """Keep these replies, each with the message that it answers. Kept once more, they stay as they are.

    Returns the messages answered."""
    if not rows:
        return set()
    senders = {match_key(value): value for value in Sender.objects.values_list("value", flat=True)}
    for row in rows:
        row.sender_value = senders.get(match_key(row.sender_value), row.sender_value)
    Reply.objects.bulk_create(rows, ignore_conflicts=True)
    facts = {row.fact for row in rows if row.message_id is None}
    theirs = Reply.objects.filter(
        Among("value", {row.value for row in rows}), Among("fact", facts), message_id=None
    )
    for family in {tuple(family_of(row.channel)) for row in rows}:
        find_answered(theirs, family)
    kept = Reply.objects.filter(
        Among("value", {row.value for row in rows}), Among("fact", {row.fact for row in rows})
    )
    return {pk for pk in kept.values_list("message_id", flat=True) if pk}


def find_answered(replies: QuerySet[Reply], channels: Sequence[str]) -> None:
    """Give each of `replies` on `channels` the message that it answers, where there is one; one statement.

    That is the last one handed over, within ANSWERS_WITHIN before it was written, to the address that it came from,
    from the sender that it was written to; from any, where the provider does not say which that was.
    """
    to_sender = Q(sender__value=OuterRef("sender_value")) | Q(Exact(OuterRef("sender_value"), Value("")))
    sent = Message.objects.filter(
        to_sender,
        contact__addresses__match_key=OuterRef("match_key"),
        address_id=F("contact__addresses__id"),
        channel__in=channels,
        handed_over_at__lte=OuterRef("at"),
        handed_over_at__gt=OuterRef("at") - ANSWERS_WITHIN,
    ).order_by("-handed_over_at", "-pk")
    replies.filter(channel__in=channels).exclude(match_key="").update(
        message_id=Subquery(sent.values("pk")[:1]), campaign_id=Subquery(sent.values("campaign_id")[:1])
    )


def _plain(text: str) -> str:
    return text.replace("\x00", "")


def _texts(messages: Sequence[Message]) -> list[str]:
    contents = contents_of(message.campaign_id for message in messages)
    numbers = short_links.numbers(contents.values())
    found = [(contents.get((each.campaign_id, each.channel)), each) for each in messages]
    return [
        text
        for content, message in found
        if content
        for text in _as_sent(content, message, numbers.get(message.campaign_id, {}))
        if text
    ]


def _as_sent(content: Content, message: Message, numbers: Mapping[str, int]) -> tuple[str, str]:
    subject, body = worded(content, message.contact, short_links.of_message(message.pk, numbers))
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
