"""Postal, the mail server for everyone. https://docs.postalserver.io/developer/webhooks"""

from __future__ import annotations

from typing import Any

from deliveries.providers.kit.anymail_service import AnymailEvents
from deliveries.providers.kit.parsing import FieldReader


class Postal(AnymailEvents):
    slug = "postal"
    name = "Postal"
    backend = "anymail.backends.postal.EmailBackend"
    view = "anymail.webhooks.postal.PostalTrackingWebhookView"
    credential_fields = {"api_url": "Address of the server's API", "api_key": "API key"}
    optional_fields = {"webhook_key": "Public key of the server's webhooks"}
    view_options = frozenset({"webhook_key"})
    proof_field = "webhook_key"
    opens = frozenset({"MessageLoaded"})
    tables = ("postal", "smtp")

    def label(self, mail: Any, ref: str) -> None:
        """Postal has no metadata, and one tag."""
        mail.tags = [ref]

    def status_and_code(self, raw: FieldReader) -> tuple[str, str]:
        return raw.object_at("payload").optional_str("status") or raw.required_str("event"), ""

    def refusal(self, answer: FieldReader) -> tuple[Any, Any]:
        return super().refusal(answer.object_at("data"))
