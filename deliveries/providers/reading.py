"""Reading callbacks: forms, JSON and the words in them, checked so that whatever passes can be stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from deliveries.providers.base import Unreadable

UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
# What the columns hold. No provider's own words are longer.
LONGEST_ID, LONGEST_WORD, LONGEST_ADDRESS = 80, 64, 254


def pairs(form_body: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values of a form, in order, blanks included.

    Splitting by hand takes half the time of urllib's parser, and bytes keep what is not UTF-8 as it came.
    """
    found = []
    for field in form_body.replace(b"+", b" ").split(b"&"):
        if not field:
            continue
        name, _, value = field.partition(b"=")
        if b"%" in field:
            # Nearly every escape is the plus of a phone number.
            if field.count(b"%") == value.count(b"%2B"):
                value = value.replace(b"%2B", b"+")
            else:
                name, value = unquote_to_bytes(name), unquote_to_bytes(value)
        found.append((name, value))
    return found


def form(form_body: bytes) -> dict[str, str]:
    """Fields as text; of a repeated name the first value."""
    return {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for name, value in reversed(pairs(form_body))
    }


def json_object(body: bytes) -> dict[str, Any]:
    """The object in a JSON body. Raises Unreadable."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise Unreadable("body: not JSON.") from problem
    if not isinstance(told, dict):
        raise Unreadable("body: not a JSON object.")
    return told


def reference(query: Mapping[str, str]) -> str:
    """Our uuid from the callback address; empty when it is missing or no uuid."""
    given = query.get("m", "")
    return given.lower() if UUID.fullmatch(given) else ""


def word(fields: Mapping[str, Any], *names: str, longest: int = LONGEST_WORD, required: bool = True) -> str:
    """The first of `names` that has a value, as text; empty if none has and it is not required.

    Raises Unreadable when it is missing, is no text, or could not be stored as it came.
    """
    name = next((name for name in names if fields.get(name)), names[0])
    value = fields.get(name) or ""
    if not isinstance(value, str):
        raise Unreadable(f"{name}: not a text.")
    if required and not value:
        raise Unreadable(f"{name}: missing.")
    if len(value) > longest:
        raise Unreadable(f"{name}: longer than {longest} characters.")
    if not value.isprintable():
        raise Unreadable(f"{name}: contains an unprintable character.")
    return value


def clean(text: str) -> str:
    """Free text without what no database stores: NUL characters and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
