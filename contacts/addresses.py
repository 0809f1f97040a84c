"""The one form in which addresses are kept, and the key by which two spellings of one address are compared.

Every door (imports, forms, replies, receipts) brings an address into its normal form. The key is for comparing
only: it is never shown and never sent to.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import idna

from contacts.channels import LineType
from contacts.emails import NotAnEmail, parse_email
from contacts.phones import NotAPhone, country_of, e164, possible, type_of

# How numbers are written that are one and the same line, longest known spelling first.
_ONE_LINE = (
    (re.compile(r"\+521(\d{10})"), r"+52\1"),  # Mexico dropped the 1 before mobiles in 2019
    (
        re.compile(r"\+549(\d{10})"),
        r"+54\1",
    ),  # Argentina: the 9 says "mobile" and is left out inside the country
    # Brazil put a 9 before mobiles, which began with 6 to 9 then. Behind another digit it is no old mobile.
    (re.compile(r"\+55(\d\d)9([6-9]\d{7})"), r"+55\1\2"),
)
_GMAIL = {"gmail.com", "googlemail.com"}
# Providers that deliver name+anything to the mailbox of name, by their own help pages.
_PLUS = _GMAIL | {
    "fastmail.com", "hotmail.com", "icloud.com", "live.com", "mac.com", "me.com", "msn.com", "outlook.com",
    "pm.me", "proton.me", "protonmail.com",
}  # fmt: skip
_SCHEME = re.compile(r"(?:tel|sms|smsto|mailto|whatsapp|rcs):", re.IGNORECASE)
_NUMBER = re.compile(r"[+(]*\d[\d\s().+/\-\u2010-\u2015\u2212·]*")
# Texts come from mobiles: where digits can be read in two ways, the one that is a mobile is meant.
_MOBILITY = {LineType.MOBILE: 2, LineType.FIXED_OR_MOBILE: 1}


def normal_form(text: str, region: str) -> str:
    """A number in E.164, an email in lower case with its domain in Unicode; what is neither, as it came.

    `region` is the country, such as US, of numbers written without one: that of our own number that was written to,
    if it tells. Takes what machines write: 00 or nothing in place of the plus, blanks, dashes, brackets. A short code
    or a sender of letters is neither.
    """
    tidy = _SCHEME.sub("", _visible(text), count=1)
    if "@" in tidy:
        try:
            return parse_email(tidy)
        except NotAnEmail:
            return tidy
    if not _NUMBER.fullmatch(tidy):
        return text.strip()
    sure, readings = _readings(tidy)
    found = [number for reading in readings if (number := _number(reading, region))]
    if found:
        # The first of equals.
        return found[0] if sure else max(found, key=lambda number: _MOBILITY.get(type_of(number), 0))
    # No such number is given out; but one as long as they are, with a plus or the zero of a national one, is meant so.
    return next(filter(None, (possible(each, region) for each in readings if each[0] in "+0")), text.strip())


def _visible(text: str) -> str:
    """Without marks that do not show, such as zero-width blanks; full-width digits as plain ones."""
    plain = unicodedata.normalize("NFKC", text)
    return "".join(each for each in plain if unicodedata.category(each) not in ("Cf", "Cc")).strip()


def _readings(text: str) -> tuple[bool, list[str]]:
    """What the digits may stand for, as an international number or a national one, the likelier first; and whether
    the first is meant for sure where it can be."""
    digits = "".join(str(unicodedata.digit(each)) for each in text if each.isdigit())
    if digits.startswith("00"):
        return True, [f"+{digits[2:]}", digits]
    if digits.startswith("0"):
        return True, [digits]  # a plus before it is a mistake: no country has that code
    if text.lstrip("(").startswith("+"):
        return True, [f"+{digits}", digits]
    return False, [digits, f"+{digits}"]


def _number(reading: str, region: str) -> str:
    try:
        return e164(reading, region)
    except NotAPhone:
        return ""


@lru_cache(maxsize=8_192)  # an import asks for each several times
def match_key(value: str) -> str:
    """What all spellings of the address `value`, itself in normal form, have in common. '' for ''."""
    if "@" in value:
        return _mailbox(value)
    for pattern, plain in _ONE_LINE:
        if pattern.fullmatch(value):
            return pattern.sub(plain, value)
    return value.strip().lower()


def _mailbox(email: str) -> str:
    local, _, domain = unicodedata.normalize("NFC", email).strip().lower().rpartition("@")
    if "xn--" in domain:
        domain = _decoded(domain)
    if domain in _PLUS:
        local = local.partition("+")[0] or local
    if domain in _GMAIL:
        local, domain = local.replace(".", "") or local, "gmail.com"
    return f"{local}@{domain}"


def _decoded(domain: str) -> str:
    try:
        return idna.decode(domain)
    except (idna.IDNAError, UnicodeError):
        return domain


def region_of(number: str, otherwise: str) -> str:
    """The country of a number of ours, such as US; `otherwise` where it does not tell, as a short code does not."""
    return country_of(number) or otherwise
