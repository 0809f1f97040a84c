"""Messente: SMS through the Omnichannel API; the reports of its older HTTP API are understood too.

https://messente.com/documentation/omnichannel-api and https://messente.com/documentation/sms-messaging/delivery-report
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Inbound, OutboundMessage, Report, SendResult
from deliveries.providers.kit.http import accepted
from deliveries.providers.kit.parsing import FieldReader, fields_of, query_of, reference
from deliveries.providers.kit.signatures import signed

URL = "https://api.messente.com/v1/omnimessage"
SIGNATURE = "x-messente-signature"


class Messente(Unsigned):
    slug = "messente"
    name = "Messente"
    channels = frozenset({"sms"})
    credential_fields = {"username": "API username", "password": "API password"}
    optional_fields = {**Unsigned.optional_fields, "webhook_secret": "Secret of the webhook signature"}
    handset_words = frozenset({"seen"})

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        """By the signature where it can be checked; the GET reports of the HTTP API never have one."""
        secret = str(credentials.get("webhook_secret") or "")
        if secret and SIGNATURE in call.headers:
            return signed(call, SIGNATURE, secret, call.body)
        return super().verify(call, credentials)

    def parse(self, kind: str, call: Call) -> list[Report | Inbound]:
        fields, ref = fields_of(call), reference(query_of(call).get("m"))
        if kind == "inbound" or fields.get("msg_id"):
            return [inbound(ref, fields)]
        found = report(ref, fields)
        return [found] if found.native_status else []  # without a status it is still being processed

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
        text = {"channel": "sms", "sender": message.sender, "text": message.body}
        return {
            "url": URL,
            "json": {"to": message.to, "messages": [text], "dlr_url": message.callback},
            "auth": (credentials["username"], credentials["password"]),
        }

    def taken(self, answer: FieldReader) -> SendResult:
        return accepted(answer.first_object("messages").get("message_id"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        error = answer.first_object("errors")
        return error.get("code"), error.get("detail") or error.get("title")


def report(ref: str, fields: FieldReader) -> Report:
    """`status` and `err` of the Omnichannel API; the HTTP API says more in `stat`, and writes 2 as 002."""
    return Report(
        ref=ref,
        provider_message_id=fields.id("message_id", "sms_unique_id", "omnimessage_id"),
        # The channel may be another one when the account falls back to chat; it was sent as a text all the same.
        channel="sms",
        native_status=fields.optional_str("stat", "status"),
        native_code=fields.optional_str("err").lstrip("0"),
        native_text=fields.text("error"),
        occurred_at=fields.time("timestamp"),
        address=fields.phone_number("to"),
    )


def inbound(ref: str, fields: FieldReader) -> Inbound:
    return Inbound(
        sender=fields.phone_number("sender", required=True),
        recipient=fields.phone_number("recipient"),
        channel="sms",
        text=fields.text("text"),
        ref=ref,
        occurred_at=fields.time("time"),
        provider_message_id=fields.id("msg_id", required=False),
    )
