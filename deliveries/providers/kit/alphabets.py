"""Texts as phones encode them: the GSM alphabet, UCS-2 and what else SMPP's `data_coding` names.

Gateways pass a person's text on as they got it, as hex digits, or as UTF-8 beside the coding that it once had.
"""

from __future__ import annotations

import unicodedata

from campaigns.segments import BASIC, ESCAPE, EXTENSION

GSM, LATIN, UCS2 = "gsm", "latin-1", "utf-16-be"
# SMPP v3.4, 5.2.19. Octets without a meaning (2 and 4) are read as Latin-1, which loses none of them.
SMPP_CODINGS = {
    "0": GSM, "1": LATIN, "2": LATIN, "3": LATIN, "4": LATIN, "5": "shift_jis", "6": "iso8859-5", "7": "iso8859-8",
    "8": UCS2, "10": "iso2022_jp", "13": "euc_jp", "14": "euc_kr",
}  # fmt: skip
_NAMES = {
    "GSM": GSM, "GSM7": GSM, "GSM0338": GSM, "7BIT": GSM, "LATIN1": LATIN, "ISO88591": LATIN, "8BIT": LATIN,
    "WINDOWS1252": "cp1252", "ASCII": LATIN, "USASCII": LATIN, "IA5": LATIN, "UCS2": UCS2, "UTF16": UCS2,
    "UTF16BE": UCS2, "UTF16LE": "utf-16-le", "16BIT": UCS2, "ISO10646UCS2": UCS2, "UNICODE": UCS2, "UTF8": "utf-8",
}  # fmt: skip
_CLASSES = {0: GSM, 1: LATIN, 2: UCS2}  # the alphabet's two bits in the codings of TS 23.038


def named(coding: str) -> str:
    """The encoding by its name, however it is written; '' for a name that nobody knows."""
    return _NAMES.get("".join(filter(str.isalnum, coding.upper())), "")


def smpp_coding(coding: str) -> str:
    """The encoding by SMPP's number, decimal or 0x, or by name; '' for anything else."""
    try:
        number = int(coding, 16 if coding.lower().startswith("0x") else 10)
    except ValueError:
        return named(coding)
    if number < 16:
        return SMPP_CODINGS.get(str(number), "")
    if 0xC0 <= number < 0xF0:  # a message waits: the last of its three groups is in UCS-2
        return UCS2 if number >= 0xE0 else GSM
    return _CLASSES.get((number >> 2) & 3, "")


def decoded(octets: bytes, encoding: str) -> str:
    """The text in these octets, marks in place of what cannot be read; an unknown encoding is UTF-8."""
    if encoding == GSM:
        return _from_gsm(octets)
    if encoding == UCS2 and octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    if encoding == UCS2 and len(octets) >= 4 and not any(octets[1::2]) and any(octets):
        encoding = "utf-16-le"  # Latin letters from a gateway that swaps the octets
    return octets.decode(encoding or "utf-8", "replace")


def readable(octets: bytes, encoding: str) -> str:
    """The text that a gateway passed on, in UTF-8 or still in `encoding`.

    What reads well as UTF-8 is UTF-8: taken for UCS-2, a STOP in plain letters would become two Chinese characters.
    """
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return decoded(octets, encoding)
    strange = any(unicodedata.category(mark) == "Cc" and mark not in "\t\r\n" for mark in text)
    return decoded(octets, encoding) if strange and encoding else text


def from_hex(digits: str) -> bytes:
    """The octets that are written in hex; none when they are not."""
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""


def _from_gsm(octets: bytes) -> str:
    """One septet an octet, as gateways keep them."""
    text, after_escape = [], False
    for octet in octets:
        if octet == ESCAPE and not after_escape:
            after_escape = True
            continue
        character = EXTENSION.get(octet) if after_escape else None
        text.append(character or (BASIC[octet] if octet < len(BASIC) else "\N{REPLACEMENT CHARACTER}"))
        after_escape = False
    return "".join(text)
