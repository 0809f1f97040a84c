"""Infobip: SMS and voice messages. https://www.infobip.com/docs/api/channels/sms and .../channels/voice.

Reports name a status and an error by number. In those of calls `permanent` is true even for an answered call, and
"delivered to handset" may come with "no answer": there the error is read first and the flag is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Literal

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import (
    Act,
    Call,
    Fact,
    Inbound,
    OutboundMessage,
    Report,
    SendResult,
)
from deliveries.providers.kit.client import HttpClient
from deliveries.providers.kit.http import accepted, look_up
from deliveries.providers.kit.lines import network_code
from deliveries.providers.kit.parsing import (
    FieldReader,
    clean,
    each,
    json_object,
    keys_pressed,
    query_of,
    reference,
)

# Statuses known by number; others are read by the name of their group. A test compares them with the code table.
NUMBERS = frozenset(map(str, (*range(2, 16), *range(17, 22), 23, 24, 25, 26, 29, 51, 52)))
TO_HANDSET = "5"
DELIVERED = frozenset({TO_HANDSET, "DELIVERED"})
# Errors of calls have numbers from 10000 since October 2024, and are the same in all voice products by name.
NAMED_FROM = 10_000
ANSWERED = frozenset({"", "5000", "5001", "10000", "NORMAL_HANGUP", "MACHINE_DETECTED"})
ANSWERED_BY_MACHINE = frozenset({"5001", "MACHINE_DETECTED"})
NO_ERROR = "NO_ERROR"
DUPLICATE = "23"  # the id was used before: the message is there already
REFUSALS = frozenset({"UNDELIVERABLE", "EXPIRED", "REJECTED"})


class Infobip(Unsigned):
    slug = "infobip"
    name = "Infobip"
    channels = frozenset({"sms", "voice"})
    hangs_up_on_machines = True
    credential_fields = {"base_url": "Base URL of the account (xxxxx.api.infobip.com)", "api_key": "API key"}
    handset_words = frozenset({"amd:human"})

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query, body = query_of(call), json_object(call.body)
        ref = reference(query.get("m"))
        if "callId" in body:
            return list(call_facts(ref, body))
        results = body.get("results", [body])
        # What is reported of several messages at once concerns none of them by the address.
        ref = ref if isinstance(results, list) and len(results) == 1 else ""
        return each(results, "results", partial(result_facts, ref, query.get("c") == "voice"))

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
        """Our reference is the message's id: sent twice, it is refused as a duplicate and thus was taken."""
        voice = message.channel == "voice"
        return {
            "url": resource(credentials, "/tts/3/advanced" if voice else "/sms/3/messages"),
            "json": {"messages": [call_fields(message) if voice else text_fields(message)]},
            "headers": authorization(credentials),
        }

    def taken(self, answer: FieldReader) -> SendResult:
        """An answer about the message: taken, or refused at once with a status like those of reports."""
        made = answer.first_object("messages")
        status = made.object_at("status")
        found, group = status_word(status), status.optional_str("groupName").upper()
        if made.get("messageId") and group in REFUSALS and found != DUPLICATE:
            return SendResult(False, native_status=found, native_text=status.text("description"))
        return accepted(made.get("messageId"), made.object_at("details").get("messageCount"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        """In the words of this API or of those before it."""
        answer = answer.object_at("requestError", "serviceException") or answer
        code = answer.get("errorCode") or answer.get("messageId")
        return code, answer.get("description") or answer.get("text")

    async def find(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult | None:
        """By our reference. Where the log does not have it, sending again is safe: a latecomer would be refused."""
        if message.channel == "voice":
            return None  # whether calls are refused as duplicates is not documented
        asked = {"params": {"messageId": message.ref}, "headers": authorization(credentials)}
        answer = await look_up(client, resource(credentials, "/sms/3/logs"), **asked)
        found = answer.get("results") if answer else None
        if not isinstance(found, list):
            return None
        if found:
            return SendResult(True, provider_message_id=message.ref)
        return SendResult(False, native_status="never_received")


# ---- reading ---------------------------------------------------------------------------------------------


def result_facts(ref: str, voice: bool, item: FieldReader) -> Iterator[Fact]:
    """One element of `results`: a report, or a text from a person."""
    ref = ref or reference(item.get("callbackData"))
    if "status" not in item:
        yield inbound(item)
    elif voice or "voiceCall" in item:
        yield from voice_facts(ref, item)
    else:
        yield text_report(ref, item)


def text_report(ref: str, item: FieldReader) -> Report:
    status, error = item.object_at("status"), item.object_at("error")
    code = error.error_code("id")
    permanent = error.get("permanent")
    lasting: Literal["", "permanent", "temporary"] = ""
    if code and isinstance(permanent, bool):
        lasting = "permanent" if permanent else "temporary"
    report = base_report(ref, "sms", item, status_word(status), code)
    return report._replace(
        occurred_at=item.time("doneAt", "sentAt"),
        lasting=lasting,
        evidence="handset" if report.native_status == TO_HANDSET else "",
    )


def voice_facts(ref: str, item: FieldReader) -> Iterator[Report | Act]:
    """How the call ended, and the keys pressed in it."""
    status, code = status_word(item.object_at("status")), call_error(item.object_at("error"))
    call = item.object_at("voiceCall") or item  # reports of the first version are flat
    if status in DELIVERED and code in ANSWERED_BY_MACHINE:
        status = "amd:MACHINE"
    elif status in DELIVERED and code not in ANSWERED:
        status = "5/error"
    report = base_report(ref, "voice", item, status, code)._replace(
        occurred_at=call.time("endTime") or item.time("doneAt", "sentAt")
    )
    yield report
    digits = call.optional_str("dtmfCodes").replace(",", "").replace(" ", "")
    if digits:  # empty after every call that asked for nothing
        yield keys_pressed(report, digits)


def call_error(error: FieldReader) -> str:
    """The number of an error, or its name where the number is one of the newer ones."""
    number, name = error.error_code("id"), error.optional_str("name")
    newer = number.isdecimal() and int(number) >= NAMED_FROM
    return name if name and (newer or not number) and name != NO_ERROR else number


def call_facts(ref: str, event: FieldReader) -> Iterator[Report | Act]:
    """An event of the Calls API; who answered is a fact of its own."""
    about = event.object_at("properties")
    call = about.object_at("callLog") or about.object_at("call")
    if call.get("direction") == "INBOUND":
        return  # somebody calls us: not an answer to a message
    error = call.object_at("errorCode")
    report = Report(
        ref=ref,
        provider_message_id=event.id("callId"),
        channel="voice",
        native_status=call.optional_str("state"),
        native_code=error.optional_str("name"),
        native_text=error.text("description"),
        occurred_at=event.time("timestamp"),
        address=call.phone_number("to"),
    )
    if event.get("type") == "DTMF_CAPTURED":
        yield keys_pressed(report, about.optional_str("dtmf"))
    if report.native_status:
        yield report
    who = (call.object_at("machineDetection") or about).prefixed_str("amd:", "detectionResult")
    if who or report.native_code == "MACHINE_DETECTED":
        yield report._replace(native_status=who or "amd:MACHINE", native_code="", native_text="")


def base_report(ref: str, channel: str, item: FieldReader, status: str, code: str) -> Report:
    return Report(
        ref=ref,
        provider_message_id=item.id("messageId"),
        channel=channel,
        native_status=status,
        native_code=code,
        native_text=item.object_at("error" if code else "status").text("description"),
        address=item.phone_number("to"),
        network=network_code(item.get("mccMnc")),
    )


def status_word(status: FieldReader) -> str:
    """The number of a status, or the name of its group when nobody has looked at that number yet."""
    found = status.required_str("id", "groupName")
    return found if found in NUMBERS else status.required_str("groupName", "id").upper()


def inbound(item: FieldReader) -> Inbound:
    parts = item.objects("message") if isinstance(item.get("message"), list) else []
    text = item.get("text") or " ".join(str(part["value"]) for part in parts if part.get("value"))
    return Inbound(
        sender=item.phone_number("from", "sender", required=True),
        recipient=item.phone_number("to"),
        channel="mms" if parts else "sms",
        text=clean(str(text)),
        occurred_at=item.time("receivedAt"),
        provider_message_id=item.id("messageId", required=False),
    )


# ---- handing over ----------------------------------------------------------------------------------------


def resource(credentials: Mapping[str, str], path: str) -> str:
    host = credentials["base_url"].removeprefix("https://").partition("/")[0]
    return f"https://{host}{path}"


def authorization(credentials: Mapping[str, str]) -> dict[str, str]:
    return {"authorization": f"App {credentials['api_key']}", "accept": "application/json"}


def text_fields(message: OutboundMessage) -> dict[str, Any]:
    return {
        "sender": message.sender.lstrip("+"),
        "destinations": [{"to": message.to.lstrip("+"), "messageId": message.ref}],
        "content": {"text": message.body},
        "webhooks": {
            "delivery": {"url": message.callback, "intermediateReport": True},
            "contentType": "application/json",
            "callbackData": message.ref,
        },
    }


def call_fields(message: OutboundMessage) -> dict[str, Any]:
    """A voice message that is played to people and machines alike, and says which it was."""
    spoken = (
        {"audioFileUrl": message.media_url} if message.media_url else {"text": message.body, "language": "en"}
    )
    return {
        "from": message.sender.lstrip("+"),
        "destinations": [{"to": message.to.lstrip("+"), "messageId": message.ref}],
        **spoken,
        "machineDetection": "hangup" if message.hangs_up else "continue",
        **({"maxDtmf": 1} if message.extra.get("keys") else {}),
        "notifyUrl": message.callback,
        "notifyContentType": "application/json",
        "notifyContentVersion": 2,
        "callbackData": message.ref,
    }
