"""The sandbox: a simulated carrier network for all five channels, run by `manage.py carriers`.

The adapter speaks to it over HTTP like to any provider; what the network does stands in `network.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from deliveries.providers.base import Provider
from deliveries.providers.facts import (
    Call,
    Inbound,
    LostAnswer,
    OutboundMessage,
    Report,
    SendResult,
    Unreadable,
)
from deliveries.providers.kit.client import HttpClient, NotReached
from deliveries.providers.kit.http import accepted, answer_fields, refused
from deliveries.providers.kit.parsing import FieldReader, iso, json_object, query_of, reference
from deliveries.providers.kit.signatures import hmac_hex, same, with_headers


class Sandbox(Provider):
    slug = "sandbox"
    name = "Sandbox (simulated carriers)"
    channels = frozenset({"sms", "mms", "voice", "rvm", "email"})
    credential_fields = {"secret": "Secret"}
    proof_field = "secret"
    handset_words = frozenset({"handset", "amd:human"})

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """The time in the header is signed but not compared with a clock: demo history is replayed."""
        secret = str(credentials.get("secret") or "")
        given = call.headers.get("x-sandbox-signature", "")
        if not secret or not given:
            return False
        at = call.headers.get("x-sandbox-timestamp", "")
        signed = f"{at}.{call.url}.".encode("utf-8", "backslashreplace") + call.body
        return same(hmac_hex(secret, signed), given.encode("utf-8", "backslashreplace"))

    def sign(self, call: Call, credentials: Mapping[str, str]) -> Call | None:
        secret, at = str(credentials.get("secret") or ""), str(int(call.at.timestamp()))
        if not secret:
            return None
        made = hmac_hex(secret, f"{at}.{call.url}.".encode() + call.body)
        return with_headers(call, {"x-sandbox-timestamp": at, "x-sandbox-signature": made})

    def parse(self, kind: str, call: Call) -> list[Report | Inbound]:
        fields, ref = json_object(call.body), reference(query_of(call).get("m"))
        channel = fields.optional_str("channel") or query_of(call).get("c", "")
        if channel not in self.channels:
            raise Unreadable(f"channel: {channel!r} is not one of ours.")
        if kind == "status":
            return [report(ref, channel, fields)]
        if kind == "inbound":
            return [inbound(ref, channel, fields)]
        raise Unreadable(f"kind: {kind!r} is not one of status, inbound.")

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
        fields = {
            "ref": message.ref,
            "channel": message.channel,
            "to": message.to,
            "from": message.sender,
            "body": message.body,
            "subject": message.subject,
            "media_url": message.media_url,
            "callback": message.callback,
        }
        return {**messages(credentials), "json": fields}

    def taken(self, answer: FieldReader) -> SendResult:
        return accepted(answer.get("id"), answer.get("segments"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return answer.get("code"), answer.get("text")

    async def find(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult | None:
        try:
            answer = await client.get(**messages(credentials), params={"ref": message.ref})
            if answer.status_code == 404 and answer_fields(answer).get("submissions") == 0:
                return SendResult(False, native_status="never_received")
            return send_result(answer_fields(answer).objects("messages")[-1])
        except (NotReached, LostAnswer, Unreadable, LookupError):
            return None


def messages(credentials: Mapping[str, str]) -> dict[str, Any]:
    """Where messages are handed over and looked up."""
    headers = {"authorization": f"Bearer {credentials['secret']}"}
    return {"url": f"{settings.SANDBOX_URL}/v1/messages", "headers": headers}


def send_result(made: Mapping[str, Any]) -> SendResult:
    """What the network knows of a message: {"id", "segments"} or {"code", "text"}. Raises KeyError for neither."""
    if made.get("id"):
        return accepted(made["id"], made.get("segments"))
    return refused(made["code"], made.get("text"))


def report(ref: str, channel: str, fields: FieldReader) -> Report:
    part, parts = counter(fields, "part"), counter(fields, "parts")
    if part > parts:
        raise Unreadable(f"part: {part} of {parts}.")
    return Report(
        ref=ref,
        provider_message_id=fields.id("id"),
        channel=channel,
        native_status=fields.required_str("status"),
        native_code=fields.optional_str("code"),
        native_text=fields.text("text"),
        part=part,
        parts=parts,
        occurred_at=moment(fields),
        address=fields.address("to"),
    )


def inbound(ref: str, channel: str, fields: FieldReader) -> Inbound:
    return Inbound(
        sender=fields.address("from", required=True),
        recipient=fields.address("to"),
        channel=channel,
        text=fields.text("text"),
        ref=ref,
        opt_out_type=fields.optional_str("opt_out_type"),
        occurred_at=moment(fields),
    )


def counter(fields: FieldReader, name: str) -> int:
    value = fields.get(name, 0)
    if not isinstance(value, int) or not 0 <= value <= 255:
        raise Unreadable(f"{name}: {value!r} is not a number from 0 to 255.")
    return value


def moment(fields: FieldReader) -> datetime | None:
    """The time of the fact, in UTC. Raises Unreadable for one that cannot be read."""
    text = fields.optional_str("occurred_at")
    at = iso(text)
    if text and at is None:
        raise Unreadable(f"occurred_at: {text!r} is not an ISO time.")
    return at
