"""Plivo: SMS, MMS and calls. https://www.plivo.com/docs/messaging and https://www.plivo.com/docs/voice.

A call asks our `script` address what to say. The script itself stands in that address, so that nothing has to be
looked up while somebody holds the phone to their ear.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deliveries.providers.base import Provider
from deliveries.providers.facts import Call, Fact, Inbound, OutboundMessage, Report, SendResult
from deliveries.providers.kit.http import accepted, filled
from deliveries.providers.kit.lines import network_code
from deliveries.providers.kit.parsing import FieldReader, fields_of, keys_pressed, pairs, query_of, reference
from deliveries.providers.kit.signatures import same, with_headers
from deliveries.providers.kit.twiml import NO_MORE, script

URL = "https://api.plivo.com/v1/Account"
SCRIPT = "s"  # the query field that carries a call's script
PART = re.compile(r"(\d{1,3}) of (\d{1,3})")  # "PartInfo"
MACHINE = "9100"  # hung up because a machine answered


class Plivo(Provider):
    slug = "plivo"
    name = "Plivo"
    channels = frozenset({"sms", "mms", "voice"})
    hangs_up_on_machines = True
    credential_fields = {"auth_id": "Auth ID", "auth_token": "Auth token"}
    proof_field = "auth_token"
    signs_body = False  # version 2, all there is for messages, covers the address alone
    kinds = frozenset({"status", "keys", "script", "inbound"})

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """By version 3 of the signature where there is one: it covers every field."""
        token = str(credentials.get("auth_token") or "").encode("utf-8", "backslashreplace")
        for version, signed, dot in (("v3", whole(call), b"."), ("v2", address(call), b"")):
            given = [call.headers.get(f"x-plivo-signature-{who}{version}", "") for who in ("", "ma-")]
            if any(given):
                nonce = call.headers.get(f"x-plivo-signature-{version}-nonce", "")
                text = signed + dot + nonce.encode("utf-8", "backslashreplace")
                made = base64.b64encode(hmac.digest(token, text, "sha256"))
                offered = ",".join(given).split(",")
                return bool(token and nonce) and any(same(made, one.strip()) for one in offered)
        return False

    def sign(self, call: Call, credentials: Mapping[str, str]) -> Call | None:
        token = str(credentials.get("auth_token") or "")
        if not token:
            return None
        nonce = str(int(call.at.timestamp()))
        made = base64.b64encode(
            hmac.digest(token.encode(), whole(call) + b"." + nonce.encode(), "sha256")
        ).decode()
        return with_headers(call, {"x-plivo-signature-v3-nonce": nonce, "x-plivo-signature-v3": made})

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query, fields = query_of(call), fields_of(call)
        ref = reference(query.get("m"))
        if kind == "inbound":
            return [inbound(ref, fields)]
        if kind == "keys":
            return [keys_pressed(of_call(ref, fields), fields.optional_str("Digits"))]
        if fields.get("CallUUID"):
            return list(call_reports(ref, fields))
        return [message_report(ref, query.get("c", ""), fields)]

    def reply(self, kind: str, call: Call) -> tuple[str, bytes]:
        if kind != "script":
            return super().reply(kind, call)
        carried = query_of(call).get(SCRIPT, "")
        try:
            return NO_MORE[0], base64.urlsafe_b64decode(carried + "=" * (-len(carried) % 4)) or NO_MORE[1]
        except (ValueError, binascii.Error):
            return NO_MORE

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
        voice = message.channel == "voice"
        return {
            "url": f"{URL}/{credentials['auth_id']}/{'Call' if voice else 'Message'}/",
            "json": call_fields(message) if voice else message_fields(message),
            "auth": (credentials["auth_id"], credentials["auth_token"]),
        }

    def taken(self, answer: FieldReader) -> SendResult:
        made = answer.get("message_uuid") or answer.get("request_uuid")
        return accepted(made[0] if isinstance(made, list) else made)

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return "", answer.get("error")


# ---- the signature ---------------------------------------------------------------------------------------------


def address(call: Call) -> bytes:
    """Where the callback went, without its query: all that version 2 signs."""
    return call.url.partition("#")[0].partition("?")[0].encode("utf-8", "backslashreplace")


def whole(call: Call) -> bytes:
    """What version 3 signs: the address with its query sorted, then the fields of the body, sorted and run together."""
    fields = sorted(pairs(call.query.encode("utf-8", "replace")))
    query = b"&".join(name + b"=" + value for name, value in fields)
    body = b"".join(name + value for name, value in sorted(pairs(call.body))) if call.method != "GET" else b""
    mark = b"?" if query or body else b""
    return address(call) + mark + query + (b"." if query and body else b"") + body


# ---- callbacks -------------------------------------------------------------------------------------------------


def message_report(ref: str, hint: str, fields: FieldReader) -> Report:
    """One receipt; of a long message each part has its own, and all of them name the first as their parent."""
    kind, place = fields.get("Type"), PART.fullmatch(fields.get("PartInfo", ""))
    part, parts = map(int, place.groups()) if place else (0, 0)
    in_parts = 1 < parts <= 255 and 0 < part <= parts
    return Report(
        ref=ref,
        provider_message_id=fields.id("ParentMessageUUID", "MessageUUID"),
        channel=next((each for each in (kind, hint) if each in ("sms", "mms")), "sms"),
        native_status=fields.required_str("Status"),
        native_code=fields.error_code("ErrorCode"),
        part=part if in_parts else 0,
        parts=parts if in_parts else 0,
        occurred_at=fields.time("DeliveryReportTime", "SentTime", "QueuedTime", "MessageTime"),
        address=fields.phone_number("To"),
        network=network_code(fields.get("MCC"), fields.get("MNC")),
    )


def of_call(ref: str, fields: FieldReader) -> Report:
    """What every callback of a call tells; the first id is the one that our request was answered with."""
    sid = fields.id("RequestUUID", "ALegRequestUUID", "CallUUID")
    return Report(ref, sid, "voice", "", address=fields.phone_number("To"))


def call_reports(ref: str, fields: FieldReader) -> Iterator[Report]:
    """The call's state, and that a machine answered as a fact of its own."""
    if fields.get("Direction") == "inbound":
        return  # somebody calls us
    report = of_call(ref, fields)._replace(occurred_at=fields.time("EndTime", "AnswerTime"))
    code, detecting = fields.optional_str("HangupCauseCode"), fields.get("Event") == "MachineDetection"
    if not detecting:
        text = fields.text("HangupCauseName", "HangupCause")
        yield report._replace(
            native_status=fields.required_str("CallStatus"), native_code=code, native_text=text
        )
    who = fields.prefixed_str("amd:", "Machine", required=detecting).lower()
    if detecting or who == "amd:true" or code == MACHINE:
        yield report._replace(native_status=who or "amd:true")


def inbound(ref: str, fields: FieldReader) -> Inbound:
    return Inbound(
        sender=fields.phone_number("From", required=True),
        recipient=fields.phone_number("To"),
        channel="mms" if fields.get("Type") == "mms" else "sms",
        text=fields.text("Text"),
        ref=ref,
        provider_message_id=fields.id("MessageUUID", required=False),
    )


# ---- handing over ----------------------------------------------------------------------------------------------


def message_fields(message: OutboundMessage) -> dict[str, Any]:
    fields = {
        "src": message.sender,
        "dst": message.to,
        "type": message.channel,
        "text": message.body,
        "media_urls": [message.media_url] if message.media_url else [],
        "url": message.callback,
        "method": "POST",
    }
    return filled(fields)


def call_fields(message: OutboundMessage) -> dict[str, str]:
    """A call that speaks at once; whether it speaks to a machine is reported apart."""
    text = script(message, "Speak", "GetInput", inputType="dtmf", redirect="false")
    carried = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return {
        "from": message.sender,
        "to": message.to,
        "answer_url": f"{message.callback_for('script')}&{SCRIPT}={carried}",
        "ring_url": message.callback,
        "hangup_url": message.callback,
        "machine_detection": "hangup" if message.hangs_up else "true",
        "machine_detection_url": message.callback,
    }
