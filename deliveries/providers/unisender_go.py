"""Unisender Go. https://godocs.unisender.ru/web-api-ref#callback-format"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deliveries.providers.kit.anymail_service import AnymailEvents
from deliveries.providers.kit.parsing import FieldReader


class UnisenderGo(AnymailEvents):
    slug = "unisender_go"
    name = "Unisender Go"
    backend = "anymail.backends.unisender_go.EmailBackend"
    view = "anymail.webhooks.unisender_go.UnisenderGoTrackingWebhookView"
    credential_fields = {"api_url": "API address of the account's data centre", "api_key": "API key"}
    view_options = frozenset({"api_key"})
    proof_field = "api_key"
    tables = ("unisender_go", "smtp")
    event_key = "status"
    assumed = {"email": ""}

    def options(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        return {**super().options(credentials), "generate_message_id": False}

    def status_and_code(self, raw: FieldReader) -> tuple[str, str]:
        why = raw.object_at("delivery_info").optional_str("delivery_status")
        return raw.required_str("status"), why if why.startswith("err") else ""
