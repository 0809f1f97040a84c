"""Mailtrap. https://api-docs.mailtrap.io/docs/mailtrap-api-docs/016fe2a1efd5a-receive-events-json-format"""

from __future__ import annotations

from typing import Any

from deliveries.providers.base import Unsigned
from deliveries.providers.kit.anymail_service import AnymailEvents
from deliveries.providers.kit.parsing import FieldReader


class Mailtrap(Unsigned, AnymailEvents):
    slug = "mailtrap"
    name = "Mailtrap"
    backend = "anymail.backends.mailtrap.EmailBackend"
    view = "anymail.webhooks.mailtrap.MailtrapTrackingWebhookView"
    credential_fields = {"api_token": "API token"}
    tables = ("mailtrap", "smtp")
    event_key = "event"
    assumed = {"timestamp": 0, "message_id": ""}

    def status_and_code(self, raw: FieldReader) -> tuple[str, str]:
        return raw.required_str("event"), ""

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        errors = answer.get("errors")
        return "", "; ".join(map(str, errors)) if isinstance(errors, list) else str(errors or "")
