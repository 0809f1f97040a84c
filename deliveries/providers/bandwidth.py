"""Bandwidth: SMS, MMS and calls. https://dev.bandwidth.com/docs/messaging and https://dev.bandwidth.com/docs/voice.

Messages are reported to the address of the application, not to one of each message: there our reference comes back
in `tag`. A call asks our `answer` address what to say, which is why the words travel in that address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Act, Call, Fact, Inbound, OutboundMessage, Report, SendResult
from deliveries.providers.kit.http import accepted, filled
from deliveries.providers.kit.lines import carrier_name
from deliveries.providers.kit.parsing import (
    FieldReader,
    clean,
    each,
    json_value,
    keys_pressed,
    query_of,
    reference,
)

MESSAGES = "https://messaging.bandwidth.com/api/v2/users/{account_id}/messages"
CALLS = "https://voice.bandwidth.com/api/v2/accounts/{account_id}/calls"
TOLL_FREE = re.compile(r"\+1(800|833|844|855|866|877|888)\d{7}")


class Bandwidth(Unsigned):
    slug = "bandwidth"
    name = "Bandwidth"
    channels = frozenset({"sms", "mms", "voice"})
    credential_fields = {
        "account_id": "Account ID",
        "username": "API user name",
        "password": "API password",
        "application_id": "Messaging application ID",
    }
    optional_fields = {**Unsigned.optional_fields, "voice_application_id": "Voice application ID"}
    kinds = frozenset({"status", "answer", "keys", "inbound"})
    # Words of its list of messages, and of what others begin: no callback reports them about a message of ours.
    answers_only = ("rejected", "accepted", "queued", "sending", "sent", "delivered", "undelivered", "failed",
                    "received", "message-received", "initiate")  # fmt: skip
    handset_words = frozenset({"amd:human"})

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query = query_of(call)
        event = query if call.method == "GET" else json_value(call.body)
        if isinstance(event, dict) and event.get("eventType"):
            return list(call_facts(query, FieldReader(event)))
        return each(event, "body", partial(message_facts, query))

    def reply(self, kind: str, call: Call) -> tuple[str, bytes]:
        """What to say when a call is answered; after the key there is nothing more to say."""
        if kind not in ("answer", "keys"):
            return super().reply(kind, call)
        return "application/xml", f"<Response>{script(query_of(call))}</Response>".encode()

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
        voice = message.channel == "voice"
        return {
            "url": (CALLS if voice else MESSAGES).format(account_id=credentials["account_id"]),
            "json": call_fields(message, credentials) if voice else message_fields(message, credentials),
            "auth": (credentials["username"], credentials["password"]),
        }

    def taken(self, answer: FieldReader) -> SendResult:
        return accepted(answer.get("callId") or answer.get("id"), answer.get("segmentCount"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return answer.get("type"), answer.get("description")


# ---- reading ---------------------------------------------------------------------------------------------


def message_facts(query: FieldReader, event: FieldReader) -> Iterator[Fact]:
    """One element of a messaging callback; of a message to a group every recipient has a callback of their own."""
    kind, text, message = event.required_str("type"), event.text("description"), event.object_at("message")
    if kind == "message-received" or message.get("direction") == "in":
        yield inbound(event, message)
        return
    group = isinstance(message.get("to"), list) and len(message["to"]) > 1
    mms = bool(message.get("media")) or group or query.get("c") == "mms" or "to carrier" in text.lower()
    evidence = proof(text.lower(), str(message.get("from")), mms=mms) if kind == "message-delivered" else ""
    yield Report(
        ref="" if group else reference(query.get("m"), message.get("tag")),
        provider_message_id=message.id("id"),
        channel="mms" if mms else "sms",
        native_status=kind,
        native_code=event.optional_str("errorCode"),
        native_text=text,
        occurred_at=event.time("time"),
        address=event.phone_number("to"),
        evidence=evidence,
        carrier=carrier_name(event.get("carrierName") or message.get("carrierName")),
    )


def proof(text: str, sender: str, *, mms: bool) -> Literal["", "handed_over", "handset"]:
    """What "delivered" proves. Accounts without receipts for MMS are told so at the handover, in other words than ok;
    toll-free numbers get the device's own receipt."""
    if mms:
        return "" if text == "ok" else "handed_over"
    return "handset" if text == "ok" and TOLL_FREE.fullmatch(sender) else ""


def inbound(event: FieldReader, message: FieldReader) -> Inbound:
    return Inbound(
        sender=message.phone_number("from", required=True),
        recipient=message.phone_number("owner") or event.phone_number("to"),
        channel="mms" if message.get("media") else "sms",
        text=message.text("text"),
        occurred_at=message.time("time"),
        provider_message_id=message.id("id", required=False),
    )


def call_facts(query: FieldReader, event: FieldReader) -> Iterator[Report | Act]:
    """What happened in a call of ours; who answered is a fact of its own."""
    if event.get("direction") == "inbound":
        return  # somebody calls us: not an answer to a message
    report = Report(
        ref=reference(query.get("m"), event.get("tag")),
        provider_message_id=event.id("callId"),
        channel="voice",
        native_status=event.required_str("eventType"),
        native_code=event.optional_str("cause"),
        native_text=event.text("errorMessage"),
        occurred_at=event.time("endTime", "eventTime"),
        address=event.phone_number("to"),
    )
    if report.native_status in ("gather", "dtmf"):
        yield keys_pressed(report, event.optional_str("digits", "digit"))
        return
    if report.native_code == "hangup" and event.get("answerTime"):
        yield report._replace(native_status="disconnect:answered")
    elif report.native_status != "machineDetectionComplete":
        yield report
    who = event.object_at("machineDetectionResult")
    if who:
        yield report._replace(native_status=who.prefixed_str("amd:", "value", required=True))


# ---- handing over ----------------------------------------------------------------------------------------


def message_fields(message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
    fields = {
        "applicationId": credentials["application_id"],
        "from": message.sender,
        "to": [message.to],
        "text": message.body,
        "media": [message.media_url] if message.media_url else [],
        "tag": message.ref,
    }
    return filled(fields)


def call_fields(message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
    """A call that speaks at once, while Bandwidth finds out who listens."""
    content = {"play": message.media_url} if message.media_url else {"say": message.body}
    if message.extra.get("keys"):
        content["keys"] = "1"
    return {
        "applicationId": credentials.get("voice_application_id") or credentials["application_id"],
        "from": message.sender,
        "to": message.to,
        "answerUrl": f"{message.callback_for('answer')}&{urlencode(content)}",
        "disconnectUrl": message.callback,
        "machineDetection": {"mode": "async", "callbackUrl": message.callback},
        "tag": message.ref,
    }


def script(query: FieldReader) -> str:
    """BXML for what the address carries; nothing in it, nothing to say."""
    verb = ""
    if query.get("play"):
        verb = f"<PlayAudio>{escape(query['play'])}</PlayAudio>"
    elif query.get("say"):
        verb = f"<SpeakSentence>{escape(clean(query['say']))}</SpeakSentence>"
    if verb and query.get("keys"):
        ours = urlencode({name: query[name] for name in ("m", "c", "k") if name in query})
        verb = f'<Gather gatherUrl={quoteattr(f"keys?{ours}")} maxDigits="1">{verb}</Gather>'
    return verb
