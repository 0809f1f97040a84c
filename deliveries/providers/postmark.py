"""Postmark. https://postmarkapp.com/developer/webhooks/webhooks-overview

Events are read as they come: anymail's view knows no more of them than their type, and takes a filter's verdict
("SpamNotification") for a person's complaint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Fact, OutboundMessage, SendResult
from deliveries.providers.kit.anymail_service import AnymailService
from deliveries.providers.kit.client import HttpClient
from deliveries.providers.kit.email_events import LABEL, EmailEvent, ident, labelled, replied, specific
from deliveries.providers.kit.http import listed
from deliveries.providers.kit.parsing import FieldReader, json_object

SEARCH = "https://api.postmarkapp.com/messages/outbound"
# Bounces that are none: the message is on its way, or a person or a robot answered it.
ON_ITS_WAY = {"Transient", "DnsError", "ChallengeVerification"}
ANSWERED = {"AutoResponder", "AddressChange"}
VAGUE = {"SoftBounce", "Unknown", "Transient"}


class Postmark(AnymailService, Unsigned):
    slug = "postmark"
    name = "Postmark"
    backend = "anymail.backends.postmark.EmailBackend"
    credential_fields = {"server_token": "Server API token"}
    optional_fields = {**Unsigned.optional_fields, "message_stream": "Message stream, such as broadcast"}
    kinds = frozenset({"status", "inbound"})
    tables = ("postmark", "smtp")

    def parse(self, kind: str, call: Call) -> list[Fact]:
        event = json_object(call.body)
        if kind == "inbound" or ("FromFull" in event and "RecordType" not in event):
            return list(inbound(event))
        return list(facts(event))

    def defaults(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        """Mail to many must not go out by the default stream, which is for single messages."""
        stream = str(credentials.get("message_stream") or "")
        return {"esp_extra": {"MessageStream": stream}} if stream else {}

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return answer.get("ErrorCode"), answer.get("Message")

    async def find(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult | None:
        """By our reference among the metadata. A message that is not listed may not be listed yet."""
        found = await listed(
            client,
            SEARCH,
            "Messages",
            params={"count": "2", "offset": "0", f"metadata_{LABEL}": message.ref},
            headers={"accept": "application/json", "x-postmark-server-token": credentials["server_token"]},
        )
        made = ident(found[0].get("MessageID")) if len(found) == 1 else ""
        return SendResult(True, provider_message_id=made) if made else None


def facts(event: FieldReader) -> Iterator[Fact]:
    record_type, kind, text = (
        event.required_str("RecordType"),
        event.optional_str("Type"),
        event.text("Details", "Description"),
    )
    mail = EmailEvent(
        labelled(event.get("Metadata")),
        ident(event.get("MessageID")),
        event.address("Recipient", "Email"),
        event.time("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt"),
    )
    if record_type == "Inbound":
        return
    if record_type in ("Open", "Click"):
        yield mail.act("open" if record_type == "Open" else "click", event.text("OriginalLink"))
    elif record_type == "Bounce" and kind in ANSWERED:
        yield mail.act("auto_reply", text, machine=True)
    elif kind == "Subscribe" or event.get("SuppressSending") is False:
        yield mail.wish("START", record_type)
    elif record_type == "SubscriptionChange" and not mail.id.strip("0-"):
        # Without a message: the person's own wish, or that of somebody at the account, which is not ours to follow.
        reason = event.optional_str("SuppressionReason")
        if event.get("Origin") == "Recipient" and reason != "HardBounce":
            yield mail._replace(ref="", id="").wish("STOP", reason)
    else:
        status, code = words(record_type, kind, event, text)
        yield mail.report(status, code, text, lasting="temporary" if kind == "SoftBounce" else "")


def words(record_type: str, kind: str, event: FieldReader, text: str) -> tuple[str, str]:
    """What happened, and why: the type's number, or the server's code where the type leaves the reason open."""
    if record_type == "SubscriptionChange":
        return event.prefixed_str("SubscriptionChange/", "SuppressionReason") or record_type, ""
    if record_type not in ("Bounce", "SpamComplaint"):
        return record_type, ""
    status = f"Bounce/{kind}" if record_type == "Bounce" and kind in ON_ITS_WAY else record_type
    found = specific(text) if record_type == "Bounce" and kind in VAGUE else ""
    return status, found or event.optional_str("TypeCode")


def inbound(event: FieldReader) -> Iterator[Fact]:
    headers = {header.text("Name"): header.text("Value") for header in event.objects("Headers")}
    if "In-Reply-To" in headers:
        headers["In-Reply-To"] = headers["In-Reply-To"].partition("@")[0]  # <our message's id@mtasv.net>
    yield from replied(
        event.object_at("FromFull").address("Email") or event.address("From"),
        event.address("OriginalRecipient"),
        event.text("Subject"),
        event.text("StrippedTextReply", "TextBody"),
        headers,
        message_id=event.get("MessageID"),
    )
