"""Telnyx: SMS, MMS and calls. https://developers.telnyx.com/docs/messaging and https://developers.telnyx.com/docs/voice.

Our calls follow a TeXML script that goes out with the request, because Call Control says and asks nothing without
a command of ours after each event. Its events are understood all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import httpx

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
from deliveries.providers.proving import ed25519, fresh
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    LONGEST_WORD,
    clean,
    each,
    fields_of,
    inside,
    is_json,
    iso,
    json_object,
    objects,
    query_of,
    reference,
    word,
)
from deliveries.providers.twiml import NO_MORE, call_reports, call_text, key_press, script

URL = "https://api.telnyx.com/v2"
OUTCOMES = {"message.sent", "message.finalized"}
CALL_STATES = {"call.initiated", "call.answered", "call.bridged", "call.hangup"}
# Causes of a hangup that say less than the network's own answer, and the answers that say nothing themselves.
VAGUE, MUTE = {"", "unspecified", "normal_clearing", "call_rejected"}, {"", "unspecified", "200", "16"}
LONGEST_CAUSE = 127  # of Q.850; SIP answers are larger
# Not refusals of the message: the rate limit, and the queue, are full for the moment.
COME_BACK = {"10011", "40318"}


class Telnyx(Provider):
    slug = "telnyx"
    name = "Telnyx"
    channels = frozenset({"sms", "mms", "voice"})
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
    handset_words = frozenset({"amd:human", "amd:human_residence", "amd:human_business"})

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        at = call.headers.get("telnyx-timestamp", "")
        given = call.headers.get("telnyx-signature-ed25519", "")
        signed = f"{at}|".encode("utf-8", "backslashreplace") + call.body
        return fresh(at, call) and ed25519(str(credentials.get("public_key") or ""), given, signed)

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query = query_of(call)
        ref = reference(query)
        if not is_json(call):
            return list(texml_facts(ref, kind, fields_of(call)))
        event = inside(json_object(call.body), "data")
        name, at = word(event, "event_type"), iso(event.get("occurred_at"))
        payload = inside(event, "payload")
        if name == "message.received":
            return [inbound(ref, payload)]
        if name in OUTCOMES:
            return message_reports(ref, query.get("c", ""), payload, at)
        return list(call_facts(ref, name, payload, at))

    def reply(self, kind: str, call: Call) -> tuple[str, bytes]:
        return NO_MORE if kind == "keys" else super().reply(kind, call)

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        assert isinstance(client, httpx.AsyncClient)
        voice = message.channel == "voice"
        if voice and not (credentials.get("account_sid") and credentials.get("application_sid")):
            return refused("not_configured", "Calls need the account id and the TeXML application.")
        answer = await post(
            client,
            f"{URL}/texml/Accounts/{credentials['account_sid']}/Calls" if voice else f"{URL}/messages",
            json=call_fields(message, credentials) if voice else message_fields(message),
            headers={"authorization": f"Bearer {credentials['api_key']}"},
        )
        return answer if isinstance(answer, Handover) else understood(answer)


# ---- messages --------------------------------------------------------------------------------------------------


def message_reports(ref: str, hint: str, payload: dict[str, Any], at: datetime | None) -> list[Fact]:
    """One report for each recipient. The errors are about those of them that were not reached."""
    everyone = [*objects(payload.get("to"), "to"), *objects(payload.get("cc"), "cc")]
    if not everyone:
        raise Unreadable("to: missing.")
    error = next(iter(objects(payload.get("errors"), "errors")), {})
    channel = word(payload, "type", required=False).lower() or hint
    sid = word(payload, "id", longest=LONGEST_ID)

    def read(recipient: dict[str, Any]) -> Iterator[Report]:
        status = word(recipient, "status")
        failed = {} if status == "delivered" else error
        yield Report(
            ref=ref if len(everyone) == 1 else "",
            provider_message_id=sid,
            channel="mms" if channel == "mms" else "sms",
            native_status=status,
            native_code=word(failed, "code", required=False),
            native_text=clean(str(failed.get("title") or "")),
            address=word(recipient, "phone_number", longest=LONGEST_ADDRESS, required=False),
            occurred_at=at,
        )

    return each(everyone, "to", read)


def inbound(ref: str, payload: dict[str, Any]) -> Inbound:
    ours = next(iter(objects(payload.get("to"), "to")), {})
    return Inbound(
        sender=word(inside(payload, "from"), "phone_number", longest=LONGEST_ADDRESS),
        recipient=word(ours, "phone_number", longest=LONGEST_ADDRESS, required=False),
        channel="mms" if word(payload, "type", required=False).lower() == "mms" else "sms",
        text=clean(str(payload.get("text") or "")),
        ref=ref,
        occurred_at=iso(payload.get("received_at")),
        provider_message_id=word(payload, "id", longest=LONGEST_ID),
    )


# ---- calls -----------------------------------------------------------------------------------------------------


def call_facts(ref: str, name: str, payload: dict[str, Any], at: datetime | None) -> Iterator[Report | Act]:
    """What an event of Call Control tells. Most tell how a command went, which concerns nobody here."""
    if payload.get("direction") == "incoming":
        return
    machine = name.startswith("call.machine.")
    if not machine and name not in CALL_STATES and name != "call.gather.ended":
        return
    sid = word(payload, "call_control_id", longest=LONGEST_ID)
    to = word(payload, "to", longest=LONGEST_ADDRESS, required=False)
    if machine:
        result = word(payload, "result", longest=LONGEST_WORD - len("amd:"))
        yield Report(ref, sid, "voice", f"amd:{result}", address=to, occurred_at=at)
    elif name in CALL_STATES:
        code = hangup_code(payload, "hangup_cause", "sip_hangup_cause")
        yield Report(ref, sid, "voice", name, code, address=to, occurred_at=at)
    elif (
        payload.get("digits") or payload.get("status") == "timeout"
    ):  # else they hung up, or a machine answered
        digits = word(payload, "digits", required=False)
        yield Act("key_press", ref, sid, "voice", address=to, text=digits, occurred_at=at)


def texml_facts(ref: str, kind: str, fields: Mapping[str, str]) -> Iterator[Report | Act]:
    at = iso(fields.get("OccurredAt") or fields.get("Timestamp"))
    if kind == "keys":
        yield key_press(ref, fields, at)
    elif fields.get("CallbackSource") != "call-cost-events":
        code = hangup_code(fields, "HangupCause", "SipHangupCause")
        yield from call_reports(ref, fields, code, call_text(fields), at)


def hangup_code(fields: Mapping[str, Any], cause_name: str, network_name: str) -> str:
    """Telnyx's word for why a call ended, or the network's answer (SIP, seldom Q.850) where that says more."""
    cause = word(fields, cause_name, required=False)
    network = word(fields, network_name, required=False)
    if cause not in VAGUE or network in MUTE or not (network.isascii() and network.isdigit()):
        return cause
    return f"{'q850' if int(network) <= LONGEST_CAUSE else 'sip'}:{network[:9]}"


# ---- handing over ----------------------------------------------------------------------------------------------


def message_fields(message: Outgoing) -> dict[str, Any]:
    fields: dict[str, Any] = {"from": message.sender, "to": message.to, "webhook_url": message.callback}
    if message.body:
        fields["text"] = message.body
    if message.media_url:
        fields |= {"type": "MMS", "media_urls": [message.media_url], "subject": message.subject}
    return fields


def call_fields(message: Outgoing, credentials: Mapping[str, str]) -> dict[str, str]:
    """A call that waits for the end of a greeting before it speaks."""
    return {
        "ApplicationSid": credentials["application_sid"],
        "To": message.to,
        "From": message.sender,
        "Texml": script(message),
        "MachineDetection": "DetectMessageEnd",
        "StatusCallback": message.callback,
        "StatusCallbackMethod": "POST",
        "StatusCallbackEvent": "initiated ringing answered completed",
    }


def understood(answer: httpx.Response) -> Handover:
    """Raises LostAnswer when Telnyx may have taken it and does not say as what."""
    said = told(answer)
    if answer.is_success:
        made = said["data"] if isinstance(said.get("data"), dict) else said
        sid = (
            made.get("id") or made.get("call_sid") or ""
        )  # a call's is not documented: its callbacks name it
        if not sid and made.get("status") != "queued":
            raise LostAnswer(f"HTTP {answer.status_code} without an id.")
        parts = made.get("parts")
        return Handover(True, str(sid), segments=parts if isinstance(parts, int) and parts > 0 else 1)
    errors = said.get("errors")
    error = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code, text = (
        str(error.get("code") or f"http:{answer.status_code}"),
        error.get("detail") or error.get("title"),
    )
    if code in COME_BACK:
        return Handover(
            False, native_code=code, native_text=clean(str(text)), retry_after=retry_after(answer)
        )
    return refused(code, text)
