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
from datetime import datetime
from typing import Any

import httpx

from deliveries.providers.base import Provider
from deliveries.providers.facts import Act, Call, Fact, Handover, Inbound, LostAnswer, Outgoing, Report
from deliveries.providers.handing_over import post, refused, told
from deliveries.providers.proving import same
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    clean,
    fields_of,
    iso,
    pairs,
    query_of,
    reference,
    with_plus,
    word,
)
from deliveries.providers.twiml import NO_MORE, script

URL = "https://api.plivo.com/v1/Account"
SCRIPT = "s"  # the query field that carries a call's script
PART = re.compile(r"(\d{1,3}) of (\d{1,3})")  # "PartInfo"
MACHINE = "9100"  # hung up because a machine answered
# A receipt's own time is the last of these that it has.
MESSAGE_TIMES = ("DeliveryReportTime", "SentTime", "QueuedTime", "MessageTime")
CALL_TIMES = ("EndTime", "AnswerTime")


class Plivo(Provider):
    slug = "plivo"
    name = "Plivo"
    channels = frozenset({"sms", "mms", "voice"})
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

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query, fields = query_of(call), fields_of(call)
        ref = reference(query)
        if kind == "inbound":
            return [inbound(ref, fields)]
        if kind == "keys":
            digits = word(fields, "Digits", required=False)
            return [Act("key_press", ref, call_id(fields), "voice", address=recipient(fields), text=digits)]
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

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        assert isinstance(client, httpx.AsyncClient)
        voice = message.channel == "voice"
        answer = await post(
            client,
            f"{URL}/{credentials['auth_id']}/{'Call' if voice else 'Message'}/",
            json=call_fields(message) if voice else message_fields(message),
            auth=(credentials["auth_id"], credentials["auth_token"]),
        )
        return answer if isinstance(answer, Handover) else understood(answer)


# ---- the signature ---------------------------------------------------------------------------------------------


def address(call: Call) -> bytes:
    """Where the callback went, without its query: all that version 2 signs."""
    return call.url.partition("#")[0].partition("?")[0].encode("utf-8", "backslashreplace")


def whole(call: Call) -> bytes:
    """What version 3 signs: the address with its query sorted, then the fields of the body, sorted and run together."""
    query = b"&".join(
        name + b"=" + value for name, value in sorted(pairs(call.query.encode("utf-8", "replace")))
    )
    body = b"".join(name + value for name, value in sorted(pairs(call.body))) if call.method != "GET" else b""
    mark = b"?" if query or body else b""
    return address(call) + mark + query + (b"." if query and body else b"") + body


# ---- callbacks -------------------------------------------------------------------------------------------------


def recipient(fields: Mapping[str, str]) -> str:
    return with_plus(word(fields, "To", longest=LONGEST_ADDRESS, required=False))


def call_id(fields: Mapping[str, str]) -> str:
    """The id that our request was answered with, where they tell it."""
    return word(fields, "RequestUUID", "ALegRequestUUID", "CallUUID", longest=LONGEST_ID)


def when(fields: Mapping[str, str], names: tuple[str, ...]) -> datetime | None:
    return next((at for name in names if (at := iso(fields.get(name)))), None)


def message_report(ref: str, hint: str, fields: Mapping[str, str]) -> Report:
    """One receipt; of a long message each part has its own, and all of them name the first as their parent."""
    kind, code = fields.get("Type", ""), word(fields, "ErrorCode", required=False)
    place = PART.fullmatch(fields.get("PartInfo", ""))
    part, parts = (int(place[1]), int(place[2])) if place else (0, 0)
    in_parts = 1 < parts <= 255 and 0 < part <= parts
    return Report(
        ref=ref,
        provider_message_id=word(fields, "ParentMessageUUID", "MessageUUID", longest=LONGEST_ID),
        channel=next((each for each in (kind, hint) if each in ("sms", "mms")), "sms"),
        native_status=word(fields, "Status"),
        native_code=code if code.strip("0") else "",
        part=part if in_parts else 0,
        parts=parts if in_parts else 0,
        occurred_at=when(fields, MESSAGE_TIMES),
        address=recipient(fields),
    )


def call_reports(ref: str, fields: Mapping[str, str]) -> Iterator[Report]:
    """The call's state, and that a machine answered as a fact of its own."""
    if fields.get("Direction") == "inbound":
        return  # somebody calls us
    sid, to, at = call_id(fields), recipient(fields), when(fields, CALL_TIMES)
    code = word(fields, "HangupCauseCode", required=False)
    detecting = fields.get("Event") == "MachineDetection"
    if not detecting:
        text = clean(fields.get("HangupCauseName") or fields.get("HangupCause") or "")
        status = word(fields, "CallStatus")
        yield Report(ref, sid, "voice", status, code, text, address=to, occurred_at=at)
    machine = word(fields, "Machine", required=detecting, longest=32).lower()
    if detecting or machine == "true" or code == MACHINE:
        yield Report(ref, sid, "voice", f"amd:{machine or 'true'}", address=to, occurred_at=at)


def inbound(ref: str, fields: Mapping[str, str]) -> Inbound:
    return Inbound(
        sender=with_plus(word(fields, "From", longest=LONGEST_ADDRESS)),
        recipient=with_plus(word(fields, "To", longest=LONGEST_ADDRESS)),
        channel="mms" if fields.get("Type") == "mms" else "sms",
        text=clean(fields.get("Text", "")),
        ref=ref,
        provider_message_id=word(fields, "MessageUUID", longest=LONGEST_ID),
    )


# ---- handing over ----------------------------------------------------------------------------------------------


def message_fields(message: Outgoing) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "src": message.sender,
        "dst": message.to,
        "type": message.channel,
        "url": message.callback,
        "method": "POST",
    }
    if message.body:
        fields["text"] = message.body
    if message.media_url:
        fields["media_urls"] = [message.media_url]
    return fields


def call_fields(message: Outgoing) -> dict[str, str]:
    """A call that speaks at once; whether it speaks to a machine is told aside."""
    text = script(message, "Speak", "GetInput", inputType="dtmf", redirect="false")
    carried = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return {
        "from": message.sender,
        "to": message.to,
        "answer_url": f"{message.callback_for('script')}&{SCRIPT}={carried}",
        "ring_url": message.callback,
        "hangup_url": message.callback,
        "machine_detection": "true",
        "machine_detection_url": message.callback,
    }


def understood(answer: httpx.Response) -> Handover:
    """Raises LostAnswer when Plivo may have taken it and does not say as what."""
    said = told(answer)
    if answer.is_success:
        sid = said.get("message_uuid") or said.get("request_uuid")
        sid = sid[0] if isinstance(sid, list) else sid
        if not sid:
            raise LostAnswer(f"HTTP {answer.status_code} without an id.")
        return Handover(True, str(sid))
    return refused(f"http:{answer.status_code}", said.get("error"))
