"""Twilio: SMS, MMS and calls. https://www.twilio.com/docs/messaging and https://www.twilio.com/docs/voice."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from django.conf import settings

from deliveries.providers.base import Provider
from deliveries.providers.facts import (
    Act,
    Call,
    Inbound,
    LostAnswer,
    OutboundMessage,
    Report,
    SendResult,
    Unreadable,
)
from deliveries.providers.kit.client import HttpClient
from deliveries.providers.kit.http import accepted, look_up
from deliveries.providers.kit.parsing import FieldReader, fields_of, form, is_json, pairs, query_of, reference
from deliveries.providers.kit.signatures import same, with_headers
from deliveries.providers.kit.twiml import NO_MORE, call_reports, call_text, key_press, script

DEFAULT_PORTS = {"http": ":80", "https": ":443"}
OPT_OUT_TYPES = {"STOP", "START", "HELP"}


class Twilio(Provider):
    slug = "twilio"
    name = "Twilio"
    channels = frozenset({"sms", "mms", "voice"})
    credential_fields = {"account_sid": "Account SID", "auth_token": "Auth token"}
    proof_field = "auth_token"
    kinds = frozenset({"status", "amd", "keys", "inbound"})
    tables = ("twilio", "sip")
    headers_kept = Provider.headers_kept | {"i-twilio-idempotency-token"}
    answers_keywords = True  # "Default opt-out keywords"; advanced opt-out as well
    come_back = frozenset({"20429", "21611"})  # the account's rate limit, the sender's queue
    sender_busy = frozenset({"21611"})
    handset_words = frozenset({"amd:human", "read"})

    # ---- receiving ---------------------------------------------------------------------------------------

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        token = str(credentials.get("auth_token") or "")
        given = call.headers.get("x-twilio-signature", "")
        if not token or not given:
            return False
        if is_json(call):
            if not body_digest_matches(call):
                return False
            signed = b""
        else:
            signed = signed_fields(call.body)
        key, sent = encoded(token), encoded(given)
        return any(same(signature(key, url, signed), sent) for url in spellings(call.url))

    def sign(self, call: Call, credentials: Mapping[str, str]) -> Call | None:
        token = str(credentials.get("auth_token") or "")
        if not token:
            return None
        made = signature(encoded(token), call.url, signed_fields(call.body)).decode()
        return with_headers(call, {"x-twilio-signature": made})

    def parse(self, kind: str, call: Call) -> list[Report | Inbound | Act]:
        query, fields = query_of(call), fields_of(call)
        ref = reference(query.get("m"))
        if kind in ("status", "amd"):
            return list(reports(ref, query.get("c", ""), fields))
        if kind == "keys":
            return [key_press(ref, fields)]
        if kind == "inbound":
            return list(inbound(ref, fields))
        raise Unreadable(f"kind: {kind!r} is not one of status, amd, keys, inbound.")

    def reply(self, kind: str, call: Call) -> tuple[str, bytes]:
        return NO_MORE if kind == "keys" else super().reply(kind, call)

    # ---- sending -----------------------------------------------------------------------------------------

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
        voice = message.channel == "voice"
        return {
            "url": resource(credentials, "Calls" if voice else "Messages"),
            "data": call_fields(message) if voice else message_fields(message),
            "auth": (credentials["account_sid"], credentials["auth_token"]),
        }

    def taken(self, answer: FieldReader) -> SendResult:
        return accepted(answer.get("sid"), answer.get("num_segments"))

    async def find(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult | None:
        """The one message with this text that Twilio made for this pair of numbers since the handover began.

        `message.extra["since"]` (ISO) says when that was; without it, since midnight UTC. Calls carry no text to
        tell them apart, and a message that is not listed yet may still come: both are None.
        """
        if message.channel == "voice":
            return None
        since = since_when(message)
        answer = await look_up(
            client,
            resource(credentials, "Messages"),
            params={"To": message.to, "From": message.sender, "DateSent>": since.strftime("%Y-%m-%d")},
            auth=(credentials["account_sid"], credentials["auth_token"]),
        )
        try:
            listed = answer["messages"] if answer else []
            matching = [item for item in listed if item["body"] == message.body and made_at(item) >= since]
            return self.taken(FieldReader(matching[0])) if len(matching) == 1 else None
        except (ValueError, KeyError, TypeError, LostAnswer):
            return None


# ---- the signature ---------------------------------------------------------------------------------------


def encoded(text: str) -> bytes:
    """UTF-8 that cannot fail: whatever is no text becomes something that no signature matches."""
    return text.encode("utf-8", "backslashreplace")


def signature(key: bytes, url: str, signed: bytes) -> bytes:
    """Base64 of HMAC-SHA1 over the address and the sorted fields ("Security", Twilio's usage guide)."""
    return base64.b64encode(hmac.digest(key, encoded(url) + signed, "sha1"))


def signed_fields(form_body: bytes) -> bytes:
    """What the signature covers after the address: names sorted, a repeated name with each value once."""
    return b"".join(name + value for name, value in sorted(set(pairs(form_body))))


def spellings(url: str) -> Iterator[str]:
    """The address as given, then with its port left out or the default one put in: Twilio signs either."""
    url = url.partition("#")[0]
    yield url
    scheme, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    bare, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        yield f"{scheme}{separator}{bare}{slash}{path}"
    else:
        yield f"{scheme}{separator}{host}{DEFAULT_PORTS.get(scheme, '')}{slash}{path}"


def body_digest_matches(call: Call) -> bool:
    """A JSON body is signed through its digest, which stands in the signed address."""
    claimed = form(encoded(call.url.partition("#")[0].partition("?")[2])).get("bodySHA256", "")
    return bool(claimed) and same(
        hashlib.sha256(call.body).hexdigest(), claimed.lower().encode("utf-8", "replace")
    )


# ---- the fields ------------------------------------------------------------------------------------------


def media_count(fields: FieldReader) -> int:
    count = fields.get("NumMedia", "")
    return int(count) if count.isascii() and count.isdigit() and len(count) < 4 else 0


def reports(ref: str, hint: str, fields: FieldReader) -> Iterator[Report]:
    if fields.get("CallSid"):
        at = moment(fields.get("Timestamp", ""))
        yield from call_reports(ref, fields, call_code(fields), call_text(fields), at)
        return
    yield Report(
        ref=ref,
        provider_message_id=fields.id("MessageSid", "SmsSid"),
        channel=hint if hint in ("sms", "mms") else "mms" if media_count(fields) else "sms",
        native_status=fields.required_str("MessageStatus", "SmsStatus"),
        native_code=fields.error_code("ErrorCode"),
        native_text=fields.text("ErrorMessage"),
        address=fields.address("To"),
    )


def call_code(fields: FieldReader) -> str:
    """The reason of a failed call: Twilio's own code, else the network's SIP answer."""
    code = fields.error_code("ErrorCode")
    if code:
        return code
    return fields.prefixed_str("sip:", "SipResponseCode") if fields.get("CallStatus") == "failed" else ""


def moment(text: str) -> datetime | None:
    """An RFC 2822 time; None for anything else, since the fact counts without it."""
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def inbound(ref: str, fields: FieldReader) -> Iterator[Inbound]:
    if fields.get("CallSid"):
        return  # somebody calls us: not an answer to a message
    sender = fields.address("From", required=True)
    if ":" in sender:
        raise Unreadable(f"From: {sender.partition(':')[0]!r} is not a channel of ours.")
    keyword = fields.get("OptOutType", "").upper()
    yield Inbound(
        sender=sender,
        recipient=fields.address("To"),
        channel="mms" if media_count(fields) else "sms",
        text=fields.text("Body"),
        ref=ref,
        opt_out_type=keyword if keyword in OPT_OUT_TYPES else "",
        provider_message_id=fields.id("MessageSid", "SmsSid", required=False),
    )


# ---- handing over ----------------------------------------------------------------------------------------


def resource(credentials: Mapping[str, str], name: str) -> str:
    return f"{settings.TWILIO_URL}/2010-04-01/Accounts/{credentials['account_sid']}/{name}.json"


def message_fields(message: OutboundMessage) -> dict[str, str]:
    """Form fields of an SMS, or of an MMS when there is a picture."""
    fields = {"To": message.to, "From": message.sender, "StatusCallback": message.callback}
    if message.body:
        fields["Body"] = message.body
    if message.media_url:
        fields["MediaUrl"] = message.media_url
    return fields


def call_fields(message: OutboundMessage) -> dict[str, str | list[str]]:
    """Form fields of a call that waits for the end of a greeting before it speaks."""
    return {
        "To": message.to,
        "From": message.sender,
        "Twiml": script(message, actionOnEmptyResult="true"),
        "MachineDetection": "DetectMessageEnd",
        "StatusCallback": message.callback,
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
    }


def since_when(message: OutboundMessage) -> datetime:
    """When the handover began, to the second as Twilio tells times."""
    stated = message.extra.get("since", "")
    if stated:
        return datetime.fromisoformat(stated).astimezone(UTC).replace(microsecond=0)
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def made_at(item: Mapping[str, Any]) -> datetime:
    """When Twilio made a listed message. Raises ValueError when it does not say."""
    at = moment(str(item["date_created"]))
    if at is None:
        raise ValueError(item["date_created"])
    return at
