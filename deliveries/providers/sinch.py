"""Sinch: SMS, MMS and calls. https://developers.sinch.com/docs/sms and https://developers.sinch.com/docs/voice.

A batch has one id for all its recipients, so a message is known by the batch and the number. Calls are reported to
the address of the application: there our reference comes back in `custom`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

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
from deliveries.providers.proving import application, fresh, signed
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    LONGEST_WORD,
    clean,
    each,
    inside,
    iso,
    json_object,
    query_of,
    reference,
    with_plus,
    word,
)

BATCHES = "https://{region}.sms.api.sinch.com/xms/v1/{service_plan_id}/batches"
CALLOUTS = "https://calling.api.sinch.com/calling/v1/callouts"
SIGNATURE = "x-sinch-webhook-signature"
# The last retry comes 22 h 45 min after the first try, perhaps with the signature of the first.
TOLERANCE = timedelta(days=1)
# These reasons say who hung up and not why nobody was reached.
NO_REASON = frozenset({"N/A", "CALLERHANGUP", "CALLEEHANGUP", "MANAGERHANGUP"})
HANG_UP = {"action": {"name": "hangup"}}


class Sinch(Unsigned):
    slug = "sinch"
    name = "Sinch"
    channels = frozenset({"sms", "mms", "voice"})
    credential_fields = {"service_plan_id": "Service plan ID", "api_token": "API token"}
    optional_fields = {
        **Unsigned.optional_fields,
        "region": "Region: us (when empty), eu, au, br or ca",
        "webhook_secret": "Secret of the webhook signature",
        "application_key": "Application key, for calls",
        "application_secret": "Application secret, for calls",
    }
    shares_ids = True
    handset_words = frozenset({"amd:human", "retrieved"})

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """By the signature where it can be checked; texts have one only by arrangement, calls always."""
        secret = {name: str(credentials.get(name) or "") for name in self.optional_fields}
        if secret["webhook_secret"] and SIGNATURE in call.headers:
            nonce, at = (call.headers.get(f"{SIGNATURE}-{part}", "") for part in ("nonce", "timestamp"))
            text = call.body + f".{nonce}.{at}".encode("utf-8", "backslashreplace")
            return signed(call, SIGNATURE, secret["webhook_secret"], text) and fresh(at, call, TOLERANCE)
        if secret["application_secret"] and call.headers.get("authorization", "").lower().startswith(
            "application "
        ):
            proven = application(call, secret["application_key"], secret["application_secret"])
            return proven and fresh(iso(call.headers.get("x-timestamp")), call, TOLERANCE)
        return super().verify(call, credentials)

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query, body = query_of(call), json_object(call.body)
        if body.get("event"):
            return list(call_facts(query, body))
        told_of = word(body, "type")
        if told_of.startswith("mo_"):
            return [inbound(body)]
        ref = reference(query) or reference({"m": str(body.get("client_reference") or "")})
        batch = word(body, "batch_id", longest=LONGEST_ID)
        report = Report(
            ref, batch, "mms" if told_of.endswith("_mms") or query.get("c") == "mms" else "sms", ""
        )
        if "statuses" not in body:
            return list(recipient_report(report, body, body.get("recipient")))
        alone = body.get("total_message_count") == 1
        report = report if alone else report._replace(ref="")
        return each(body["statuses"], "statuses", lambda group: group_reports(report, group, alone=alone))

    def reply(self, kind: str, call: Call) -> tuple[str, bytes]:
        """After a key there is nothing more to say in a call."""
        try:
            pressed = json_object(call.body).get("event") == "pie"
        except Unreadable:
            pressed = False
        return ("application/json", json.dumps(HANG_UP).encode()) if pressed else super().reply(kind, call)

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        assert isinstance(client, httpx.AsyncClient)
        voice = message.channel == "voice"
        if voice and not (credentials.get("application_key") and credentials.get("application_secret")):
            return refused("no_credentials", "The account has no application key and secret for calls.")
        answer = await post(
            client, **(callout(message, credentials) if voice else batch(message, credentials))
        )
        if isinstance(answer, Handover):
            return answer
        said = told(answer)
        if answer.is_success:
            made = said.get("callId" if voice else "id")
            if not made:
                raise LostAnswer(f"HTTP {answer.status_code} without an id.")
            return Handover(True, provider_message_id=str(made))
        code = said.get("code") or said.get("errorCode") or f"http:{answer.status_code}"
        return refused(code, said.get("text") or said.get("message"))

    async def find(
        self, message: Outgoing, credentials: Mapping[str, str], client: object
    ) -> Handover | None:
        """The batch of the last day with our reference. One that is not listed yet may still come: None."""
        assert isinstance(client, httpx.AsyncClient)
        if message.channel == "voice":
            return None
        params = {"client_reference": message.ref}
        try:
            answer = await client.get(batches(credentials), params=params, headers=authorization(credentials))
        except httpx.HTTPError:
            return None
        made = first(told(answer), "batches").get("id")
        return Handover(True, provider_message_id=str(made)) if answer.is_success and made else None


# ---- reading ---------------------------------------------------------------------------------------------


def group_reports(report: Report, group: Mapping[str, Any], *, alone: bool) -> Iterator[Report]:
    """The recipients of a batch whose messages stand alike. A summary names none: it tells of a lone one only."""
    recipients = group.get("recipients") or ([""] if alone else [])
    if not isinstance(recipients, list):
        raise Unreadable("recipients: not a list.")
    for recipient in recipients:
        yield from recipient_report(report, group, recipient)


def recipient_report(report: Report, fields: Mapping[str, Any], recipient: Any) -> Iterator[Report]:
    """`at` is Sinch's own clock; the operator's may be in another zone and has no seconds."""
    code = word(fields, "code", required=False)
    yield report._replace(
        native_status=word(fields, "status"),
        native_code="" if code == "0" else code,
        address=with_plus(
            word({"recipient": recipient}, "recipient", longest=LONGEST_ADDRESS, required=False)
        ),
        occurred_at=iso(fields.get("at")) or iso(fields.get("operator_status_at")),
    )


def inbound(fields: Mapping[str, Any]) -> Inbound:
    """`mo_text`, or `mo_media` whose body is an object; what came as bytes is no text."""
    said, binary = fields.get("body"), fields["type"] == "mo_binary"
    media = isinstance(said, dict)
    text = said.get("message") or said.get("subject") if isinstance(said, dict) else said
    return Inbound(
        sender=with_plus(word(fields, "from", longest=LONGEST_ADDRESS)),
        recipient=with_plus(word(fields, "to", longest=LONGEST_ADDRESS)),
        channel="mms" if media else "sms",
        text="" if binary else clean(str(text or "")),
        ref=reference({"m": str(fields.get("client_reference") or "")}),
        occurred_at=iso(fields.get("received_at")),
        provider_message_id=word(fields, "id", longest=LONGEST_ID),
    )


def call_facts(query: Mapping[str, str], event: Mapping[str, Any]) -> Iterator[Report | Act]:
    """Incoming, answered, prompted, disconnected; who answered is a fact of its own."""
    kind = word(event, "event")
    report = Report(
        ref=reference(query) or reference({"m": str(event.get("custom") or "")}),
        provider_message_id=word(event, "callid", longest=LONGEST_ID),
        channel="voice",
        native_status=kind,
        occurred_at=iso(event.get("timestamp")),
        address=with_plus(word(inside(event, "to"), "endpoint", longest=LONGEST_ADDRESS, required=False)),
    )
    if kind == "pie":
        yield from key_press(report, inside(event, "menuResult"))
    elif kind == "dice":
        result, reason = word(event, "result"), word(event, "reason", required=False)
        beside = result.upper() != "ANSWERED" and reason.upper() in NO_REASON
        yield report._replace(
            native_status=result, native_code="" if beside else reason, native_text=reason if beside else ""
        )
    elif kind != "notify" and (kind != "ice" or report.ref):  # without it somebody calls us
        yield report
    who = word(inside(event, "amd"), "status", longest=LONGEST_WORD - len("amd:"), required=False)
    if who:
        yield report._replace(native_status=f"amd:{who}")


def key_press(report: Report, menu: Mapping[str, Any]) -> Iterator[Act]:
    """Keys, or '' when the time for them ran out; what was spoken, or the end of the call, is none."""
    found = word(menu, "type", required=False)
    if menu.get("inputMethod") == "voice" or found not in ("return", "sequence", "timeout"):
        return
    digits = "" if found == "timeout" else word(menu, "value", required=False)
    yield Act("key_press", *report[:3], address=report.address, text=digits, occurred_at=report.occurred_at)


# ---- handing over ----------------------------------------------------------------------------------------


def batches(credentials: Mapping[str, str]) -> str:
    region = credentials.get("region") or ""
    return BATCHES.format(
        region=region if re.fullmatch("[a-z]{2}", region) else "us",
        service_plan_id=credentials["service_plan_id"],
    )


def authorization(credentials: Mapping[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {credentials['api_token']}"}


def batch(message: Outgoing, credentials: Mapping[str, str]) -> dict[str, Any]:
    """The request for a text, or for an MMS when there is a picture."""
    body: Any = message.body
    if message.media_url:
        body = {"url": message.media_url, "message": message.body}
    fields = {
        "from": message.sender.lstrip("+"),
        "to": [message.to.lstrip("+")],
        "type": "mt_media" if message.media_url else "mt_text",
        "body": body,
        "delivery_report": "per_recipient",
        "callback_url": message.callback,
        "client_reference": message.ref,
    }
    return {"url": batches(credentials), "json": fields, "headers": authorization(credentials)}


def callout(message: Outgoing, credentials: Mapping[str, str]) -> dict[str, Any]:
    """The request for a call with its script: who answers is found out while it speaks."""
    connect = {
        "name": "connectPstn",
        "number": message.to,
        "cli": message.sender,
        "amd": {"enabled": True, "async": True},
    }
    said = (
        f"#href[{message.media_url}]" if message.media_url else f"#tts[{re.sub(r'[][;]', ',', message.body)}]"
    )
    script: dict[str, Any] = {
        "instructions": [{"name": "playFiles", "ids": [said], "locale": "en-US"}],
        **HANG_UP,
    }
    if message.extra.get("keys"):
        menu = {"id": "main", "mainPrompt": said, "maxDigits": 1, "timeoutMills": 10_000}
        script = {"action": {"name": "runMenu", "locale": "en-US", "menus": [menu]}}
    fields = {"custom": message.ref, "ice": json.dumps({"action": connect}), "ace": json.dumps(script)}
    return {
        "url": CALLOUTS,
        "json": {"method": "customCallout", "customCallout": fields},
        "auth": (credentials["application_key"], credentials["application_secret"]),
    }
