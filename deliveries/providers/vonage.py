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
from textwrap import wrap
from typing import Any
from uuid import uuid4

import httpx
import jwt

from deliveries.providers.base import Provider
from deliveries.providers.facts import (
    Act,
    Call,
    Fact,
    Handover,
    Inbound,
    LostAnswer,
    Outgoing,
    Report,
    Unreadable,
)
from deliveries.providers.handing_over import post, refused, retry_after, told
from deliveries.providers.proving import URL_SECRET, digest, fresh, same, token
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    LONGEST_WORD,
    clean,
    fields_of,
    inside,
    is_json,
    iso,
    json_object,
    query_of,
    reference,
    stamp,
    with_plus,
    word,
)

URL = "https://api.nexmo.com/v1"
OURS = {"m", "c", URL_SECRET}  # the fields of our own in a callback address
# How long Vonage tries again; whether it signs anew each time it does not say.
RETRIES, RECEIPT_RETRIES = timedelta(hours=25), timedelta(hours=73)
DIGESTS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by the length of a signature in hex
LONGEST_REF = 100
CODE = re.compile(r"[\w.-]{1,64}", re.ASCII)
# Events of a call that tell nothing about reaching somebody: recordings, transfers, mistakes in a script.
ASIDE = {"recording_url", "conversation_uuid_to", "reason"}
COME_BACK = {"1000"}  # not a refusal of the message: throttled
TOKEN_LIFE = timedelta(minutes=5)
PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.+)-----END \1-----", re.DOTALL)


class Vonage(Provider):
    slug = "vonage"
    name = "Vonage"
    channels = frozenset({"sms", "mms", "voice"})
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

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query = query_of(call)
        said = json_object(call.body) if is_json(call) and call.method != "GET" else fields_of(call)
        own = word(said, "client_ref", "client-ref", longest=LONGEST_REF, required=False)
        ref, hint = reference(query) or reference({"m": own}), query.get("c", "")
        if kind == "inbound":
            return [inbound(ref, said)]
        if said.get("message_uuid"):
            return [message_report(ref, hint, said)]
        if said.get("messageId"):
            return [receipt(ref, said)]
        return list(call_facts(ref, said))

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        assert isinstance(client, httpx.AsyncClient)
        if message.channel == "voice":
            try:
                passport = application_token(credentials)
            except (KeyError, ValueError, TypeError, jwt.PyJWTError) as problem:
                return refused(
                    "not_configured", f"Calls need the application's id and private key: {problem!r}"
                )
            headers = {"authorization": f"Bearer {passport}"}
            answer = await post(client, f"{URL}/calls", json=call_fields(message), headers=headers)
        else:
            auth = (credentials["api_key"], credentials["api_secret"])
            answer = await post(client, f"{URL}/messages", json=message_fields(message), auth=auth)
        return answer if isinstance(answer, Handover) else understood(answer)


# ---- proof -----------------------------------------------------------------------------------------------------


def payload(call: Call) -> bytes:
    """What a token vouches for: the body, or the fields of a GET written as JSON in their order."""
    if call.method != "GET":
        return call.body
    fields = query_of(call)
    ordered = {name: fields[name] for name in reversed(fields)}  # the reading of forms turns them around
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
        made = [hmac.digest(key, raw, algorithm).hex()]
        if algorithm == "md5":
            made.append(
                hashlib.md5(raw + key, usedforsecurity=False).hexdigest()
            )  # their default, not our choice
        if any(same(one, given) for one in made):
            return True
    return False


# ---- callbacks -------------------------------------------------------------------------------------------------


def number(fields: Mapping[str, Any], name: str) -> str:
    return with_plus(word(fields, name, longest=LONGEST_ADDRESS, required=False))


def error_code(error: Mapping[str, Any]) -> str:
    """The number in a problem's title or behind the # of its type, else the word there."""
    title, fragment = str(error.get("title") or ""), str(error.get("type") or "").rpartition("#")[2]
    numbers = [text for text in (title, fragment) if CODE.fullmatch(text) and text.isdigit()]
    return next(iter(numbers), fragment if CODE.fullmatch(fragment) else "")


def message_report(ref: str, hint: str, said: dict[str, Any]) -> Report:
    error = inside(said, "error")
    error = inside(error, "error") or error  # as older payloads have it
    channel = word(said, "channel", required=False)
    return Report(
        ref=ref,
        provider_message_id=word(said, "message_uuid", longest=LONGEST_ID),
        channel=next((each for each in (channel, hint) if each in ("sms", "mms")), "sms"),
        native_status=word(said, "status"),
        native_code=error_code(error),
        native_text=clean(str(error.get("detail") or "")),
        occurred_at=iso(said.get("timestamp")),
        address=number(said, "to"),
    )


def receipt(ref: str, said: dict[str, Any]) -> Report:
    """One of the SMS API: each part of a long message has its own, and none says which part it is about."""
    code = word(said, "err-code", required=False)
    return Report(
        ref=ref,
        provider_message_id=word(said, "messageId", longest=LONGEST_ID),
        channel="sms",
        native_status=word(said, "status"),
        native_code=code if code.strip("0") else "",
        occurred_at=pushed_at(said),
        address=number(said, "msisdn"),
    )


def pushed_at(said: Mapping[str, Any]) -> datetime | None:
    at = said.get("message-timestamp")
    return iso(at) or stamp(at, "%Y-%m-%d %H:%M:%S %z")


def call_facts(ref: str, said: dict[str, Any]) -> Iterator[Report | Act]:
    if said.get("direction") == "inbound":
        return  # somebody calls us
    if not said.get("status") and "dtmf" not in said and said.keys() & ASIDE:
        return
    sid, to = word(said, "uuid", "call_uuid", longest=LONGEST_ID), number(said, "to")
    at = iso(said.get("timestamp"))
    if "dtmf" in said:
        pressed = inside(said, "dtmf")
        digits = word(pressed, "digits", required=False)
        if digits or pressed.get("timed_out"):  # else it was speech
            yield Act("key_press", ref, sid, "voice", address=to, text=digits, occurred_at=at)
        return
    status, detail = word(said, "status"), clean(str(said.get("detail") or ""))
    if status in ("human", "machine"):
        heard = word(said, "sub_state", required=False, longest=LONGEST_WORD // 2)
        status = f"amd:{status}/{heard}" if heard else f"amd:{status}"
    code = detail if CODE.fullmatch(detail) else ""
    yield Report(ref, sid, "voice", status, code, "" if code else detail, address=to, occurred_at=at)


def inbound(ref: str, said: dict[str, Any]) -> Inbound:
    """A text of either API. Long ones come in parts from the SMS API, each a text of its own here."""
    channel = word(said, "channel", required=False)
    if channel not in ("", "sms", "mms"):
        raise Unreadable(f"channel: {channel!r} is not one of ours.")
    caption = inside(said, "image").get("caption")
    return Inbound(
        sender=with_plus(word(said, "msisdn", "from", longest=LONGEST_ADDRESS)),
        recipient=number(said, "to"),
        channel=channel or "sms",
        text=clean(str(said.get("text") or caption or "")),
        ref=ref,
        occurred_at=pushed_at(said) or iso(said.get("timestamp")),
        provider_message_id=word(said, "message_uuid", "messageId", longest=LONGEST_ID),
    )


# ---- handing over ----------------------------------------------------------------------------------------------


def bare_number(address: str) -> str:
    """As Vonage wants it, without the plus; names of senders stay."""
    return address.removeprefix("+")


def message_fields(message: Outgoing) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "channel": message.channel,
        "message_type": "text",
        "to": bare_number(message.to),
        "from": bare_number(message.sender),
        "client_ref": message.ref,
        "webhook_url": message.callback,
        "webhook_version": "v1",
    }
    if not message.media_url:
        return {**fields, "text": message.body}
    image = {"url": message.media_url, **({"caption": message.body} if message.body else {})}
    return {**fields, "message_type": "image", "image": image}


def call_fields(message: Outgoing) -> dict[str, Any]:
    """A call that waits for a machine's beep before it speaks."""
    keys = bool(message.extra.get("keys"))
    spoken = {"action": "talk", "text": message.body}
    played = {"action": "stream", "streamUrl": [message.media_url]}
    script: list[dict[str, Any]] = [{**(played if message.media_url else spoken), "bargeIn": keys}]
    if keys:
        asked = {"type": ["dtmf"], "dtmf": {"maxDigits": 1, "timeOut": 10}}
        script.append({"action": "input", **asked, "eventUrl": [message.callback_for("keys")]})
    return {
        "to": [{"type": "phone", "number": bare_number(message.to)}],
        "from": {"type": "phone", "number": bare_number(message.sender)},
        "ncco": script,
        "event_url": [message.callback],
        "event_method": "POST",
        "advanced_machine_detection": {"behavior": "continue", "mode": "detect_beep", "beep_timeout": 45},
    }


def application_token(credentials: Mapping[str, str]) -> str:
    """Raises KeyError, ValueError, TypeError or PyJWTError when the account has no usable key."""
    now = datetime.now(UTC)
    claims = {
        "application_id": credentials["application_id"],
        "iat": now,
        "exp": now + TOKEN_LIFE,
        "jti": str(uuid4()),
    }
    return jwt.encode(claims, as_pasted(credentials["private_key"]), algorithm="RS256")


def as_pasted(key: str) -> str:
    """A key in PEM with its lines put back, which a form of one line has run together."""
    found = PEM.fullmatch(key.replace("\\n", "\n").strip())
    if not found:
        return key
    label, body = found[1], "".join(found[2].split())
    return "\n".join((f"-----BEGIN {label}-----", *wrap(body, 64), f"-----END {label}-----"))


def understood(answer: httpx.Response) -> Handover:
    """Raises LostAnswer when Vonage may have taken it and does not say as what."""
    said = told(answer)
    if answer.is_success:
        sid = said.get("message_uuid") or said.get("uuid")
        if not sid:
            raise LostAnswer(f"HTTP {answer.status_code} without an id.")
        return Handover(True, str(sid))
    code, text = error_code(said), said.get("detail") or said.get("title")
    if code in COME_BACK:
        return Handover(
            False, native_code=code, native_text=clean(str(text)), retry_after=retry_after(answer)
        )
    return refused(code or f"http:{answer.status_code}", text)
