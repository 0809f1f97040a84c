"""By what the lines of erased people are known in files, in whatever spelling: keyed hashes, which nobody can read.

With a hash stand the lengths of what it is of, so that just as much of a cell is compared: an email may hold any mark,
and none that parts one from the text around it can be named. Where an address may go on (`o'neil@`, `example.com.au`)
it is another one.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from html import unescape
from itertools import accumulate
from typing import Any
from urllib.parse import unquote

import idna
import phonenumbers
from django.conf import settings

from contacts.addresses import match_key
from contacts.emails import NotAnEmail, parse_email
from contacts.erased_keys import secret_key
from contacts.models import Address, Contact, FileErasure, FileRow

LEAST_DIGITS = 6  # fewer are a house number or a postcode as well
CERTAIN_DIGITS = (
    9  # so many are looked for anywhere; fewer only between marks, as they stand within other numbers
)
_MAIL = re.compile(r"[^\s<>,;:|\"()\[\]{}“”]+@[^\s<>,;:|\"()\[\]{}“”/?!]+")
_GOES_ON_BEFORE = re.compile(r"[^\W_][.+'_-]*$")
_GOES_ON_AFTER = re.compile(r"(?:\.|-+)?[^\W_]")
_NEAR = 8  # characters before an address by which it is told whether it begins there
_BLANKS_AROUND_AT = re.compile(r"\s*@\s*")
_DIGITS = re.compile(r"\d+")


def traits_of(contact: Contact, addresses: Sequence[Address]) -> dict[str, list[Any]]:
    """The fields of a FileErasure by which their lines are known."""
    emails = {one.value for one in addresses if "@" in one.value}
    numbers = {one.value for one in addresses if "@" not in one.value}
    keys = sorted({_hash(match_key(value)) for value in emails})
    written = sorted({each for value in emails for each in _emails(value)})
    return {
        "emails": [[0, 0, key] for key in keys] + [_sized(each) for each in written],
        "numbers": [
            [len(each), _hash(each)] for each in sorted({n for one in numbers for n in _numbers(one)})
        ],
        "ids": [_hash(contact.external_id.strip())] if contact.external_id.strip() else [],
        "names": [_hash(_plain(contact.name))] if contact.name.strip() else [],
    }


class ErasedTraits:
    """What is known of erased people, by every secret there was. Falsy where nothing is."""

    def __init__(self, erasures: Iterable[FileErasure]) -> None:
        self.ids: set[str] = set()
        self.names: set[str] = set()
        self.emails: dict[tuple[int, int], set[str]] = {}
        self.numbers: dict[int, set[str]] = {}
        for one in erasures:
            self.ids |= set(one.ids)
            self.names |= set(one.names)
            for before, after, hashed in one.emails:
                self.emails.setdefault((before, after), set()).add(hashed)
            for length, hashed in one.numbers:
                self.numbers.setdefault(length, set()).add(hashed)

    def __bool__(self) -> bool:
        return bool(self.ids or self.names or self.emails or self.numbers)

    def lines(self, rows: Iterable[FileRow]) -> tuple[set[int], set[int]]:
        """The lines that are theirs by an address or an id, and those that have no more than the name of one."""
        theirs, named = set(), set()
        for row in rows:
            cells = [(text, _plain(text)) for cell in row.cells if (text := str(cell).strip())]
            if any(self._are_in(*cell) for cell in cells):
                theirs.add(row.line)
            elif self.names and any(self._known(plain, self.names) for _, plain in cells):
                named.add(row.line)
        return theirs, named

    def _are_in(self, text: str, plain: str) -> bool:
        return bool(
            (self.ids and self._known(text, self.ids))
            or (self.emails and "@" in plain and self._email_in(plain))
            or (self.numbers and self._number_in(plain))
        )

    def _email_in(self, plain: str) -> bool:
        keys = self.emails.get((0, 0), set())
        if any(self._known(key, keys) for key in _keys_in(plain)):
            return True
        return any(
            self._known(window, hashes)
            for found in re.finditer("@", plain)
            for (before, after), hashes in self.emails.items()
            if before and (window := _window(plain, found.start(), before, after))
        )

    def _number_in(self, plain: str) -> bool:
        groups = [_ascii(found[0]) for found in _DIGITS.finditer(plain)]
        digits = "".join(groups)
        ends = {0, *accumulate(map(len, groups))}
        return any(
            self._known(digits[at : at + length], hashes)
            for length, hashes in self.numbers.items()
            for at in (range(len(digits) - length + 1) if length >= CERTAIN_DIGITS else ends)
            if length >= CERTAIN_DIGITS or at + length in ends
        )

    @cached_property
    def _secrets(self) -> list[str]:
        return [settings.CREDENTIALS_KEY, *settings.FORMER_CREDENTIALS_KEYS]

    def _known(self, text: str, among: Collection[str]) -> bool:
        return any(_hash(text, secret) in among for secret in self._secrets)


def _hash(text: str, secret: str = "") -> str:
    return hmac.digest(secret_key(secret or settings.CREDENTIALS_KEY), text.encode(), "sha256").hex()[:32]


def _plain(text: str) -> str:
    """As it is compared: no encodings, widths, capitals, marks that do not show, or blanks around an @."""
    text = unquote(unescape(text))
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(each for each in text if unicodedata.category(each) != "Cf")
    text = text.strip().casefold()
    return _BLANKS_AROUND_AT.sub("@", text) if "@" in text else text


# ---- Emails ------------------------------------------------------------------------------------------------------


def _emails(value: str) -> Iterator[str]:
    """As it may be written: its domain in letters of its language, or as machines have it."""
    local, _, domain = value.rpartition("@")
    yield _plain(value)
    try:
        yield _plain(f"{local}@{idna.encode(domain).decode()}")
    except (idna.IDNAError, UnicodeError):
        return


def _sized(email: str) -> list[Any]:
    before, _, after = email.rpartition("@")
    return [len(before), len(after), _hash(email)]


def _window(plain: str, at: int, before: int, after: int) -> str:
    """So many characters before and after the @; '' where there are fewer, or an address would go on."""
    start, end = at - before, at + 1 + after
    if start < 0 or end > len(plain):
        return ""
    goes_on = _GOES_ON_BEFORE.search(plain[max(0, start - _NEAR) : start]) or _GOES_ON_AFTER.match(plain, end)
    return "" if goes_on else plain[start:end]


def _keys_in(plain: str) -> Iterator[str]:
    """The key of each email, for other spellings of one mailbox."""
    for text in {plain, *(each.strip(".'") for each in _MAIL.findall(plain))}:
        try:
            yield match_key(parse_email(text))
        except NotAnEmail:
            continue


# ---- Numbers -----------------------------------------------------------------------------------------------------


def _numbers(value: str) -> set[str]:
    """The digits of a number as it may be written: at home, with or without the zero before it, and from abroad."""
    forms: set[str] = set()
    for one in {value, match_key(value)}:
        try:
            number = phonenumbers.parse(one)
        except phonenumbers.NumberParseException:
            forms.add(_digits(one))
            continue
        national, code = phonenumbers.national_significant_number(number), str(number.country_code)
        at_home = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        forms |= {national, f"0{national}", _digits(at_home)}
        forms |= {f"{prefix}{code}{zero}{national}" for prefix in ("", "00", "011") for zero in ("", "0")}
    certain = {each for each in forms if len(each) >= CERTAIN_DIGITS}
    return {
        each
        for each in forms
        if len(each) >= LEAST_DIGITS and not any(other in each for other in certain - {each})
    }


def _digits(text: str) -> str:
    return _ascii("".join(_DIGITS.findall(text)))


def _ascii(digits: str) -> str:
    return digits if digits.isascii() else "".join(str(unicodedata.decimal(each)) for each in digits)
