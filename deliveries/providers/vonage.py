"""Vonage: SMS and MMS through its Messages API, calls through its Voice API, and the receipts of its older SMS API.

https://developer.vonage.com/en/messages, https://developer.vonage.com/en/voice and https://developer.vonage.com/en/messaging/sms.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt

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
from deliveries.providers.kit.lines import network_code
from deliveries.providers.kit.parsing import (
    FieldReader,
    fields_of,
    is_json,
    iso,
    json_object,
    keys_pressed,
    query_of,
    reference,
    stamp,
)
from deliveries.providers.kit.signatures import URL_SECRET, digest, fresh, same, token, with_headers

URL = "https://api.nexmo.com/v1"
OURS = {"m", "c", URL_SECRET}  # the fields of our own in a callback address
# How long Vonage tries again; whether it signs anew each time it does not say.
RETRIES, RECEIPT_RETRIES = timedelta(hours=25), timedelta(hours=73)
DIGESTS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by the length of a signature in hex
CODE = re.compile(r"[\w.-]{1,64}", re.ASCII)
# Events of a call that tell nothing about reaching somebody: recordings, transfers, mistakes in a script.
ASIDE = {"recording_url", "conversation_uuid_to", "reason"}
TOKEN_LIFE = timedelta(minutes=5)
PEM = re.compile(r"(-----BEGIN [A-Z ]+-----)(.+)(-----END [A-Z ]+-----)", re.DOTALL)


class Vonage(Provider):
    slug = "vonage"
    name = "Vonage"
    channels = frozenset({"sms", "mms", "voice"})
    hangs_up_on_machines = True
    credential_fields = {
        "api_key": "API key",
        "api_secret": "API secret",
        "signature_secret": "Signature secret, which checks callbacks",
    }
    optional_fields = {
        "application_id": "Application id, for calls",
        "private_key": "Private key of the application, for calls",
    }
    proof_field = "signature_secret"
    kinds = frozenset({"status", "keys", "inbound"})
    come_back = frozenset({"1000"})  # throttled
    handset_words = frozenset({"amd:human", "read"})

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """A signed token over the body, or the SMS API's signature among the fields."""
        secret = str(credentials.get("signature_secret") or "")
        scheme, _, given = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return bool(secret) and fields_signed(call, secret)
        claims = token(given, secret) or {}
        intact = same(digest(payload(call)), str(claims.get("payload_hash")).lower())
        return intact and fresh(str(claims.get("iat")), call, RETRIES)

    def sign(self, call: Call, credentials: Mapping[str, str]) -> Call | None:
        secret = str(credentials.get("signature_secret") or "")
        if not secret:
            return None
        claims = {"iat": int(call.at.timestamp()), "payload_hash": digest(payload(call))}
        return with_headers(call, {"authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"})

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query = query_of(call)
        fields = json_object(call.body) if is_json(call) and call.method != "GET" else fields_of(call)
        ref = reference(query.get("m"), fields.get("client_ref"), fields.get("client-ref"))
        if kind == "inbound":
            return [inbound(ref, fields)]
        if fields.get("message_uuid"):
            return [message_report(ref, query.get("c", ""), fields)]
        if fields.get("messageId"):
            return [receipt(ref, fields)]
        return list(call_facts(ref, fields))

    def request(
        self, message: OutboundMessage, credentials: Mapping[str, str]
    ) -> dict[str, Any] | SendResult:
        if message.channel != "voice":
            auth = (credentials["api_key"], credentials["api_secret"])
            return {"url": f"{URL}/messages", "json": message_fields(message), "auth": auth}
        try:
            headers = {"authorization": f"Bearer {application_token(credentials)}"}
        except (KeyError, ValueError, TypeError, jwt.PyJWTError) as problem:
            text = f"Calls need the application's id and private key: {problem!r}"
            return refused("not_configured", text)
        return {"url": f"{URL}/calls", "json": call_fields(message), "headers": headers}

    def taken(self, answer: FieldReader) -> SendResult:
        return accepted(answer.get("message_uuid") or answer.get("uuid"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return error_code(answer), answer.get("detail") or answer.get("title")


# ---- proof -----------------------------------------------------------------------------------------------------


def payload(call: Call) -> bytes:
    """What a token vouches for: the body, or the fields of a GET written as JSON in their order."""
    if call.method != "GET":
        return call.body
    ordered = dict(reversed(query_of(call).items()))  # the reading of forms turns them around
    return json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def fields_signed(call: Call, secret: str) -> bool:
    """The SMS API's scheme ("Signing messages"): a digest or an HMAC, as the account is set, over the sorted fields.

    In a GET our own fields stand among theirs; whether they are signed is not documented, so both is tried.
    """
    try:
        fields = fields_of(call)
    except Unreadable:
        return False
    given, at = fields.pop("sig", "").lower(), fields.get("timestamp")
    algorithm = DIGESTS.get(len(given))
    if algorithm is None or not fresh(at, call, RECEIPT_RETRIES):
        return False
    key = secret.encode("utf-8", "backslashreplace")
    for signed in (fields, {name: value for name, value in fields.items() if name not in OURS}):
        text = "".join(f"&{name}={re.sub('[&=]', '_', signed[name])}" for name in sorted(signed))
        raw = text.encode("utf-8", "backslashreplace")
        if same(hmac.digest(key, raw, algorithm).hex(), given):
            return True
        # Their default, not our choice.
        if algorithm == "md5" and same(hashlib.md5(raw + key, usedforsecurity=False).hexdigest(), given):
            return True
    return False


# ---- callbacks -------------------------------------------------------------------------------------------------


def error_code(error: FieldReader) -> str:
    """The number in a problem's title or behind the # of its type, else the word there."""
    title, fragment = error.text("title"), error.text("type").rpartition("#")[2]
    codes = [text for text in (title, fragment) if CODE.fullmatch(text)]
    return next((text for text in codes if text.isdigit()), fragment if fragment in codes else "")


def message_report(ref: str, hint: str, fields: FieldReader) -> Report:
    error = fields.object_at("error", "error") or fields.object_at("error")  # the former in older payloads
    channel = fields.optional_str("channel")
    return Report(
        ref=ref,
        provider_message_id=fields.id("message_uuid"),
        channel=next((each for each in (channel, hint) if each in ("sms", "mms")), "sms"),
        native_status=fields.required_str("status"),
        native_code=error_code(error),
        native_text=error.text("detail"),
        occurred_at=fields.time("timestamp"),
        address=fields.phone_number("to"),
        network=network_code(fields.object_at("destination").get("network_code")),
    )


def receipt(ref: str, fields: FieldReader) -> Report:
    """One of the SMS API: each part of a long message has its own, and none says which part it is about."""
    return Report(
        ref=ref,
        provider_message_id=fields.id("messageId"),
        channel="sms",
        native_status=fields.required_str("status"),
        native_code=fields.error_code("err-code"),
        occurred_at=pushed_at(fields),
        address=fields.phone_number("msisdn"),
        network=network_code(fields.get("network-code")),
    )


def pushed_at(fields: FieldReader) -> datetime | None:
    at = fields.get("message-timestamp")
    return iso(at) or stamp(at, "%Y-%m-%d %H:%M:%S %z")


def call_facts(ref: str, fields: FieldReader) -> Iterator[Report | Act]:
    if fields.get("direction") == "inbound":
        return  # somebody calls us
    if not fields.get("status") and "dtmf" not in fields and fields.keys() & ASIDE:
        return
    report = Report(
        ref=ref,
        provider_message_id=fields.id("uuid", "call_uuid"),
        channel="voice",
        native_status="",
        occurred_at=fields.time("timestamp"),
        address=fields.phone_number("to"),
    )
    if "dtmf" in fields:
        pressed = fields.object_at("dtmf")
        digits = pressed.optional_str("digits")
        if digits or pressed.get("timed_out"):  # else it was speech
            yield keys_pressed(report, digits)
        return
    status, detail = fields.required_str("status"), fields.text("detail")
    if status in ("human", "machine"):
        status = fields.prefixed_str(f"amd:{status}/", "sub_state") or f"amd:{status}"
    code = detail if CODE.fullmatch(detail) else ""
    yield report._replace(native_status=status, native_code=code, native_text="" if code else detail)


def inbound(ref: str, fields: FieldReader) -> Inbound:
    """A text of either API. Long ones come in parts from the SMS API, each a text of its own here."""
    channel = fields.optional_str("channel") or "sms"
    if channel not in ("sms", "mms"):
        raise Unreadable(f"channel: {channel!r} is not one of ours.")
    return Inbound(
        sender=fields.phone_number("msisdn", "from", required=True),
        recipient=fields.phone_number("to"),
        channel=channel,
        text=fields.text("text") or fields.object_at("image").text("caption"),
        ref=ref,
        occurred_at=pushed_at(fields) or fields.time("timestamp"),
        provider_message_id=fields.id("message_uuid", "messageId", required=False),
    )


# ---- handing over ----------------------------------------------------------------------------------------------


def message_fields(message: OutboundMessage) -> dict[str, Any]:
    image = filled({"url": message.media_url, "caption": message.body})
    content = {"image": image} if message.media_url else {"text": message.body}
    return {
        "channel": message.channel,
        "message_type": "image" if message.media_url else "text",
        **content,
        "to": message.to.removeprefix("+"),
        "from": message.sender.removeprefix("+"),
        "client_ref": message.ref,
        "webhook_url": message.callback,
        "webhook_version": "v1",
    }


def call_fields(message: OutboundMessage) -> dict[str, Any]:
    """A call that waits for a machine's beep before it speaks."""
    keys = bool(message.extra.get("keys"))
    spoken = {"action": "talk", "text": message.body}
    played = {"action": "stream", "streamUrl": [message.media_url]}
    script: list[dict[str, Any]] = [{**(played if message.media_url else spoken), "bargeIn": keys}]
    if keys:
        asked = {"type": ["dtmf"], "dtmf": {"maxDigits": 1, "timeOut": 10}}
        script.append({"action": "input", **asked, "eventUrl": [message.callback_for("keys")]})
    return {
        "to": [{"type": "phone", "number": message.to.removeprefix("+")}],
        "from": {"type": "phone", "number": message.sender.removeprefix("+")},
        "ncco": script,
        "event_url": [message.callback],
        "event_method": "POST",
        "advanced_machine_detection": {"behavior": "hangup", "mode": "detect"}
        if message.hangs_up
        else {"behavior": "continue", "mode": "detect_beep", "beep_timeout": 45},
    }


def application_token(credentials: Mapping[str, str]) -> str:
    """Raises KeyError, ValueError, TypeError or PyJWTError when the account has no usable key."""
    now = datetime.now(UTC)
    claims = {"application_id": credentials["application_id"], "jti": str(uuid4())}
    times = {"iat": now, "exp": now + TOKEN_LIFE}
    return jwt.encode(claims | times, as_pasted(credentials["private_key"]), algorithm="RS256")


def as_pasted(key: str) -> str:
    """A key in PEM with its lines put back, which a form of one line has run together."""
    found = PEM.fullmatch(key.replace("\\n", "\n").strip())
    return f"{found[1]}\n{''.join(found[2].split())}\n{found[3]}" if found else key
