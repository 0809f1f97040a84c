"""Mailchimp Transactional (Mandrill). https://mailchimp.com/developer/transactional/docs/webhooks/"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deliveries.providers.anymail_service import AnymailEvents
from deliveries.providers.email_events import specific
from deliveries.providers.reading import inside, word


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

    def said(self, raw: Mapping[str, Any]) -> tuple[str, str]:
        message = inside(raw, "msg")
        own = word(message, "bounce_description", required=False)
        return word(raw, "event", "type"), specific(message.get("diag")) or ("" if own == "general" else own)

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        return str(told.get("reject_reason") or told.get("name") or ""), str(told.get("message") or "")
