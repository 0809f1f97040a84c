"""Mailtrap. https://api-docs.mailtrap.io/docs/mailtrap-api-docs/016fe2a1efd5a-receive-events-json-format"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deliveries.providers.anymail_service import AnymailEvents
from deliveries.providers.base import Unsigned
from deliveries.providers.reading import word


class Mailtrap(Unsigned, AnymailEvents):
    slug = "mailtrap"
    name = "Mailtrap"
    backend = "anymail.backends.mailtrap.EmailBackend"
    view = "anymail.webhooks.mailtrap.MailtrapTrackingWebhookView"
    credential_fields = {"api_token": "API token"}
    tables = ("mailtrap", "smtp")

    def said(self, raw: Mapping[str, Any]) -> tuple[str, str]:
        return word(raw, "event"), ""

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        errors = told.get("errors")
        return "", "; ".join(map(str, errors)) if isinstance(errors, list) else str(errors or "")
