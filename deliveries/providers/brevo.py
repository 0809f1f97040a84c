"""Brevo. https://developers.brevo.com/docs/transactional-webhooks

Events are read as they come: anymail's view takes one at a time, though Brevo can send several, and knows only one
spelling of each name. Replies come from inbound parsing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from deliveries.providers.anymail_service import AnymailService
from deliveries.providers.base import Unsigned
from deliveries.providers.email_events import (
    addressed,
    ident,
    labelled,
    link,
    mailbox,
    replied,
    resubscribed,
    specific,
)
from deliveries.providers.facts import Act, Call, Fact, Report, Unreadable
from deliveries.providers.reading import clean, epoch, json_objects, objects, word

CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
LASTING: dict[str, Literal["permanent", "temporary"]] = {
    "hard_bounce": "permanent",
    "soft_bounce": "temporary",
}


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
            items = [item for event in events for item in objects(event.get("items"), "items")]
            return [fact for item in items for fact in inbound(item)]
        return [fact for event in events if "items" not in event for fact in facts(event)]

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        return str(told.get("code") or ""), str(told.get("message") or "")


def facts(event: Mapping[str, Any]) -> Iterator[Fact]:
    said = CAPITAL.sub("_", word(event, "event")).lower()  # "hardBounce" is a spelling of the same
    address, message_id = (
        addressed(event.get("email")),
        ident(event.get("message-id") or event.get("messageId")),
    )
    ref = labelled(event.get("X-Mailin-custom"))
    # `date` and `ts` follow the account's time zone.
    at = epoch(event.get("ts_epoch")) or epoch(event.get("ts_event"))
    if said in ("opened", "open", "click", "clicked") or said.startswith(
        ("unique_open", "proxy_open", "unique_proxy")
    ):
        what: Literal["open", "click"] = "click" if said.startswith("click") else "open"
        yield Act(
            what, ref, message_id, "email", address, link(event.get("link")), at, machine="proxy" in said
        )
    elif said == "list_addition":
        yield resubscribed(address, said, ref, message_id, at)
    else:
        text = clean(str(event.get("reason") or ""))
        yield Report(
            ref, message_id, "email", said,
            specific(text) if said.endswith("bounce") or said == "deferred" else "", text,
            occurred_at=at, address=address, mailbox=mailbox(address, text), lasting=LASTING.get(said, ""),
        )  # fmt: skip


def inbound(item: Mapping[str, Any]) -> Iterator[Fact]:
    headers = item.get("Headers")
    if headers is not None and not isinstance(headers, dict):
        raise Unreadable("Headers: not an object.")
    sender, recipients = item.get("From"), item.get("Recipients")
    yield from replied(
        sender.get("Address") if isinstance(sender, dict) else sender,
        recipients[0] if isinstance(recipients, list) and recipients else "",
        item.get("Subject"),
        item.get("ExtractedMarkdownMessage") or item.get("RawTextBody"),
        {"In-Reply-To": str(item.get("InReplyTo") or ""), **(headers or {})},
        None,
        message_id=item.get("MessageId"),
    )
