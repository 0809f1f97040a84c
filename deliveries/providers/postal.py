"""Postal, the mail server for everyone. https://docs.postalserver.io/developer/webhooks"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anymail.signals import AnymailTrackingEvent

from deliveries.providers.anymail_service import AnymailEvents
from deliveries.providers.email_events import tagged
from deliveries.providers.reading import inside, word


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

    def ref(self, event: AnymailTrackingEvent) -> str:
        return tagged(event.tags)

    def said(self, raw: Mapping[str, Any]) -> tuple[str, str]:
        status = word(inside(raw, "payload"), "status", required=False)
        return status or word(raw, "event"), ""

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        data = inside(told, "data")
        return str(data.get("code") or ""), str(data.get("message") or "")
