"""Mailchimp Transactional (Mandrill). https://mailchimp.com/developer/transactional/docs/webhooks/"""

from __future__ import annotations

from typing import Any

from deliveries.providers.kit.anymail_service import AnymailEvents
from deliveries.providers.kit.email_events import specific
from deliveries.providers.kit.parsing import FieldReader


class Mandrill(AnymailEvents):
    slug = "mandrill"
    name = "Mailchimp Transactional (Mandrill)"
    backend = "anymail.backends.mandrill.EmailBackend"
    view = "anymail.webhooks.mandrill.MandrillCombinedWebhookView"
    credential_fields = {"api_key": "API key"}
    optional_fields = {"webhook_key": "Key of the webhook"}
    view_options = frozenset({"webhook_key"})
    proof_field = "webhook_key"
    tables = ("mandrill", "smtp")

    def status_and_code(self, raw: FieldReader) -> tuple[str, str]:
        message = raw.object_at("msg")
        own = message.optional_str("bounce_description")
        return raw.required_str("event", "type"), specific(message.get("diag")) or (
            "" if own == "general" else own
        )

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return answer.get("reject_reason") or answer.get("name"), answer.get("message")
