"""SparkPost. https://developers.sparkpost.com/api/webhooks/"""

from __future__ import annotations

from typing import Any

from deliveries.providers.base import Unsigned
from deliveries.providers.kit.anymail_service import AnymailEvents
from deliveries.providers.kit.email_events import specific
from deliveries.providers.kit.parsing import FieldReader

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

    def status_and_code(self, raw: FieldReader) -> tuple[str, str]:
        event = event_of(raw)
        vague = event.optional_str("bounce_class") in VAGUE
        found = specific(event.get("raw_reason")) if vague else ""
        return event.required_str("type"), found or event.prefixed_str("class/", "bounce_class")

    def by_machine(self, raw: FieldReader) -> bool:
        return event_of(raw).get("is_prefetched") in (True, "true")

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        error = answer.first_object("errors")
        return error.get("code"), error.get("description") or error.get("message")


def event_of(raw: FieldReader) -> FieldReader:
    """The event inside SparkPost's two wrappings. Raises Unreadable."""
    wrapped = raw.object_at("msys")
    return wrapped.object_at(*list(wrapped)[:1])
