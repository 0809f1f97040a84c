"""Take a person out of what providers reported, word for word. The rest of a receipt stays as it came."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

import phonenumbers

ERASED = b"[erased]"
# What may stand between two digits of a number, as text, in a URL or in a form.
_BETWEEN = rb"(?:[\s().\-/+]|%20|%28|%29|%2D|%2E){0,3}"
_PLUS = rb"(?:\+|%2B|\\u002b|00)?"
SHORTEST = 3  # characters of a name or a text that are looked for: shorter ones stand in any receipt


class Redaction:
    """Everything that tells who it was: addresses in any spelling, and names and texts as they may be encoded."""

    def __init__(self, addresses: Iterable[str], texts: Iterable[str]) -> None:
        addresses = [one for one in addresses if one]
        self.numbers = [national for one in addresses if (national := _national(one))]
        patterns = [_of_address(one) for one in addresses]
        patterns += [_of_text(one) for one in texts if len(one.strip()) >= SHORTEST]
        self.pattern = re.compile(b"|".join(patterns), re.IGNORECASE) if patterns else None

    def of_bytes(self, body: bytes) -> bytes:
        """`body` without them; all of it goes where a part may hide in an encoding, or a number is left over."""
        if self.pattern is None or not body:
            return body
        found = self.pattern.sub(ERASED, body)
        digits = re.sub(rb"\D", b"", found)
        if b"base64" in found.lower() or any(one in digits for one in self.numbers):
            return ERASED
        return found

    def of_text(self, text: str) -> str:
        return self.of_bytes(text.encode()).decode(errors="replace")

    def of_json(self, value: Any) -> Any:
        """The same value without them; {} where it cannot be told apart."""
        try:
            return json.loads(self.of_text(json.dumps(value)))
        except ValueError:
            return {}


def _national(address: str) -> bytes:
    """The digits of a number without its country; b'' for an email."""
    try:
        number = phonenumbers.parse(address)
    except phonenumbers.NumberParseException:
        return b""
    return phonenumbers.national_significant_number(number).encode()


def _of_address(address: str) -> bytes:
    national = _national(address)
    if not national:
        return _any_of(_encoded(address))
    country = address.removeprefix("+").removesuffix(national.decode()).encode()
    digits = [re.escape(bytes([one])) for one in national]
    return (
        rb"(?<!\d)(?:" + _PLUS + re.escape(country) + rb"|0)?" + _BETWEEN + _BETWEEN.join(digits) + rb"(?!\d)"
    )


def _of_text(text: str) -> bytes:
    return _any_of(_encoded(text.strip()))


def _encoded(text: str) -> Collection[str]:
    """As plain text, in JSON, in a URL or a form, in XML."""
    in_json = json.dumps(text)[1:-1]
    return {
        text,
        in_json,
        in_json.replace("/", "\\/"),
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
        escape(text),
    }


def _any_of(spellings: Collection[str]) -> bytes:
    longest_first = sorted(spellings, key=lambda one: (-len(one), one))
    return b"(?:" + b"|".join(re.escape(one.encode()) for one in longest_first) + b")"
