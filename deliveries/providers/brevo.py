"""Brevo. https://developers.brevo.com/docs/transactional-webhooks

Events are read as they come: anymail's view takes one at a time, though Brevo can send several, and knows only one
spelling of each name. Replies come from inbound parsing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Fact
from deliveries.providers.kit.anymail_service import AnymailService
from deliveries.providers.kit.email_events import EmailEvent, Lasting, ident, labelled, replied, specific
from deliveries.providers.kit.parsing import FieldReader, epoch, json_objects

CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
LASTING: dict[str, Lasting] = {"hard_bounce": "permanent", "soft_bounce": "temporary"}


class Brevo(AnymailService, Unsigned):
    slug = "brevo"
    name = "Brevo"
    backend = "anymail.backends.brevo.EmailBackend"
    credential_fields = {"api_key": "API key"}
    kinds = frozenset({"status", "inbound"})
    tables = ("brevo", "smtp")

    def parse(self, kind: str, call: Call) -> list[Fact]:
        events = json_objects(call.body)
        if kind == "inbound":
            return [fact for event in events for item in event.objects("items") for fact in inbound(item)]
        return [fact for event in events if "items" not in event for fact in facts(event)]


def facts(event: FieldReader) -> Iterator[Fact]:
    # "hardBounce" is a spelling of hard_bounce.
    event_type = CAPITAL.sub("_", event.required_str("event")).lower()
    # `date` and `ts` follow the account's time zone.
    at = epoch(event.get("ts_epoch")) or epoch(event.get("ts_event"))
    ref, mail_id = labelled(event.get("X-Mailin-custom")), event.get("message-id") or event.get("messageId")
    mail = EmailEvent(ref, ident(mail_id), event.address("email"), at)
    if event_type in ("click", "clicked"):
        yield mail.act("click", event.text("link"))
    elif event_type in ("open", "opened") or event_type.startswith(
        ("unique_open", "proxy_open", "unique_proxy")
    ):
        yield mail.act("open", machine="proxy" in event_type)
    elif event_type == "list_addition":
        yield mail.wish("START", event_type)
    else:
        text = event.text("reason")
        code = specific(text) if event_type.endswith("bounce") or event_type == "deferred" else ""
        yield mail.report(event_type, code, text, lasting=LASTING.get(event_type, ""))


def inbound(item: FieldReader) -> Iterator[Fact]:
    recipients = item.get("Recipients")
    yield from replied(
        item.object_at("From").address("Address"),
        recipients[0] if isinstance(recipients, list) and recipients else "",
        item.text("Subject"),
        item.text("ExtractedMarkdownMessage", "RawTextBody"),
        {"In-Reply-To": item.text("InReplyTo"), **item.object_at("Headers")},
        message_id=item.get("MessageId"),
    )
