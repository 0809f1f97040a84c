"""Sinch: SMS, MMS and calls. https://developers.sinch.com/docs/sms and https://developers.sinch.com/docs/voice.

A batch has one id for all its recipients, so a message is known by the batch and the number. Calls are reported to
the address of the application: there our reference comes back in `custom`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from deliveries.providers.base import Unsigned
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
from deliveries.providers.kit.client import HttpClient
from deliveries.providers.kit.http import accepted, listed, refused
from deliveries.providers.kit.lines import network_code
from deliveries.providers.kit.parsing import (
    FieldReader,
    each,
    iso,
    json_object,
    keys_pressed,
    query_of,
    reference,
)
from deliveries.providers.kit.signatures import application, fresh, signed

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
        scheme = call.headers.get("authorization", "").partition(" ")[0]
        if secret["application_secret"] and scheme.lower() == "application":
            proven = application(call, secret["application_key"], secret["application_secret"])
            return proven and fresh(iso(call.headers.get("x-timestamp")), call, TOLERANCE)
        return super().verify(call, credentials)

    def parse(self, kind: str, call: Call) -> list[Fact]:
        query, body = query_of(call), json_object(call.body)
        ref = reference(query.get("m"), body.get("client_reference"), body.get("custom"))
        if body.get("event"):
            return list(call_facts(ref, body))
        event_type = body.required_str("type")
        if event_type.startswith("mo_"):
            return [inbound(body)]
        mms = event_type.endswith("_mms") or query.get("c") == "mms"
        report = Report(ref, body.id("batch_id"), "mms" if mms else "sms", "")
        if "statuses" not in body:
            return [recipient_report(report, body, body.phone_number("recipient"))]
        alone = body.get("total_message_count") == 1
        report = report if alone else report._replace(ref="")
        return each(body["statuses"], "statuses", partial(group_reports, report, alone))

    def reply(self, kind: str, call: Call) -> tuple[str, bytes]:
        """After a key there is nothing more to say in a call."""
        try:
            pressed = json_object(call.body).get("event") == "pie"
        except Unreadable:
            pressed = False
        return ("application/json", json.dumps(HANG_UP).encode()) if pressed else super().reply(kind, call)

    def request(
        self, message: OutboundMessage, credentials: Mapping[str, str]
    ) -> dict[str, Any] | SendResult:
        if message.channel != "voice":
            return {"json": batch(message), **batches(credentials)}
        auth = (credentials.get("application_key"), credentials.get("application_secret"))
        if not all(auth):
            return refused("no_credentials", "The account has no application key and secret for calls.")
        return {"url": CALLOUTS, "json": callout(message), "auth": auth}

    def taken(self, answer: FieldReader) -> SendResult:
        return accepted(answer.get("callId") or answer.get("id"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return answer.get("code") or answer.get("errorCode"), answer.get("text") or answer.get("message")

    async def find(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult | None:
        """The batch of the last day with our reference. One that is not listed yet may still come: None."""
        if message.channel == "voice":
            return None
        ours = {"client_reference": message.ref}
        found = await listed(client, name="batches", params=ours, **batches(credentials))
        made = found[0].get("id") if found else None
        return accepted(made) if made else None


# ---- reading ---------------------------------------------------------------------------------------------


def group_reports(report: Report, alone: bool, group: FieldReader) -> Iterator[Report]:
    """The recipients of a batch whose messages stand alike. A summary names none: it tells of a lone one only."""
    recipients = group.get("recipients") or ([""] if alone else [])
    if not isinstance(recipients, list):
        raise Unreadable("recipients: not a list.")
    for recipient in recipients:
        yield recipient_report(report, group, FieldReader(recipient=recipient).phone_number("recipient"))


def recipient_report(report: Report, fields: FieldReader, recipient: str) -> Report:
    """`at` is Sinch's own clock; the operator's may be in another zone and has no seconds."""
    return report._replace(
        native_status=fields.required_str("status"),
        native_code=fields.error_code("code"),
        address=recipient,
        occurred_at=fields.time("at", "operator_status_at"),
        network=network_code(fields.get("operator")),
    )


def inbound(fields: FieldReader) -> Inbound:
    """`mo_text`, or `mo_media` whose body is an object; what came as bytes is no text."""
    media = isinstance(fields.get("body"), dict)
    text = fields.object_at("body").text("message", "subject") if media else fields.text("body")
    return Inbound(
        sender=fields.phone_number("from", required=True),
        recipient=fields.phone_number("to"),
        channel="mms" if media else "sms",
        text="" if fields["type"] == "mo_binary" else text,
        ref=reference(fields.get("client_reference")),
        occurred_at=fields.time("received_at"),
        provider_message_id=fields.id("id", required=False),
    )


def call_facts(ref: str, event: FieldReader) -> Iterator[Report | Act]:
    """Incoming, answered, prompted, disconnected; who answered is a fact of its own."""
    kind = event.required_str("event")
    report = Report(
        ref=ref,
        provider_message_id=event.id("callid", "callId"),
        channel="voice",
        native_status=kind,
        occurred_at=event.time("timestamp"),
        address=event.object_at("to").phone_number("endpoint"),
    )
    if kind == "pie":
        yield from key_press(report, event.object_at("menuResult"))
    elif kind == "dice":
        result, reason = event.required_str("result"), event.optional_str("reason")
        if result.upper() != "ANSWERED" and reason.upper() in NO_REASON:
            yield report._replace(native_status=result, native_text=reason)
        else:
            yield report._replace(native_status=result, native_code=reason)
    elif kind != "notify" and (kind != "ice" or ref):  # without it somebody calls us
        yield report
    who = event.object_at("amd").prefixed_str("amd:", "status")
    if who:
        yield report._replace(native_status=who)


def key_press(report: Report, menu: FieldReader) -> Iterator[Act]:
    """Keys, or '' when the time for them ran out; what was spoken, or the end of the call, is none."""
    found = menu.optional_str("type")
    if menu.get("inputMethod") != "voice" and found in ("return", "sequence", "timeout"):
        yield keys_pressed(report, "" if found == "timeout" else menu.optional_str("value"))


# ---- handing over ----------------------------------------------------------------------------------------


def batches(credentials: Mapping[str, str]) -> dict[str, Any]:
    """Where batches are made and found."""
    region = credentials.get("region") or ""
    host = f"{region if re.fullmatch('[a-z]{2}', region) else 'us'}.sms.api.sinch.com"
    return {
        "url": f"https://{host}/xms/v1/{credentials['service_plan_id']}/batches",
        "headers": {"authorization": f"Bearer {credentials['api_token']}"},
    }


def batch(message: OutboundMessage) -> dict[str, Any]:
    """A text, or an MMS when there is a picture."""
    picture = {"url": message.media_url, "message": message.body}
    return {
        "from": message.sender.lstrip("+"),
        "to": [message.to.lstrip("+")],
        "type": "mt_media" if message.media_url else "mt_text",
        "body": picture if message.media_url else message.body,
        "delivery_report": "per_recipient",
        "callback_url": message.callback,
        "client_reference": message.ref,
    }


def callout(message: OutboundMessage) -> dict[str, Any]:
    """A call with its script: who answers is found out while it speaks."""
    number = {"number": message.to, "cli": message.sender}
    connect = {"name": "connectPstn", **number, "amd": {"enabled": True, "async": True}}
    words = re.sub(r"[][;]", ",", message.body)
    prompt = f"#href[{message.media_url}]" if message.media_url else f"#tts[{words}]"
    play = {"name": "playFiles", "ids": [prompt], "locale": "en-US"}
    script: dict[str, Any] = {"instructions": [play], **HANG_UP}
    if message.extra.get("keys"):
        menu = {"id": "main", "mainPrompt": prompt, "maxDigits": 1, "timeoutMills": 10_000}
        script = {"action": {"name": "runMenu", "locale": "en-US", "menus": [menu]}}
    fields = {"custom": message.ref, "ice": json.dumps({"action": connect}), "ace": json.dumps(script)}
    return {"method": "customCallout", "customCallout": fields}
