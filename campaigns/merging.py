"""Merge fields: `{first_name}` in a text becomes the recipient's own."""

from __future__ import annotations

import re
from collections.abc import Mapping

FIELD = re.compile(r"\{([^{}]*)\}")
USABLE = re.compile(r"[a-z][a-z0-9_]{0,39}")


def fields(text: str) -> list[str]:
    """The names between braces, in order, repeats included."""
    return FIELD.findall(text)


def unknown_fields(text: str) -> list[str]:
    """What stands between braces but can never be a field's name, such as `{First Name}`."""
    return sorted({name for name in fields(text) if not USABLE.fullmatch(name)})


def merge(text: str, values: Mapping[str, str]) -> str:
    """`text` with each field replaced; a field the recipient lacks becomes nothing.

    >>> merge("Hello {first_name}!", {"first_name": "Omar"})
    'Hello Omar!'
    """
    return FIELD.sub(lambda match: str(values.get(match.group(1), "")), text)
