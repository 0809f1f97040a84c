"""Bird: texts through its API, or through the older Channels API where a workspace and a channel are named.

https://bird.com/docs and https://docs.bird.com/api/channels-api. Both report to one webhook of the workspace, signed
in two ways, so the account's address is entered at Bird and our reference travels inside the message. Of calls Bird
only reports: its API places none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx

from deliveries.providers.base import Provider
from deliveries.providers.facts import Call, Fact, Handover, Inbound, LostAnswer, Outgoing, Report
from deliveries.providers.handing_over import first, post, refused, told
from deliveries.providers.proving import messagebird, standard_webhook
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    clean,
    inside,
    iso,
    json_object,
    reference,
    with_plus,
    word,
)

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

    def parse(self, kind: str, call: Call) -> list[Fact]:
        """Their events, whichever address they came to. Those about anything but texts and calls give nothing."""
        event = json_object(call.body)
        if event.get("event"):
            return channel_facts(word(event, "event"), inside(event, "payload"))
        family, _, what = word(event, "type").partition(".")
        data = {**inside(event, "data"), "at": event.get("timestamp")}
        if family == "sms":
            return [inbound(data) if what == "received" else message_report(what, data)]
        if family == "voice_call" and data.get("direction") != "inbound":
            return [call_report(what, data)]
        return []

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        assert isinstance(client, httpx.AsyncClient)
        if message.channel == "voice":
            return refused("no_calls", "Bird's API reports on calls, but places none.")
        answer = await post(client, **request(message, credentials))
        if isinstance(answer, Handover):
            return answer
        said = told(answer)
        if answer.status_code in UNDER_WAY or (answer.is_success and not said.get("id")):
            raise LostAnswer(f"HTTP {answer.status_code} without an id.")
        return taken(said) if answer.is_success else refusal(answer, said)

    async def find(
        self, message: Outgoing, credentials: Mapping[str, str], client: object
    ) -> Handover | None:
        """The text to this number that carries our reference; one that is not listed yet may still come."""
        assert isinstance(client, httpx.AsyncClient)
        asked = request(message, credentials)
        try:
            answer = await client.get(asked["url"], params={"to": message.to}, headers=asked["headers"])
            listed = answer.json()["data"] if answer.is_success else []
            ours = (item for item in listed if (item.get("metadata") or {}).get("ref") == message.ref)
            return next((taken(item) for item in ours), None)
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            return None


# ---- the API -------------------------------------------------------------------------------------------------


def message_report(what: str, data: Mapping[str, Any]) -> Report:
    """What became of a text: the event's own word, unless the message says it itself."""
    error = inside(data, "error") or inside(data, "last_error")
    carrier = word(error, "carrier_error_code", required=False)
    text = str(error.get("description") or "") + (f" (carrier: {carrier})" if carrier else "")
    return Report(
        ref=reference({"m": str(inside(data, "metadata").get("ref"))}),
        provider_message_id=word(data, "sms_id", "id", longest=LONGEST_ID),
        channel="sms",
        native_status=word({**data, "what": what}, "status", "what"),
        native_code=word(error, "code", required=False),
        native_text=clean(text),
        occurred_at=iso(data["at"]),
        address=with_plus(word(data, "to", longest=LONGEST_ADDRESS)),
    )


def call_report(what: str, data: Mapping[str, Any]) -> Report:
    sip = word(data, "sip_response_code", required=False)
    answer = f"sip:{sip}" if sip[:1] in ("4", "5", "6") else ""
    return Report(
        ref="",
        provider_message_id=word(data, "call_id", "id", longest=LONGEST_ID),
        channel="voice",
        native_status=word({**data, "what": what}, "status", "what"),
        native_code=word({**data, "sip": answer}, "rejection_reason", "sip", required=False),
        occurred_at=iso(data["at"]),
        address=with_plus(word(data, "to", longest=LONGEST_ADDRESS)),
    )


def inbound(data: Mapping[str, Any]) -> Inbound:
    return Inbound(
        sender=with_plus(word(data, "from", longest=LONGEST_ADDRESS)),
        recipient=word(data, "to", longest=LONGEST_ADDRESS),
        channel="sms",
        text=clean(str(data.get("text") or "")),
        occurred_at=iso(data["at"]),
        provider_message_id=word(data, "sms_id", "id", longest=LONGEST_ID, required=False),
    )


# ---- the Channels API ----------------------------------------------------------------------------------------


def channel_facts(event: str, message: Mapping[str, Any]) -> list[Fact]:
    if event == "sms.inbound":
        return [channel_inbound(message)]
    return [channel_report(message)] if event == "sms.outbound" else []


def channel_report(message: Mapping[str, Any]) -> Report:
    """The SMS platform's code says more than the Channels API's own, which stands for a family of them."""
    failure, source = inside(message, "failure"), inside(message, "failure", "source")
    platform = source.get("name") == SMS_PLATFORM
    code = word(
        {"platform": source.get("code") if platform else "", **failure}, "platform", "code", required=False
    )
    contact = first(inside(message, "receiver"), "contacts")
    return Report(
        ref=reference({"m": str(message.get("reference"))}),
        provider_message_id=word(message, "id", longest=LONGEST_ID),
        channel="sms",
        native_status=word(message, "status"),
        native_code=code,
        native_text=clean(str(message.get("reason") or "")),
        occurred_at=iso(message.get("lastStatusAt")),
        address=with_plus(word(contact, "identifierValue", longest=LONGEST_ADDRESS, required=False)),
    )


def channel_inbound(message: Mapping[str, Any]) -> Inbound:
    body, ours = inside(message, "body"), inside(message, "receiver", "connector")
    return Inbound(
        sender=with_plus(
            word(inside(message, "sender", "contact"), "identifierValue", longest=LONGEST_ADDRESS)
        ),
        recipient=word(ours, "identifierValue", longest=LONGEST_ADDRESS, required=False),
        channel="sms",
        text=clean(str(inside(body, "text").get("text") or inside(body, "image").get("text") or "")),
        occurred_at=iso(message.get("createdAt")),
        provider_message_id=word(message, "id", longest=LONGEST_ID, required=False),
    )


# ---- handing over --------------------------------------------------------------------------------------------


def request(message: Outgoing, credentials: Mapping[str, str]) -> dict[str, Any]:
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


def taken(said: Mapping[str, Any]) -> Handover:
    segments = said.get("segments")
    count = segments.get("count") if isinstance(segments, dict) else 1
    return Handover(True, str(said["id"]), segments=count if isinstance(count, int) and count > 0 else 1)


def refusal(answer: httpx.Response, said: Mapping[str, Any]) -> Handover:
    """The API names its mistakes within a few types, of which `validation_error` is told apart by name."""
    error = said.get("error")
    if not isinstance(error, dict):
        return refused(said.get("code") or f"http:{answer.status_code}", said.get("message"))
    kind = "name" if error.get("type") == "validation_error" else "type"
    return refused(
        error.get(kind) or f"http:{answer.status_code}", f"{error.get('code')}: {error.get('message')}"
    )
