"""Call Loop: ringless voicemail through a custom trigger. https://help.callloop.com/en/articles/9114165-custom-triggers

It reports nothing: results stand in its dashboard. A no-code connector may post them here, one object or a list of
them, as JSON or a form: `{id?, m?, phone, outcome, reason?, at?}`. `m` is our reference, `outcome` a word of the table
`generic`, `reason` free text, `at` an ISO time. Without `m` or a known `id` a result finds no message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Fact, Handover, Outgoing, Report, Unreadable
from deliveries.providers.handing_over import post, refused, told
from deliveries.providers.reading import (
    LONGEST_ADDRESS,
    LONGEST_ID,
    clean,
    each,
    fields_of,
    iso,
    json_value,
    north_american,
    query_of,
    reference,
    word,
)

BASE = "https://api.callloop.com/webhook/Custom"


class CallLoop(Unsigned):
    slug = "call_loop"
    name = "Call Loop"
    channels = frozenset({"rvm"})
    credential_fields = {"trigger": "Address of the custom trigger"}
    kinds = frozenset({"status"})
    tables = ("call_loop", "generic")
    answers_only = ("rejected", "trigger/")
    handset_words = frozenset({"drop.human_answered"})
    silent = True

    def parse(self, kind: str, call: Call) -> list[Fact]:
        if kind != "status":
            raise Unreadable(f"kind: {kind!r} is not status.")
        query = query_of(call)
        is_json = call.body.lstrip().startswith((b"{", b"["))
        posted = json_value(call.body) if is_json else fields_of(call)
        posted = posted if isinstance(posted, list) else [posted]
        # A reference in the address can only speak for a result that comes alone.
        ours = reference(query) if len(posted) == 1 else ""
        return each(posted, "body", lambda result: report(result, ours))

    async def send(self, message: Outgoing, credentials: Mapping[str, str], client: object) -> Handover:
        assert isinstance(client, httpx.AsyncClient)
        # Only the last part of the address is secret, and nothing goes to another host.
        trigger = credentials["trigger"].partition("?")[0].rstrip("/").rpartition("/")[2]
        asked = {"phone": message.to} | ({"audio": message.media_url} if message.media_url else {})
        answer = await post(client, f"{BASE}/{trigger}", params=asked)
        if isinstance(answer, Handover):
            return answer
        if answer.is_success:
            return Handover(True)  # no id for it: "The message was queued" is all it says
        return refused("trigger/non-2xx", told(answer).get("message") or f"HTTP {answer.status_code}")


def report(result: Mapping[str, Any], ours: str) -> Iterator[Report]:
    yield Report(
        ref=reference({"m": str(result.get("m"))}) or ours,
        provider_message_id=word(result, "id", longest=LONGEST_ID, required=False),
        channel="rvm",
        native_status=word(result, "outcome"),
        native_text=clean(str(result.get("reason") or "")),
        occurred_at=iso(result.get("at")),
        address=north_american(word(result, "phone", longest=LONGEST_ADDRESS)),
    )
