"""The sandbox: a simulated carrier network for all five channels, run by `manage.py carriers`.

The adapter speaks to it over HTTP like to any provider; what the network does stands in `sandbox_network.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
from django.conf import settings

from deliveries.providers.base import Provider
from deliveries.providers.facts import Call, Handover, Inbound, LostAnswer, Outgoing, Report, Unreadable
from deliveries.providers.handing_over import post
from deliveries.providers.proving import hmac_hex, same
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    LONGEST_WORD,
    clean,
    form,
    json_object,
    reference,
    word,
)


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

    def parse(self, kind: str, call: Call) -> list[Report | Inbound]:
        told = json_object(call.body)
        ref = reference(form(call.query.encode("utf-8", "replace")))
        channel = word(told, "channel")
        if channel not in self.channels:
            raise Unreadable(f"channel: {channel!r} is not one of ours.")
        if kind == "status":
            return [report(ref, channel, told)]
        if kind == "inbound":
            return [inbound(ref, channel, told)]
        raise Unreadable(f"kind: {kind!r} is not one of status, inbound.")

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        assert isinstance(client, httpx.AsyncClient)
        answer = await post(
            client,
            f"{settings.SANDBOX_URL}/v1/messages",
            json={
                "ref": message.ref,
                "channel": message.channel,
                "to": message.to,
                "from": message.sender,
                "body": message.body,
                "subject": message.subject,
                "media_url": message.media_url,
                "callback": message.callback,
            },
            headers=bearer(credentials),
        )
        return answer if isinstance(answer, Handover) else understood(answer)

    async def find(
        self, message: Outgoing, credentials: Mapping[str, str], client: object
    ) -> Handover | None:
        assert isinstance(client, httpx.AsyncClient)
        url = f"{settings.SANDBOX_URL}/v1/messages"
        try:
            answer = await client.get(url, params={"ref": message.ref}, headers=bearer(credentials))
            if answer.status_code == 404 and answer.json().get("submissions") == 0:
                return Handover(False, native_status="never_received")
            return handover(answer.json()["messages"][-1]) if answer.is_success else None
        except (httpx.HTTPError, ValueError, KeyError, IndexError, AttributeError, TypeError):
            return None


def bearer(credentials: Mapping[str, str]) -> dict[str, str]:
    return {"authorization": f"Bearer {credentials['secret']}"}


def understood(answer: httpx.Response) -> Handover:
    """The network's answer to a request that it read. Raises LostAnswer when it is not the network's."""
    try:
        return handover(answer.json())
    except (ValueError, KeyError, AttributeError, TypeError) as problem:
        raise LostAnswer(f"HTTP {answer.status_code} without a readable answer.") from problem


def handover(told: Mapping[str, Any]) -> Handover:
    """Either {"id", "segments"} or {"code", "text"}. Raises KeyError when it is neither."""
    if told.get("id"):
        return Handover(True, provider_message_id=str(told["id"]), segments=int(told.get("segments", 1)))
    code, text = str(told["code"]), str(told.get("text", ""))
    return Handover(False, native_status="rejected", native_code=code[:LONGEST_WORD], native_text=clean(text))


def report(ref: str, channel: str, told: Mapping[str, Any]) -> Report:
    part, parts = counter(told, "part"), counter(told, "parts")
    if part > parts:
        raise Unreadable(f"part: {part} of {parts}.")
    return Report(
        ref=ref,
        provider_message_id=word(told, "id", longest=LONGEST_ID),
        channel=channel,
        native_status=word(told, "status"),
        native_code=word(told, "code", required=False),
        native_text=clean(str(told.get("text") or "")),
        part=part,
        parts=parts,
        occurred_at=moment(told),
        address=word(told, "to", longest=LONGEST_ADDRESS, required=False),
    )


def inbound(ref: str, channel: str, told: Mapping[str, Any]) -> Inbound:
    return Inbound(
        sender=word(told, "from", longest=LONGEST_ADDRESS),
        recipient=word(told, "to", longest=LONGEST_ADDRESS),
        channel=channel,
        text=clean(str(told.get("text") or "")),
        ref=ref,
        opt_out_type=word(told, "opt_out_type", required=False),
        occurred_at=moment(told),
    )


def counter(told: Mapping[str, Any], name: str) -> int:
    value = told.get(name, 0)
    if not isinstance(value, int) or not 0 <= value <= 255:
        raise Unreadable(f"{name}: {value!r} is not a number from 0 to 255.")
    return value


def moment(told: Mapping[str, Any]) -> datetime:
    """The time of the fact, in UTC. Raises Unreadable."""
    text = word(told, "occurred_at")
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as problem:
        raise Unreadable(f"occurred_at: {text!r} is not an ISO time.") from problem
