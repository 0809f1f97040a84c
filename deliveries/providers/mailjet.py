"""Mailjet. https://dev.mailjet.com/email/guides/webhooks/"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from deliveries.providers.anymail_service import AnymailEvents
from deliveries.providers.base import Unsigned
from deliveries.providers.reading import objects, word


class Mailjet(Unsigned, AnymailEvents):
    slug = "mailjet"
    name = "Mailjet"
    backend = "anymail.backends.mailjet.EmailBackend"
    view = "anymail.webhooks.mailjet.MailjetTrackingWebhookView"
    credential_fields = {"api_key": "API key", "secret_key": "Secret key"}
    tables = ("mailjet", "smtp")

    def said(self, raw: Mapping[str, Any]) -> tuple[str, str]:
        """A mail server that puts off what it does not know yet (greylisting) refuses nothing."""
        status, why = word(raw, "event"), word(raw, "error", required=False)
        put_off = why == "greylisted" and not raw.get("hard_bounce")
        return (f"{status}/greylisted" if put_off else status), why

    def lasting(self, raw: Mapping[str, Any]) -> Literal["", "permanent", "temporary"]:
        return "temporary" if raw.get("event") == "bounce" and raw.get("hard_bounce") is False else ""

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        first = next(iter(objects(told.get("Messages"), "Messages")), dict(told))
        error = next(iter(objects(first.get("Errors"), "Errors")), first)
        return str(error.get("ErrorCode") or ""), str(error.get("ErrorMessage") or "")
