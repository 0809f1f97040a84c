"""Drop Cowboy: ringless voicemail and texts. https://www.dropcowboy.com/developers/api

A result comes to the callback address of its own send: once, unsigned, with our reference. Webhooks are signed and
come again, but carry no reference of ours: they are for what people write (`contact.msg.received`,
`contact.msg.opt_out`). The old API (v1) reports to callback addresses too, with a text in place of a code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Fact, Inbound, OutboundMessage, Report, SendResult
from deliveries.providers.kit.http import accepted
from deliveries.providers.kit.lines import carrier_name, kind_of_line
from deliveries.providers.kit.parsing import (
    LONGEST_WORD,
    FieldReader,
    epoch,
    fields_of,
    json_object,
    query_of,
    reference,
)
from deliveries.providers.kit.signatures import allowed_peer, fresh, signed

BASE = "https://api-v2.dropcowboy.com"
RESULTS = {"contact.rvm.status": "rvm", "contact.sms.status": "sms"}
# Repeats a result, under another drop id, once the recording of the call is ready: only its `dnc` can be news.
PROOF_OF_DELIVERY = "contact.rvm.receipt"
# What people write, with the keyword that the event itself stands for.
INBOUND_EVENTS = {"contact.msg.received": "", "contact.msg.opt": "", "contact.msg.opt_out": "STOP"}


class DropCowboy(Unsigned):
    slug = "drop_cowboy"
    name = "Drop Cowboy"
    channels = frozenset({"rvm", "sms"})
    credential_fields = {"key": "API key", "secret": "API secret"}
    optional_fields = {
        **Unsigned.optional_fields,
        "webhook_secret": "Signing secrets of the webhooks, with commas between",
        "phone_line_id": "Phone line to send from, if not the account's default line",
        "voice_id": "Voice that reads texts out",
    }
    answers_only = ("rejected", "queued")

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        if "x-signature" not in call.headers:
            return super().verify(call, credentials)
        return signed_webhook(call, credentials) and allowed_peer(call, credentials)

    def parse(self, kind: str, call: Call) -> list[Fact]:
        """The body says itself what it is about, whichever of our addresses it came to."""
        body = json_object(call.body) if call.body.lstrip().startswith(b"{") else fields_of(call)
        event = body.optional_str("event")
        if not event:
            query = query_of(call)
            ref = reference(query.get("m"), body.get("foreign_id"))
            return list(outcome(body, ref, channel_of(body, query), body.time("attempt_date")))
        data, at = body.object_at("data"), epoch(body.get("event_at"))
        if event in INBOUND_EVENTS:
            return [inbound(data, INBOUND_EVENTS[event], at)]
        if event == PROOF_OF_DELIVERY:
            return list(opt_out(data, "", "rvm", at))
        return list(outcome(data, "", RESULTS[event], at)) if event in RESULTS else []

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
        """The key that makes it idempotent is known for a day: the same message cannot go out twice."""
        keys = {"x-key": credentials["key"], "x-secret": credentials["secret"]}
        return {
            "url": f"{BASE}/{message.channel}",
            "json": content(message, credentials),
            "headers": keys | {"idempotency-key": message.ref},
        }

    def taken(self, answer: FieldReader) -> SendResult:
        """202 says "in line": nothing has been checked yet."""
        return accepted(answer.get("message_id"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return "", answer.get("detail") or answer.get("title")


def signed_webhook(call: Call, credentials: Mapping[str, str]) -> bool:
    """Each webhook has a secret of its own, so any of them may fit; the time in the header is signed too."""
    at = call.headers.get("x-timestamp", "")
    if call.headers.get("x-signature-version", "v1") != "v1" or not fresh(at, call):
        return False
    text = at.encode("utf-8", "replace") + b"." + call.body
    secrets = str(credentials.get("webhook_secret") or "").split(",")
    return any(signed(call, "x-signature", secret.strip(), text) for secret in secrets)


def channel_of(body: FieldReader, query: FieldReader) -> str:
    named = (body.text("product_code").lower(), query.text("c"))
    return next((channel for channel in named if channel in DropCowboy.channels), "rvm")


def outcome(body: FieldReader, ref: str, channel: str, at: datetime | None) -> Iterator[Fact]:
    status, network = body.required_str("status"), body.object_at("network")
    yield Report(
        ref=ref,
        provider_message_id=body.id("drop_id", required=not ref),
        channel=channel,
        native_status=status,
        native_code=code_of(body),
        native_text=body.text("reason"),
        occurred_at=at,
        address=body.phone_number("phone_number", "to"),
        # A voicemail was left in its box; of a text, "success" says that the carrier accepted it.
        evidence="handed_over" if channel == "sms" and status.lower() == "success" else "",
        carrier=carrier_name(network.get("name")),
        line_type=kind_of_line(network.get("type")),
    )
    yield from opt_out(body, ref, channel, at)


def code_of(body: FieldReader) -> str:
    """The number of the current API; in v1, which has none, the text of the reason."""
    if "reason_code" in body:
        return body.error_code("reason_code")
    reason = " ".join(body.text("reason").split())
    return f"v1/{reason}"[:LONGEST_WORD] if reason else ""


def opt_out(body: FieldReader, ref: str, channel: str, at: datetime | None) -> Iterator[Inbound]:
    """`dnc` says that the person is not to be contacted, whatever became of this message."""
    places = (body, body.object_at("campaign_session", "dispo"))
    if any(str(each.get("dnc")).lower() in ("true", "1") for each in places):
        person, ours = body.phone_number("phone_number", "to", required=True), body.text("from")
        yield Inbound(person, ours, channel, "dnc: true", ref, opt_out_type="STOP", occurred_at=at)


def inbound(data: FieldReader, keyword: str, at: datetime | None) -> Inbound:
    person, ours, text = data.phone_number("from", required=True), data.text("to"), data.text("body")
    return Inbound(person, ours, "sms", text, opt_out_type=keyword, occurred_at=at)


def content(message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {"to": message.to, "foreign_id": message.ref, "callback_url": message.callback}
    if credentials.get("phone_line_id"):
        body["phone_line_id"] = credentials["phone_line_id"]
    elif message.channel == "rvm":
        body["caller_id"] = message.sender  # for accounts with a carrier of their own; others ignore it
    if message.channel == "sms":
        pictures = {"media_urls": [message.media_url]} if message.media_url else {}
        return body | {"body": message.body} | pictures
    if message.media_url:
        return body | {"audio_url": message.media_url}
    return body | {"tts_body": message.body, "voice_id": credentials.get("voice_id") or ""}
