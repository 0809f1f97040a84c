"""MessageBird's classic REST API: SMS, MMS and voice messages. https://developers.messagebird.com/api/sms-messaging.

One id of theirs stands for every recipient of a message. Statuses come by GET, and only for messages that had a
`reference`. The API and the webhooks that Bird has today are another provider's: `bird.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from deliveries.providers.base import Provider
from deliveries.providers.facts import Call, Fact, Inbound, OutboundMessage, Report, SendResult
from deliveries.providers.kit.client import HttpClient
from deliveries.providers.kit.http import accepted, listed
from deliveries.providers.kit.lines import network_code
from deliveries.providers.kit.parsing import (
    FieldReader,
    each,
    epoch,
    fields_of,
    is_json,
    json_object,
    pairs,
    query_of,
    reference,
    stamp,
)
from deliveries.providers.kit.signatures import digest, messagebird, token

URL = "https://rest.messagebird.com"
RESOURCES = {"sms": "messages", "mms": "mms", "voice": "voicemessages"}
ALGORITHMS = ("HS256", "HS384", "HS512")
LEEWAY = timedelta(minutes=1)  # between their clock and ours


class MessageBird(Provider):
    slug = "messagebird"
    name = "MessageBird (classic)"
    channels = frozenset({"sms", "mms", "voice"})
    hangs_up_on_machines = True
    credential_fields = {"access_key": "Access key"}
    optional_fields = {"signing_key": "Signing key, which checks callbacks"}
    proof_field = "signing_key"
    refuses_replays = True
    answer = b"OK"
    shares_ids = True

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """By the signed token, or by the signature that came before it."""
        key = str(credentials.get("signing_key") or "")
        given = call.headers.get("messagebird-signature-jwt", "")
        if given:
            return vouched(call, token(given, key, ALGORITHMS, issuer="MessageBird") or {})
        fields = sorted(pairs(call.query.encode("utf-8", "replace")))
        return bool(key) and messagebird(call, key, urlencode(fields))

    def parse(self, kind: str, call: Call) -> list[Fact]:
        if kind == "inbound":
            return [inbound(fields_of(call))]
        query = query_of(call)
        ref = reference(query.get("m"))
        if is_json(call) and call.method != "GET":
            return each(json_object(call.body).get("items"), "items", partial(leg, ref))
        return [report(ref, query.get("c", ""), fields_of(call))]

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
        return {"json": message_fields(message), **resource(message, credentials)}

    def taken(self, answer: FieldReader) -> SendResult:
        return accepted(
            answer.get("id"), answer.object_at("recipients").first_object("items").get("messagePartCount")
        )

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        error = answer.first_object("errors")
        return error.prefixed_str("api:", "code"), error.get("description")

    async def find(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult | None:
        """The message to this number that carries our reference; one that is not listed yet may still come."""
        asked = {"params": {"recipient": message.to.lstrip("+")}, **resource(message, credentials)}
        found = await listed(client, name="items", **asked)
        return next((self.taken(item) for item in found if item.get("reference") == message.ref), None)


def vouched(call: Call, claims: Mapping[str, Any]) -> bool:
    """Whether the claims of a token are about this very call, and it came in their time."""
    about = {"url_hash": digest(call.url.encode("utf-8", "backslashreplace"))}
    if call.body:
        about["payload_hash"] = digest(call.body)
    named = {name: claims.get(name) for name in ("url_hash", "payload_hash") if claims.get(name)}
    begins, ends = (epoch(claims.get(name)) for name in ("nbf", "exp"))
    if not begins or not ends:
        return False
    return named == about and begins - LEEWAY <= call.at <= ends + LEEWAY


def report(ref: str, hint: str, fields: FieldReader) -> Report:
    ref = ref or reference(fields.get("reference"))
    return Report(
        ref=ref,
        provider_message_id=fields.id("id"),
        channel=hint if hint in RESOURCES else "sms",
        native_status=fields.required_str("status"),
        native_code=fields.optional_str("statusErrorCode"),
        native_text=fields.text("statusReason"),
        occurred_at=fields.time("statusDatetime"),
        address=fields.phone_number("recipient", required=not ref),  # their id stands for several
        network=network_code(fields.get("mccmnc")),
    )


def leg(ref: str, item: FieldReader) -> Iterator[Report]:
    """A leg of a call, from the Voice API. One that nobody answered is hung up as well."""
    about = item.object_at("payload")
    if not about.get("callId") or about.get("direction") == "incoming":
        return
    status = about.required_str("status")
    yield Report(
        ref=ref,
        provider_message_id=about.id("callId"),
        channel="voice",
        native_status="hangup/unanswered" if status == "hangup" and not about.get("answeredAt") else status,
        occurred_at=about.time("updatedAt"),
        address=about.phone_number("destination", required=not ref),
    )


def inbound(fields: FieldReader) -> Inbound:
    """What somebody wrote to a number of ours, or in other fields to a short code."""
    at = fields.time("createdDatetime") or stamp(fields.get("receive_datetime"), "%Y%m%d%H%M%S")
    return Inbound(
        sender=fields.phone_number("originator", required=True),
        recipient=fields.address("shortcode", "recipient"),
        channel="mms" if any(name.startswith("mediaUrls") for name in fields) else "sms",
        text=fields.text("message" if fields.get("shortcode") else "body"),
        occurred_at=at,
        provider_message_id=fields.id("mid", "id", required=False),
    )


def resource(message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
    """Where messages of this kind are made and found."""
    headers = {"authorization": f"AccessKey {credentials['access_key']}"}
    return {"url": f"{URL}/{RESOURCES[message.channel]}", "headers": headers}


def message_fields(message: OutboundMessage) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "originator": message.sender,
        "recipients": [message.to.lstrip("+")],
        "body": message.body,
        "reference": message.ref,
    }
    if message.channel == "mms":  # reported on at the account's own address alone
        return {**fields, "mediaUrls": [message.media_url]}
    kind = (
        {"datacoding": "auto"}
        if message.channel == "sms"
        else {"ifMachine": "hangup" if message.hangs_up else "delay"}
    )
    return {**fields, "reportUrl": message.callback, **kind}
