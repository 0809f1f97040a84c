"""Call Loop: ringless voicemail through a custom trigger. https://help.callloop.com/en/articles/9114165-custom-triggers

It reports nothing: results stand in its dashboard. A no-code connector may post them here, one object or a list of
them, as JSON or a form: `{id?, m?, phone, outcome, reason?, at?}`. `m` is our reference, `outcome` a word of the table
`generic`, `reason` free text, `at` an ISO time. Without `m` or a known `id` a result finds no message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from deliveries.providers.base import Unsigned
from deliveries.providers.facts import Call, Fact, OutboundMessage, Report, SendResult, Unreadable
from deliveries.providers.kit.http import filled
from deliveries.providers.kit.parsing import (
    FieldReader,
    each,
    fields_of,
    json_value,
    north_american,
    query_of,
    reference,
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
        is_json = call.body.lstrip().startswith((b"{", b"["))
        posted = json_value(call.body) if is_json else fields_of(call)
        posted = posted if isinstance(posted, list) else [posted]
        # A reference in the address can only speak for a result that comes alone.
        ours = reference(query_of(call).get("m")) if len(posted) == 1 else ""
        return each(posted, "body", partial(report, ours))

    def request(self, message: OutboundMessage, credentials: Mapping[str, str]) -> dict[str, Any]:
        # Only the last part of the address is secret, and nothing goes to another host.
        trigger = credentials["trigger"].partition("?")[0].rstrip("/").rpartition("/")[2]
        asked = filled({"phone": message.to, "audio": message.media_url})
        return {"url": f"{BASE}/{trigger}", "params": asked}

    def taken(self, answer: FieldReader) -> SendResult:
        """Without an id: "The message was queued" is all it says."""
        return SendResult(True)

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return "trigger/non-2xx", answer.get("message")


def report(ours: str, result: FieldReader) -> Iterator[Report]:
    yield Report(
        ref=reference(result.get("m"), ours),
        provider_message_id=result.id("id", required=False),
        channel="rvm",
        native_status=result.required_str("outcome"),
        native_text=result.text("reason"),
        occurred_at=result.time("at"),
        address=north_american(result.address("phone")),
    )
