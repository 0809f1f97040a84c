"""Telnyx: SMS, MMS and calls. https://developers.telnyx.com/docs/messaging and https://developers.telnyx.com/docs/voice.

Our calls follow a TeXML script that goes out with the request, because Call Control says and asks nothing without
a command of ours after each event. Its events are understood all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from deliveries.providers.base import Provider
from deliveries.providers.facts import (
    Act,
    Call,
    Fact,
    Inbound,
    OutboundMessage,
    Report,
    SendResult,
    Unreadable,
)
from deliveries.providers.kit.http import accepted, filled, refused
from deliveries.providers.kit.lines import carrier_name, kind_of_line
from deliveries.providers.kit.parsing import (
    FieldReader,
    each,
    fields_of,
    is_json,
    json_object,
    keys_pressed,
    query_of,
    reference,
)
from deliveries.providers.kit.signatures import ed25519, fresh
from deliveries.providers.kit.twiml import NO_MORE, call_reports, call_text, key_press, script

URL = "https://api.telnyx.com/v2"
OUTCOMES = {"message.sent", "message.finalized"}
# Events of Call Control; the others tell how a command went, which concerns nobody here.
CALL_STATES = {"call.initiated", "call.answered", "call.bridged", "call.hangup"}
KEYS, MACHINE = "call.gather.ended", "call.machine."
# Causes of a hangup that say less than the network's own answer, and the answers that say nothing themselves.
VAGUE, MUTE = {"", "unspecified", "normal_clearing", "call_rejected"}, {"", "unspecified", "200", "16"}
LONGEST_CAUSE = 127  # of Q.850; SIP answers are larger


class Telnyx(Provider):
    slug = "telnyx"
    name = "Telnyx"
    channels = frozenset({"sms", "mms", "voice"})
    answers_keywords = True  # "Default opt-in and opt-out messages" of a messaging profile
    credential_fields = {"api_key": "API key"}
    optional_fields = {
        "public_key": "Public key that checks callbacks",
        "account_sid": "Account id, for calls",
        "application_sid": "Id of the TeXML application, for calls",
    }
    proof_field = "public_key"
    refuses_replays = True
    kinds = frozenset({"status", "keys", "inbound"})
    tables = ("telnyx", "sip")
    come_back = frozenset({"10011", "40318"})  # the rate limit, a full queue
    sender_busy = frozenset({"40318"})
    handset_words = frozenset({"amd:human", "amd:human_residence", "amd:human_business"})

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        at = call.headers.get("telnyx-timestamp", "")
        given = call.headers.get("telnyx-signature-ed25519", "")
        signed = f"{at}|".encode("utf-8", "backslashreplace") + call.body
        return fresh(at, call) and ed25519(str(credentials.get("public_key") or ""), given, signed)

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query = query_of(call)
        ref = reference(query.get("m"))
        if not is_json(call):
            return list(texml_facts(ref, kind, fields_of(call)))
        event = json_object(call.body).object_at("data")
        name, at, about = (
            event.required_str("event_type"),
            event.time("occurred_at"),
            event.object_at("payload"),
        )
        if name == "message.received":
            return [inbound(ref, about)]
        if name in OUTCOMES:
            return message_reports(ref, query.get("c", ""), about, at)
        return list(call_facts(ref, name, about, at))

    def reply(self, kind: str, call: Call) -> tuple[str, bytes]:
        return NO_MORE if kind == "keys" else super().reply(kind, call)

    def request(
        self, message: OutboundMessage, credentials: Mapping[str, str]
    ) -> dict[str, Any] | SendResult:
        headers = {"authorization": f"Bearer {credentials['api_key']}"}
        if message.channel != "voice":
            return {"url": f"{URL}/messages", "json": message_fields(message), "headers": headers}
        account, application = credentials.get("account_sid"), credentials.get("application_sid")
        if not account or not application:
            return refused("not_configured", "Calls need the account id and the TeXML application.")
        fields = {"ApplicationSid": application, **call_fields(message)}
        return {"url": f"{URL}/texml/Accounts/{account}/Calls", "json": fields, "headers": headers}

    def taken(self, answer: FieldReader) -> SendResult:
        """A call is answered without an id, as far as is documented: its callbacks name it."""
        made = answer.object_at("data") or answer
        sid = made.get("id") or made.get("call_sid")
        if not sid and made.get("status") == "queued":
            return SendResult(True)
        return accepted(sid, made.get("parts"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        error = answer.first_object("errors")
        return error.get("code"), error.get("detail") or error.get("title")


# ---- callbacks -------------------------------------------------------------------------------------------------


def message_reports(ref: str, hint: str, about: FieldReader, at: datetime | None) -> list[Fact]:
    """One report for each recipient. The error is about those of them that were not reached."""
    everyone = [*about.objects("to"), *about.objects("cc")]
    if not everyone:
        raise Unreadable("to: missing.")
    error, channel, sid = (
        about.first_object("errors"),
        about.optional_str("type").lower() or hint,
        about.id("id"),
    )

    def read(recipient: FieldReader) -> Iterator[Report]:
        failed = FieldReader() if recipient.get("status") == "delivered" else error
        yield Report(
            ref=ref if len(everyone) == 1 else "",
            provider_message_id=sid,
            channel="mms" if channel == "mms" else "sms",
            native_status=recipient.required_str("status"),
            native_code=failed.optional_str("code"),
            native_text=failed.text("title"),
            address=recipient.address("phone_number"),
            occurred_at=at,
            carrier=carrier_name(recipient.get("carrier")),
            line_type=kind_of_line(recipient.get("line_type")),
        )

    return each(everyone, "to", read)


def inbound(ref: str, about: FieldReader) -> Inbound:
    return Inbound(
        sender=about.object_at("from").address("phone_number", required=True),
        recipient=about.first_object("to").address("phone_number"),
        channel="mms" if about.optional_str("type").lower() == "mms" else "sms",
        text=about.text("text"),
        ref=ref,
        occurred_at=about.time("received_at"),
        provider_message_id=about.id("id", required=False),
    )


def call_facts(ref: str, name: str, about: FieldReader, at: datetime | None) -> Iterator[Report | Act]:
    """What an event of Call Control tells about a call of ours."""
    machine = name.startswith(MACHINE)
    if not (machine or name == KEYS or name in CALL_STATES) or about.get("direction") == "incoming":
        return
    to, sid = about.address("to"), about.id("call_control_id")
    report = Report(ref, sid, "voice", name, address=to, occurred_at=at)
    if machine:
        yield report._replace(native_status=about.prefixed_str("amd:", "result", required=True))
    elif name in CALL_STATES:
        yield report._replace(native_code=hangup_code(about, "hangup_cause", "sip_hangup_cause"))
    elif about.get("digits") or about.get("status") == "timeout":  # else they hung up, or a machine answered
        yield keys_pressed(report, about.optional_str("digits"))


def texml_facts(ref: str, kind: str, fields: FieldReader) -> Iterator[Report | Act]:
    at = fields.time("OccurredAt", "Timestamp")
    if kind == "keys":
        yield key_press(ref, fields, at)
    elif fields.get("CallbackSource") != "call-cost-events":
        code = hangup_code(fields, "HangupCause", "SipHangupCause")
        yield from call_reports(ref, fields, code, call_text(fields), at)


def hangup_code(fields: FieldReader, cause_name: str, network_name: str) -> str:
    """Telnyx's word for why a call ended, or the network's answer (SIP, seldom Q.850) where that says more."""
    cause, network = fields.optional_str(cause_name), fields.optional_str(network_name)
    if cause not in VAGUE or network in MUTE or not (network.isascii() and network.isdigit()):
        return cause
    return f"{'q850' if int(network) <= LONGEST_CAUSE else 'sip'}:{network[:9]}"


# ---- handing over ----------------------------------------------------------------------------------------------


def message_fields(message: OutboundMessage) -> dict[str, Any]:
    text = {"from": message.sender, "to": message.to, "text": message.body, "webhook_url": message.callback}
    picture = {"type": "MMS", "media_urls": [message.media_url], "subject": message.subject}
    return filled(text) | (picture if message.media_url else {})


def call_fields(message: OutboundMessage) -> dict[str, str]:
    """A call that waits for the end of a greeting before it speaks."""
    return {
        "To": message.to,
        "From": message.sender,
        "Texml": script(message),
        "MachineDetection": "DetectMessageEnd",
        "StatusCallback": message.callback,
        "StatusCallbackMethod": "POST",
        "StatusCallbackEvent": "initiated ringing answered completed",
    }
