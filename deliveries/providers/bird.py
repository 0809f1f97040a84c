"""Bird: texts through its API, or through the older Channels API where a workspace and a channel are named.

https://bird.com/docs and https://docs.bird.com/api/channels-api. Both report to one webhook of the workspace, signed
in two ways, so the account's address is entered at Bird and our reference travels inside the message. Of calls Bird
only reports: its API places none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deliveries.providers.base import Provider
from deliveries.providers.facts import Call, Fact, Inbound, LostAnswer, OutboundMessage, Report, SendResult
from deliveries.providers.kit.client import HttpAnswer, HttpClient
from deliveries.providers.kit.http import accepted, listed, refused
from deliveries.providers.kit.lines import carrier_name, network_code
from deliveries.providers.kit.parsing import FieldReader, json_object, reference
from deliveries.providers.kit.signatures import messagebird, sign_standard_webhook, standard_webhook

URL = "https://{region}.platform.bird.com/v1/sms/messages"
CHANNELS_URL = "https://api.bird.com/workspaces/{workspace_id}/channels/{channel_id}/messages"
REGION = re.compile(r"bk_([a-z]{2}\d+)_")  # the beginning of a key
SMS_PLATFORM = "sms-messagebird"  # its codes are those of the classic API
# Their answers to a request with the same idempotency key as one that is still under way.
UNDER_WAY = {409, 425}


class Bird(Provider):
    slug = "bird"
    name = "Bird"
    channels = frozenset({"sms", "voice"})
    credential_fields = {"api_key": "API key (or access key, for the Channels API)"}
    optional_fields = {
        "webhook_secret": "Signing secret of the webhook",
        "workspace_id": "Workspace id, for the Channels API",
        "channel_id": "Channel id, for the Channels API",
    }
    proof_field = "webhook_secret"
    refuses_replays = True
    tables = ("bird", "messagebird", "sip")
    answers_only = ("received",)

    def verify(self, call: Call, credentials: Mapping[str, str]) -> bool:
        secret = str(credentials.get("webhook_secret") or "")
        if "messagebird-signature" in call.headers:
            return messagebird(call, secret, call.url)
        return bool(secret) and standard_webhook(call, secret)

    def sign(self, call: Call, credentials: Mapping[str, str]) -> Call | None:
        return sign_standard_webhook(call, str(credentials.get("webhook_secret") or ""))

    def parse(self, kind: str, call: Call) -> list[Fact]:
        """Their events, whichever address they came to. Those about anything but texts and calls give nothing."""
        event = json_object(call.body)
        if event.get("event"):
            return channel_facts(event.required_str("event"), event.object_at("payload"))
        family, _, what = event.required_str("type").partition(".")
        data = FieldReader({**event.object_at("data"), "at": event.get("timestamp"), "what": what})
        if family == "sms":
            return [inbound(data) if what == "received" else message_report(data)]
        if family == "voice_call" and data.get("direction") != "inbound":
            return [call_report(data)]
        return []

    def request(
        self, message: OutboundMessage, credentials: Mapping[str, str]
    ) -> dict[str, Any] | SendResult:
        if message.channel == "voice":
            return refused("no_calls", "Bird's API reports on calls, but places none.")
        return text_request(message, credentials)

    def understood(self, answer: HttpAnswer) -> SendResult:
        if answer.status_code in UNDER_WAY:
            raise LostAnswer(f"HTTP {answer.status_code}")
        return super().understood(answer)

    def taken(self, answer: FieldReader) -> SendResult:
        return accepted(answer.get("id"), answer.object_at("segments").get("count"))

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        """The API names its mistakes within a few types, of which `validation_error` is told apart by name."""
        error = answer.object_at("error")
        if not error:
            return answer.get("code"), answer.get("message")
        kind = "name" if error.get("type") == "validation_error" else "type"
        return error.get(kind), f"{error.get('code')}: {error.get('message')}"

    async def find(
        self, message: OutboundMessage, credentials: Mapping[str, str], client: HttpClient
    ) -> SendResult | None:
        """The text to this number that carries our reference; one that is not listed yet may still come."""
        asked = text_request(message, credentials)
        params = {"to": message.to}
        found = await listed(client, asked["url"], "data", params=params, headers=asked["headers"])
        ours = (item for item in found if item.object_at("metadata").get("ref") == message.ref)
        return next((self.taken(item) for item in ours), None)


# ---- the API -------------------------------------------------------------------------------------------------


def message_report(data: FieldReader) -> Report:
    """What became of a text: the event's own word, unless the message says it itself."""
    error = data.object_at("error") or data.object_at("last_error")
    carrier = error.optional_str("carrier_error_code")
    return Report(
        ref=reference(data.object_at("metadata").get("ref")),
        provider_message_id=data.id("sms_id", "id"),
        channel="sms",
        native_status=data.required_str("status", "what"),
        native_code=error.optional_str("code"),
        native_text=error.text("description") + (f" (carrier: {carrier})" if carrier else ""),
        occurred_at=data.time("at"),
        address=data.phone_number("to"),
        network=network_code(data.get("mcc_mnc")),
        carrier=carrier_name(data.get("carrier")),
    )


def call_report(data: FieldReader) -> Report:
    answer = data.prefixed_str("sip:", "sip_response_code")
    failed = answer.startswith(("sip:4", "sip:5", "sip:6"))
    return Report(
        ref="",
        provider_message_id=data.id("call_id", "id"),
        channel="voice",
        native_status=data.required_str("status", "what"),
        native_code=data.optional_str("rejection_reason") or (answer if failed else ""),
        occurred_at=data.time("at"),
        address=data.phone_number("to"),
    )


def inbound(data: FieldReader) -> Inbound:
    return Inbound(
        sender=data.phone_number("from", required=True),
        recipient=data.address("to"),
        channel="sms",
        text=data.text("text"),
        occurred_at=data.time("at"),
        provider_message_id=data.id("sms_id", "id", required=False),
    )


# ---- the Channels API ----------------------------------------------------------------------------------------


def channel_facts(event: str, message: FieldReader) -> list[Fact]:
    if event == "sms.inbound":
        return [channel_inbound(message)]
    return [channel_report(message)] if event == "sms.outbound" else []


def channel_report(message: FieldReader) -> Report:
    """The SMS platform's code says more than the Channels API's own, which stands for a family of them."""
    failure, source = message.object_at("failure"), message.object_at("failure", "source")
    platform = source.optional_str("code") if source.get("name") == SMS_PLATFORM else ""
    return Report(
        ref=reference(message.get("reference")),
        provider_message_id=message.id("id"),
        channel="sms",
        native_status=message.required_str("status"),
        native_code=platform or failure.optional_str("code"),
        native_text=message.text("reason"),
        occurred_at=message.time("lastStatusAt"),
        address=message.object_at("receiver").first_object("contacts").phone_number("identifierValue"),
    )


def channel_inbound(message: FieldReader) -> Inbound:
    body = message.object_at("body")
    return Inbound(
        sender=message.object_at("sender", "contact").phone_number("identifierValue", required=True),
        recipient=message.object_at("receiver", "connector").address("identifierValue"),
        channel="sms",
        text=body.object_at("text").text("text") or body.object_at("image").text("text"),
        occurred_at=message.time("createdAt"),
        provider_message_id=message.id("id", required=False),
    )


# ---- handing over --------------------------------------------------------------------------------------------


def text_request(message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
    """Address, headers and JSON: for the Channels API when the account names a channel of it."""
    key = credentials["api_key"]
    if credentials.get("workspace_id") and credentials.get("channel_id"):
        contact = {"identifierKey": "phonenumber", "identifierValue": message.to}
        return {
            "url": CHANNELS_URL.format(**credentials),
            "headers": {"authorization": f"AccessKey {key}"},
            "json": {
                "receiver": {"contacts": [contact]},
                "body": {"type": "text", "text": {"text": message.body}},
                "reference": message.ref,
            },
        }
    region = REGION.match(key)
    return {
        "url": URL.format(region=region[1] if region else "eu1"),
        "headers": {"authorization": f"Bearer {key}", "idempotency-key": message.ref},
        "json": {
            "to": message.to,
            "from": message.sender,
            "text": message.body,
            "category": "marketing",  # the kind with the strictest rules
            "metadata": {"ref": message.ref},
        },
    }
