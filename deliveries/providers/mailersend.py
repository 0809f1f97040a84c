"""MailerSend. https://developers.mailersend.com/api/v1/webhooks.html"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anymail.signals import AnymailTrackingEvent

from deliveries.providers.anymail_service import AnymailEvents
from deliveries.providers.email_events import tagged
from deliveries.providers.reading import inside, word


class MailerSend(AnymailEvents):
    slug = "mailersend"
    name = "MailerSend"
    backend = "anymail.backends.mailersend.EmailBackend"
    view = "anymail.webhooks.mailersend.MailerSendTrackingWebhookView"
    credential_fields = {"api_token": "API token"}
    optional_fields = {"signing_secret": "Signing secret of the webhook"}
    view_options = frozenset({"signing_secret"})
    proof_field = "signing_secret"
    tables = ("mailersend", "smtp")

    def label(self, mail: Any, ref: str) -> None:
        """MailerSend has no metadata."""
        mail.tags = [ref]

    def ref(self, event: AnymailTrackingEvent) -> str:
        return tagged(event.tags)

    def said(self, raw: Mapping[str, Any]) -> tuple[str, str]:
        return word(inside(raw, "data"), "type"), ""
