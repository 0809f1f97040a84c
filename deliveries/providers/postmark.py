"""Postmark. https://postmarkapp.com/developer/webhooks/webhooks-overview

Events are read as they come: anymail's view knows no more of them than their type, and takes a filter's verdict
("SpamNotification") for a person's complaint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import httpx

from deliveries.providers.anymail_service import AnymailService
from deliveries.providers.base import Unsigned
from deliveries.providers.email_events import (
    LABEL,
    addressed,
    ident,
    labelled,
    link,
    mailbox,
    replied,
    resubscribed,
    specific,
)
from deliveries.providers.facts import Act, Call, Fact, Handover, Inbound, Outgoing, Report
from deliveries.providers.reading import LONGEST_ADDRESS, clean, iso, json_object, objects, word

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
        told = json_object(call.body)
        if kind == "inbound" or ("FromFull" in told and "RecordType" not in told):
            return list(inbound(told))
        return list(facts(told))

    def defaults(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        """Mail to many must not go out by the default stream, which is for single messages."""
        stream = str(credentials.get("message_stream") or "")
        return {"esp_extra": {"MessageStream": stream}} if stream else {}

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        return str(told.get("ErrorCode") or ""), str(told.get("Message") or "")

    async def find(
        self, message: Outgoing, credentials: Mapping[str, str], client: object
    ) -> Handover | None:
        """By our reference among the metadata. A message that is not listed may not be listed yet."""
        assert isinstance(client, httpx.AsyncClient)
        try:
            answer = await client.get(
                SEARCH,
                params={"count": "2", "offset": "0", f"metadata_{LABEL}": message.ref},
                headers={
                    "accept": "application/json",
                    "x-postmark-server-token": credentials["server_token"],
                },
            )
            (found,) = answer.json()["Messages"] if answer.is_success else []
            return Handover(True, provider_message_id=ident(found["MessageID"]))
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None


def facts(told: Mapping[str, Any]) -> Iterator[Fact]:
    said, kind = word(told, "RecordType"), word(told, "Type", required=False)
    if said == "Inbound":
        return
    address = addressed(told.get("Recipient") or told.get("Email"))
    message_id, ref = ident(told.get("MessageID")), labelled(told.get("Metadata"))
    times = (told.get(name) for name in ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt"))
    at = next(filter(None, map(iso, times)), None)
    text = clean(str(told.get("Details") or told.get("Description") or ""))
    if said in ("Open", "Click"):
        what: Literal["open", "click"] = "open" if said == "Open" else "click"
        yield Act(what, ref, message_id, "email", address, link(told.get("OriginalLink")), at)
    elif said == "Bounce" and kind in ANSWERED:
        yield Act("auto_reply", ref, message_id, "email", address, text, at, machine=True)
    elif (said == "Bounce" and kind == "Subscribe") or (
        said == "SubscriptionChange" and told.get("SuppressSending") is False
    ):
        yield resubscribed(address, said, ref, message_id, at)
    elif said == "SubscriptionChange" and not message_id.strip("0-"):
        yield from left(address, told, at)
    else:
        status = said
        if said == "Bounce" and kind in ON_ITS_WAY:
            status = f"Bounce/{kind}"
        elif said == "SubscriptionChange" and told.get("SuppressionReason"):
            status = f"SubscriptionChange/{word(told, 'SuppressionReason')}"
        yield Report(
            ref, message_id, "email", status, code(said, kind, told, text), text,
            occurred_at=at, address=address, mailbox=mailbox(address, text),
            lasting="temporary" if kind == "SoftBounce" else "",
        )  # fmt: skip


def left(address: str, told: Mapping[str, Any], at: datetime | None) -> Iterator[Fact]:
    """A suppression without a message: the person's own wish, or somebody's at the account, which is not ours."""
    reason = word(told, "SuppressionReason", required=False)
    if told.get("Origin") == "Recipient" and reason != "HardBounce":
        sender = word({"Recipient": address}, "Recipient", longest=LONGEST_ADDRESS).lower()
        yield Inbound(sender, "", "email", reason, opt_out_type="STOP", occurred_at=at)


def code(said: str, kind: str, told: Mapping[str, Any], text: str) -> str:
    """Why: the type's number, or the server's code where the type leaves the reason open."""
    found = specific(text) if said == "Bounce" and kind in VAGUE else ""
    return found or (word(told, "TypeCode", required=False) if said in ("Bounce", "SpamComplaint") else "")


def inbound(told: Mapping[str, Any]) -> Iterator[Fact]:
    headers = {
        str(each.get("Name")): str(each.get("Value") or "")
        for each in objects(told.get("Headers"), "Headers")
    }
    if "In-Reply-To" in headers:
        headers["In-Reply-To"] = headers["In-Reply-To"].partition("@")[0]  # <our message's id@mtasv.net>
    sender = told.get("FromFull")
    yield from replied(
        (sender.get("Email") if isinstance(sender, dict) else "") or told.get("From"),
        told.get("OriginalRecipient"),
        told.get("Subject"),
        told.get("StrippedTextReply") or told.get("TextBody"),
        headers,
        None,
        message_id=told.get("MessageID"),
    )
