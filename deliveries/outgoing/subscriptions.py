"""Which kinds of events some endpoint asks for, from memory: where none does, a change costs nothing more."""

from __future__ import annotations

import time

from deliveries.models import WebhookEndpoint

CHECK_SECONDS = 2.0

_held: frozenset[str] | None = None
_checked_at = float("-inf")


def wanted(kind: str) -> bool:
    """What another process changes is seen within two seconds."""
    return kind in kinds()


def kinds() -> frozenset[str]:
    global _held, _checked_at
    if _held is None or time.monotonic() - _checked_at > CHECK_SECONDS:
        asked = WebhookEndpoint.objects.filter(disabled_at=None).order_by().values_list("kinds", flat=True)
        _held = frozenset(kind for each in asked for kind in each)
        _checked_at = time.monotonic()
    return _held


def forget(*_: object, **__: object) -> None:
    """Look again at the next question: an endpoint was changed here."""
    global _held
    _held = None
