"""Messente: SMS through the Omnichannel API; the reports of its older HTTP API are understood too.

https://messente.com/documentation/omnichannel-api and https://messente.com/documentation/sms-messaging/delivery-report
"""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Handover, Inbound, LostAnswer, Outgoing, Report
from deliveries.providers.handing_over import first, post, refused, told
from deliveries.providers.proving import signed
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    clean,
    fields_of,
    iso,
    query_of,
    reference,
    with_plus,
    word,
)

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
        fields, ref = fields_of(call), reference(query_of(call))
        if kind == "inbound" or fields.get("msg_id"):
            return [inbound(ref, fields)]
        found = report(ref, fields)
        return [found] if found.native_status else []  # without a status it is still being processed

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        assert isinstance(client, httpx.AsyncClient)
        answer = await post(
            client,
            URL,
            json={
                "to": message.to,
                "messages": [{"channel": "sms", "sender": message.sender, "text": message.body}],
                "dlr_url": message.callback,
            },
            auth=(credentials["username"], credentials["password"]),
        )
        if isinstance(answer, Handover):
            return answer
        if answer.is_success:
            made = first(told(answer), "messages").get("message_id")
            if not made:
                raise LostAnswer(f"HTTP {answer.status_code} without a message_id.")
            return Handover(True, provider_message_id=str(made))
        error = first(told(answer), "errors")
        return refused(
            error.get("code") or f"http:{answer.status_code}", error.get("detail") or error.get("title")
        )


def report(ref: str, fields: Mapping[str, str]) -> Report:
    """`status` and `err` of the Omnichannel API; the HTTP API says more in `stat`, and writes 2 as 002."""
    return Report(
        ref=ref,
        provider_message_id=word(fields, "message_id", "sms_unique_id", "omnimessage_id", longest=LONGEST_ID),
        # The channel may be another one when the account falls back to chat; it was sent as a text all the same.
        channel="sms",
        native_status=word(fields, "stat", "status", required=False),
        native_code=word(fields, "err", required=False).lstrip("0"),
        native_text=clean(fields.get("error", "")),
        occurred_at=iso(fields.get("timestamp")),
        address=with_plus(word(fields, "to", longest=LONGEST_ADDRESS, required=False)),
    )


def inbound(ref: str, fields: Mapping[str, str]) -> Inbound:
    return Inbound(
        sender=with_plus(word(fields, "sender", longest=LONGEST_ADDRESS)),
        recipient=with_plus(word(fields, "recipient", longest=LONGEST_ADDRESS)),
        channel="sms",
        text=clean(fields.get("text", "")),
        ref=ref,
        occurred_at=iso(fields.get("time")),
        provider_message_id=word(fields, "msg_id", longest=LONGEST_ID, required=False),
    )
