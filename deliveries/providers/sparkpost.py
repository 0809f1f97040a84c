"""SparkPost. https://developers.sparkpost.com/api/webhooks/"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deliveries.providers.anymail_service import AnymailEvents
from deliveries.providers.base import Unsigned
from deliveries.providers.email_events import specific
from deliveries.providers.reading import inside, objects, word

VAGUE = {"1", "20", "40", "70"}  # bounce classes that leave the reason open


class SparkPost(Unsigned, AnymailEvents):
    slug = "sparkpost"
    name = "SparkPost"
    backend = "anymail.backends.sparkpost.EmailBackend"
    view = "anymail.webhooks.sparkpost.SparkPostTrackingWebhookView"
    credential_fields = {"api_key": "API key"}
    optional_fields = {**Unsigned.optional_fields, "api_url": "API address, when not the one in the US"}
    send_options = frozenset({"api_url"})
    opens = frozenset({"initial_open", "amp_initial_open"})
    tables = ("sparkpost", "smtp")

    def said(self, raw: Mapping[str, Any]) -> tuple[str, str]:
        event = event_of(raw)
        kind = word(event, "bounce_class", required=False)
        found = specific(event.get("raw_reason")) if kind in VAGUE else ""
        return word(event, "type"), found or (f"class/{kind}" if kind else "")

    def by_machine(self, raw: Mapping[str, Any]) -> bool:
        return event_of(raw).get("is_prefetched") in (True, "true")

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        error = next(iter(objects(told.get("errors"), "errors")), {})
        return str(error.get("code") or ""), str(error.get("description") or error.get("message") or "")


def event_of(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The event inside SparkPost's two wrappings. Raises Unreadable."""
    wrapped = inside(raw, "msys")
    return inside(wrapped, *list(wrapped)[:1])
