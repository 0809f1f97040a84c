"""MailerSend. https://developers.mailersend.com/api/v1/webhooks.html"""

from __future__ import annotations

from typing import Any

from deliveries.providers.kit.anymail_service import AnymailEvents
from deliveries.providers.kit.parsing import FieldReader


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
    # From its larger plans alone; it refuses the mail of others (its API reference, "Email").
    takes_headers = False

    def label(self, mail: Any, ref: str) -> None:
        """MailerSend has no metadata."""
        mail.tags = [ref]

    def status_and_code(self, raw: FieldReader) -> tuple[str, str]:
        return raw.object_at("data").required_str("type"), ""
