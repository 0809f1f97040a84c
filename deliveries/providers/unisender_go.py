"""Unisender Go. https://godocs.unisender.ru/web-api-ref#callback-format"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deliveries.providers.anymail_service import AnymailEvents
from deliveries.providers.reading import inside, word


class UnisenderGo(AnymailEvents):
    slug = "unisender_go"
    name = "Unisender Go"
    backend = "anymail.backends.unisender_go.EmailBackend"
    view = "anymail.webhooks.unisender_go.UnisenderGoTrackingWebhookView"
    credential_fields = {"api_url": "API address of the account's data centre", "api_key": "API key"}
    view_options = frozenset({"api_key"})
    proof_field = "api_key"
    tables = ("unisender_go", "smtp")

    def options(self, credentials: Mapping[str, str]) -> dict[str, Any]:
        return {**super().options(credentials), "generate_message_id": False}

    def said(self, raw: Mapping[str, Any]) -> tuple[str, str]:
        why = word(inside(raw, "delivery_info"), "delivery_status", required=False)
        return word(raw, "status"), why if why.startswith("err") else ""

    def reason(self, told: Mapping[str, Any]) -> tuple[str, str]:
        return str(told.get("code") or ""), str(told.get("message") or "")
