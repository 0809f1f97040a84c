"""Addresses of pictures and recordings: what providers fetch, and what becomes a link on our pages."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError


def is_web_address(text: str) -> bool:
    """Whether `text` leads to a page or file by http or https, and to nothing else.

    Browsers skip blanks and control characters in an address, and take a backslash for a slash; a name before `@`
    passes for the host. None of them is needed.
    """
    if not text.isprintable() or any(each.isspace() or each == "\\" for each in text):
        return False
    try:
        parts = urlsplit(text)
        found = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return found and "@" not in parts.netloc


def validate_web_address(text: str) -> None:
    if not is_web_address(text):
        raise ValidationError(
            "Only an address that begins with https:// or http://, such as https://example.com/picture.jpg."
        )
