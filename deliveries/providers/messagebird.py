"""MessageBird's classic REST API: SMS, MMS and voice messages. https://developers.messagebird.com/api/sms-messaging.

One id of theirs stands for every recipient of a message. Statuses come by GET, and only for messages that had a
`reference`. The API and the webhooks that Bird has today are another provider's: `bird.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx

from deliveries.providers.base import Provider
from deliveries.providers.facts import Call, Fact, Handover, Inbound, LostAnswer, Outgoing, Report
from deliveries.providers.handing_over import first, post, refused, told
from deliveries.providers.proving import digest, messagebird, token
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    clean,
    each,
    epoch,
    fields_of,
    inside,
    is_json,
    iso,
    json_object,
    pairs,
    query_of,
    reference,
    stamp,
    with_plus,
    word,
)

URL = "https://rest.messagebird.com"
RESOURCES = {"sms": "messages", "mms": "mms", "voice": "voicemessages"}
ALGORITHMS = ("HS256", "HS384", "HS512")
LEEWAY = timedelta(minutes=1)  # between their clock and ours


class MessageBird(Provider):
    slug = "messagebird"
    name = "MessageBird (classic)"
    channels = frozenset({"sms", "mms", "voice"})
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
        if is_json(call) and call.method != "GET":
            items = json_object(call.body).get("items")
            return each(items, "items", lambda item: leg(reference(query), item))
        return [report(reference(query), query.get("c", ""), fields_of(call))]

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        assert isinstance(client, httpx.AsyncClient)
        answer = await post(
            client,
            f"{URL}/{RESOURCES[message.channel]}",
            json=message_fields(message),
            headers=authorization(credentials),
        )
        return answer if isinstance(answer, Handover) else understood(answer)

    async def find(
        self, message: Outgoing, credentials: Mapping[str, str], client: object
    ) -> Handover | None:
        """The message to this number that carries our reference; one that is not listed yet may still come."""
        assert isinstance(client, httpx.AsyncClient)
        url, number = f"{URL}/{RESOURCES[message.channel]}", message.to.lstrip("+")
        try:
            answer = await client.get(url, params={"recipient": number}, headers=authorization(credentials))
            listed = answer.json()["items"] if answer.is_success else []
            return next((taken(item) for item in listed if item["reference"] == message.ref), None)
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return None


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


def report(ref: str, hint: str, fields: Mapping[str, str]) -> Report:
    return Report(
        ref=ref or reference({"m": fields.get("reference", "")}),
        provider_message_id=word(fields, "id", longest=LONGEST_ID),
        channel=hint if hint in RESOURCES else "sms",
        native_status=word(fields, "status"),
        native_code=word(fields, "statusErrorCode", required=False),
        native_text=clean(fields.get("statusReason", "")),
        occurred_at=iso(fields.get("statusDatetime")),
        address=with_plus(word(fields, "recipient", longest=LONGEST_ADDRESS)),
    )


def leg(ref: str, item: Mapping[str, Any]) -> Iterator[Report]:
    """A leg of a call, from the Voice API. One that nobody answered is hung up as well."""
    told = inside(item, "payload")
    if not told.get("callId") or told.get("direction") == "incoming":
        return
    status = word(told, "status")
    yield Report(
        ref=ref,
        provider_message_id=word(told, "callId", longest=LONGEST_ID),
        channel="voice",
        native_status="hangup/unanswered" if status == "hangup" and not told.get("answeredAt") else status,
        occurred_at=iso(told.get("updatedAt")),
        address=with_plus(word(told, "destination", longest=LONGEST_ADDRESS)),
    )


def inbound(fields: Mapping[str, str]) -> Inbound:
    """What somebody wrote to a number of ours, or in other fields to a short code."""
    at = iso(fields.get("createdDatetime")) or stamp(fields.get("receive_datetime"), "%Y%m%d%H%M%S")
    return Inbound(
        sender=with_plus(word(fields, "originator", longest=LONGEST_ADDRESS)),
        recipient=word(fields, "shortcode", "recipient", longest=LONGEST_ADDRESS, required=False),
        channel="mms" if any(name.startswith("mediaUrls") for name in fields) else "sms",
        text=clean(fields.get("message" if fields.get("shortcode") else "body", "")),
        occurred_at=at,
        provider_message_id=word(fields, "mid", "id", longest=LONGEST_ID, required=False),
    )


def authorization(credentials: Mapping[str, str]) -> dict[str, str]:
    return {"authorization": f"AccessKey {credentials['access_key']}"}


def message_fields(message: Outgoing) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "originator": message.sender,
        "recipients": [message.to.lstrip("+")],
        "body": message.body,
        "reference": message.ref,
    }
    if message.channel == "mms":  # reported on at the account's own address alone
        return {**fields, "mediaUrls": [message.media_url]}
    kind = {"datacoding": "auto"} if message.channel == "sms" else {"ifMachine": "delay"}
    return {**fields, "reportUrl": message.callback, **kind}


def understood(answer: httpx.Response) -> Handover:
    """Their answer to a request that they read. Raises LostAnswer when it may have made the message."""
    said = told(answer)
    if answer.is_success:
        if not said.get("id"):
            raise LostAnswer(f"HTTP {answer.status_code} without an id.")
        return taken(said)
    error = first(said, "errors")
    code = f"api:{error['code']}" if error.get("code") else f"http:{answer.status_code}"
    return refused(code, error.get("description") or f"HTTP {answer.status_code}")


def taken(said: Mapping[str, Any]) -> Handover:
    recipients = said.get("recipients")
    parts = first(recipients, "items").get("messagePartCount") if isinstance(recipients, dict) else 1
    return Handover(
        True,
        provider_message_id=str(said["id"]),
        segments=parts if isinstance(parts, int) and parts > 0 else 1,
    )
