"""Mailjet. https://dev.mailjet.com/email/guides/webhooks/"""

from __future__ import annotations

from typing import Any

from deliveries.providers.base import Unsigned
from deliveries.providers.kit.anymail_service import AnymailEvents
from deliveries.providers.kit.email_events import Lasting
from deliveries.providers.kit.parsing import FieldReader


class Mailjet(Unsigned, AnymailEvents):
    slug = "mailjet"
    name = "Mailjet"
    backend = "anymail.backends.mailjet.EmailBackend"
    view = "anymail.webhooks.mailjet.MailjetTrackingWebhookView"
    credential_fields = {"api_key": "API key", "secret_key": "Secret key"}
    tables = ("mailjet", "smtp")

    def status_and_code(self, raw: FieldReader) -> tuple[str, str]:
        """A mail server that puts off what it does not know yet (greylisting) refuses nothing."""
        status, why = raw.required_str("event"), raw.optional_str("error")
        put_off = why == "greylisted" and not raw.get("hard_bounce")
        return (f"{status}/greylisted" if put_off else status), why

    def lasting(self, raw: FieldReader) -> Lasting:
        return "temporary" if raw.get("event") == "bounce" and raw.get("hard_bounce") is False else ""

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        """Of one message, or of all."""
        message = answer.first_object("Messages") or answer
        error = message.first_object("Errors") or message
        return error.get("ErrorCode"), error.get("ErrorMessage")
