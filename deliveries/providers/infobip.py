"""Infobip: SMS and voice messages. https://www.infobip.com/docs/api/channels/sms and .../channels/voice.

Reports name a status and an error by number. In those of calls `permanent` is true even for an answered call, and
"delivered to handset" may come with "no answer": there the error is read first and the flag is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Literal

import httpx

from deliveries.providers.base import Unsigned
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
from deliveries.providers.handing_over import first, post, refused, told
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    LONGEST_WORD,
    clean,
    each,
    inside,
    iso,
    json_object,
    objects,
    query_of,
    reference,
    with_plus,
    word,
)

# Statuses known by number; others are read by the name of their group. A test compares them with the code table.
NUMBERS = frozenset(map(str, (*range(2, 16), *range(17, 22), 23, 24, 25, 26, 29, 51, 52)))
TO_HANDSET = "5"
DELIVERED = frozenset({TO_HANDSET, "DELIVERED"})
ANSWERED = frozenset({"", "5000", "5001"})
ANSWERED_BY_MACHINE = "5001"
DUPLICATE = "23"  # the id was used before: the message is there already
REFUSALS = frozenset({"UNDELIVERABLE", "EXPIRED", "REJECTED"})


class Infobip(Unsigned):
    slug = "infobip"
    name = "Infobip"
    channels = frozenset({"sms", "voice"})
    credential_fields = {"base_url": "Base URL of the account (xxxxx.api.infobip.com)", "api_key": "API key"}
    handset_words = frozenset({"amd:human"})

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query, body = query_of(call), json_object(call.body)
        if "callId" in body:
            return list(call_facts(reference(query), body))
        results = body.get("results", [body])
        # What is told of several messages at once concerns none of them by the address.
        ref = reference(query) if isinstance(results, list) and len(results) == 1 else ""
        return each(results, "results", partial(result_facts, ref, query.get("c") == "voice"))

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        """Our reference is the message's id: sent twice, it is refused as a duplicate and thus was taken."""
        assert isinstance(client, httpx.AsyncClient)
        voice = message.channel == "voice"
        answer = await post(
            client,
            resource(credentials, "/tts/3/advanced" if voice else "/sms/3/messages"),
            json={"messages": [call_fields(message) if voice else text_fields(message)]},
            headers=authorization(credentials),
        )
        if isinstance(answer, Handover):
            return answer
        made = first(told(answer), "messages")
        status = made.get("status")
        if answer.is_success and made.get("messageId") and isinstance(status, dict):
            return taken(str(made["messageId"]), status, made.get("details"))
        if answer.is_success:
            raise LostAnswer(f"HTTP {answer.status_code} without a message.")
        return refusal(answer)

    async def find(
        self, message: Outgoing, credentials: Mapping[str, str], client: object
    ) -> Handover | None:
        """By our reference. Where the log does not have it, sending again is safe: a latecomer would be refused."""
        assert isinstance(client, httpx.AsyncClient)
        if message.channel == "voice":
            return None  # whether calls are refused as duplicates is not documented
        try:
            url = resource(credentials, "/sms/3/logs")
            answer = await client.get(
                url, params={"messageId": message.ref}, headers=authorization(credentials)
            )
        except httpx.HTTPError:
            return None
        found = told(answer).get("results")
        if not answer.is_success or not isinstance(found, list):
            return None
        if found:
            return Handover(True, provider_message_id=message.ref)
        return Handover(False, native_status="never_received")


# ---- reading ---------------------------------------------------------------------------------------------


def result_facts(ref: str, voice: bool, item: Mapping[str, Any]) -> Iterator[Fact]:
    """One element of `results`: a report, or a text from a person."""
    ref = ref or reference({"m": str(item.get("callbackData") or "")})
    if "status" not in item:
        yield inbound(item)
    elif voice or "voiceCall" in item:
        yield from voice_facts(ref, item)
    else:
        yield text_report(ref, item)


def text_report(ref: str, item: Mapping[str, Any]) -> Report:
    status, error = inside(item, "status"), inside(item, "error")
    code = number(error)
    permanent = error.get("permanent")
    lasting: Literal["", "permanent", "temporary"] = ""
    if code and isinstance(permanent, bool):
        lasting = "permanent" if permanent else "temporary"
    report = base_report(ref, "sms", item, status_word(status), code)
    return report._replace(
        occurred_at=iso(item.get("doneAt")) or iso(item.get("sentAt")),
        lasting=lasting,
        evidence="handset" if report.native_status == TO_HANDSET else "",
    )


def voice_facts(ref: str, item: Mapping[str, Any]) -> Iterator[Report | Act]:
    """How the call ended, and the keys pressed in it."""
    status, code = status_word(inside(item, "status")), number(inside(item, "error"))
    call = inside(item, "voiceCall") or item  # reports of the first version are flat
    if status in DELIVERED and code == ANSWERED_BY_MACHINE:
        status = "amd:MACHINE"
    elif status in DELIVERED and code not in ANSWERED:
        status = "5/error"
    report = base_report(ref, "voice", item, status, code)._replace(
        occurred_at=iso(call.get("endTime")) or iso(item.get("doneAt")) or iso(item.get("sentAt"))
    )
    yield report
    digits = word(call, "dtmfCodes", required=False).replace(",", "").replace(" ", "")
    if digits:  # empty after every call that asked for nothing
        yield key_press(report, digits)


def call_facts(ref: str, event: Mapping[str, Any]) -> Iterator[Report | Act]:
    """An event of the Calls API; who answered is a fact of its own."""
    about = inside(event, "properties")
    call = inside(about, "callLog") or inside(about, "call")
    if call.get("direction") == "INBOUND":
        return  # somebody calls us: not an answer to a message
    error = inside(call, "errorCode")
    report = Report(
        ref=ref,
        provider_message_id=word(event, "callId", longest=LONGEST_ID),
        channel="voice",
        native_status=word(call, "state", required=False),
        native_code=word(error, "name", required=False),
        native_text=clean(str(error.get("description") or "")),
        occurred_at=iso(event.get("timestamp")),
        address=with_plus(word(call, "to", longest=LONGEST_ADDRESS, required=False)),
    )
    if event.get("type") == "DTMF_CAPTURED":
        yield key_press(report, word(about, "dtmf", required=False))
    if report.native_status:
        yield report
    who = word(
        inside(call, "machineDetection") or about, "detectionResult", longest=LONGEST_WORD - 4, required=False
    )
    if who or report.native_code == "MACHINE_DETECTED":
        yield report._replace(native_status=f"amd:{who or 'MACHINE'}", native_code="", native_text="")


def base_report(ref: str, channel: str, item: Mapping[str, Any], status: str, code: str) -> Report:
    text = inside(item, "error" if code else "status").get("description")
    return Report(
        ref=ref,
        provider_message_id=word(item, "messageId", longest=LONGEST_ID),
        channel=channel,
        native_status=status,
        native_code=code,
        native_text=clean(str(text or "")),
        address=with_plus(word(item, "to", longest=LONGEST_ADDRESS)),
    )


def status_word(status: Mapping[str, Any]) -> str:
    """The number of a status, or the name of its group when nobody has looked at that number yet."""
    found = word(status, "id", "groupName")
    return found if found in NUMBERS else word(status, "groupName", "id").upper()


def number(error: Mapping[str, Any]) -> str:
    """The number of an error; empty for "no error"."""
    found = word(error, "id", required=False)
    return "" if found == "0" else found


def key_press(report: Report, digits: str) -> Act:
    return Act("key_press", *report[:3], address=report.address, text=digits, occurred_at=report.occurred_at)


def inbound(item: Mapping[str, Any]) -> Inbound:
    parts = objects(item.get("message") if isinstance(item.get("message"), list) else None, "message")
    said = item.get("text") or " ".join(str(part["value"]) for part in parts if part.get("value"))
    return Inbound(
        sender=with_plus(word(item, "from", "sender", longest=LONGEST_ADDRESS)),
        recipient=with_plus(word(item, "to", longest=LONGEST_ADDRESS)),
        channel="mms" if parts else "sms",
        text=clean(str(said)),
        occurred_at=iso(item.get("receivedAt")),
        provider_message_id=word(item, "messageId", longest=LONGEST_ID),
    )


# ---- handing over ----------------------------------------------------------------------------------------


def resource(credentials: Mapping[str, str], path: str) -> str:
    host = credentials["base_url"].removeprefix("https://").partition("/")[0]
    return f"https://{host}{path}"


def authorization(credentials: Mapping[str, str]) -> dict[str, str]:
    return {"authorization": f"App {credentials['api_key']}", "accept": "application/json"}


def text_fields(message: Outgoing) -> dict[str, Any]:
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


def call_fields(message: Outgoing) -> dict[str, Any]:
    """A voice message that is played to people and machines alike, and says which it was."""
    said = (
        {"audioFileUrl": message.media_url} if message.media_url else {"text": message.body, "language": "en"}
    )
    return {
        "from": message.sender.lstrip("+"),
        "destinations": [{"to": message.to.lstrip("+"), "messageId": message.ref}],
        **said,
        "machineDetection": "continue",
        **({"maxDtmf": 1} if message.extra.get("keys") else {}),
        "notifyUrl": message.callback,
        "notifyContentType": "application/json",
        "notifyContentVersion": 2,
        "callbackData": message.ref,
    }


def taken(made: str, status: Mapping[str, Any], details: Any) -> Handover:
    """An answer about the message: taken, or refused at once with a status like those of reports."""
    try:
        found = status_word(status)
        group = word(status, "groupName", required=False).upper()
    except Unreadable as problem:
        raise LostAnswer(f"status: {problem}") from problem
    if group in REFUSALS and found != DUPLICATE:
        return Handover(False, native_status=found, native_text=clean(str(status.get("description") or "")))
    count = details.get("messageCount") if isinstance(details, dict) else None
    return Handover(True, provider_message_id=made, segments=count if isinstance(count, int) else 1)


def refusal(answer: httpx.Response) -> Handover:
    """An error, in the words of this API or of those before it."""
    said = told(answer)
    with suppress(Unreadable):
        said = inside(said, "requestError", "serviceException") or said
    code = said.get("errorCode") or said.get("messageId") or f"http:{answer.status_code}"
    return refused(code, said.get("description") or said.get("text"))
