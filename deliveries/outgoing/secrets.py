"""The secrets by which receivers know our calls: shown once, and replaced with a time in which both hold."""

from __future__ import annotations

import base64
import secrets
from datetime import datetime

from deliveries.models import WebhookEndpoint
from deliveries.models.endpoints import OVERLAP


def new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def rotate(endpoint: WebhookEndpoint, now: datetime) -> str:
    """A new secret, which is given back this once. The former one signs too until `endpoint.before_until`."""
    fresh = new_secret()
    endpoint.secret = {"now": fresh, "before": endpoint.secret.get("now", "")}
    endpoint.before_until = now + OVERLAP
    endpoint.save(update_fields=["secret", "before_until"])
    return fresh
