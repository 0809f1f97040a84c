"""Email addresses: from what people type to the one form that is stored and compared."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

# What nearly all addresses look like. Of these only the domain is left to ask about, and most share one.
_USUAL = re.compile(r"([A-Za-z0-9][A-Za-z0-9_+-]{0,30}(?:\.[A-Za-z0-9_+-]{1,30})?)@([A-Za-z0-9.-]{1,100})")


class NotAnEmail(ValueError):
    """`text` is no email address; `why` is a sentence."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"“{text}” is not an email address: {why}")
        self.text = text
        self.why = why


def parse_email(text: str) -> str:
    """The address in lower case, full-width letters as plain ones, its domain in Unicode. Raises NotAnEmail.

    The local part is lowered too: servers that tell Robin@ from robin@ are practically extinct, while an opt-out
    must hold however the address is typed the next time. Nothing is looked up in the network.
    """
    usual = _USUAL.fullmatch(text.strip())
    if usual and (domain := _domain(usual[2])):
        return f"{usual[1].lower()}@{domain}"
    try:
        # The test environment is what lets names under .test pass.
        plain = unicodedata.normalize("NFKC", text).strip()
        found = validate_email(plain, check_deliverability=False, test_environment=True)
    except EmailNotValidError as problem:
        raise NotAnEmail(text, str(problem)) from None
    return found.normalized.lower()


def parse_domain(text: str) -> str:
    """A domain in the form that `parse_email` keeps it in: lower case, Unicode. Raises NotAnEmail."""
    text = text.strip().rstrip(".")
    if "@" in text or "/" in text:
        raise NotAnEmail(text, "A domain is only what stands after the @ or the //.")
    return _domain(text) or parse_email(f"a@{text}").rpartition("@")[2]


@lru_cache(maxsize=16_384)
def _domain(text: str) -> str:
    """The domain as it is kept; '' where no address can have it."""
    try:
        found = validate_email(f"a@{text}", check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return ""
    return found.normalized.lower().rpartition("@")[2]
