"""How many SMS segments a text is billed as, and what makes it so many. Pure.

3GPP TS 23.038 (the GSM 7-bit alphabet and its extension table) and TS 23.040 (texts in several parts). The national
tables of the standard are not used: hardly any provider does.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

ESCAPE = 0x1B
# In the order of the standard: the place of a character is its code. The escape's place holds a character of no text.
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
GSM, UCS2 = "GSM-7", "UCS-2"
ALONE = {GSM: 160, UCS2: 70}
SPLIT = {GSM: 153, UCS2: 67}  # the rest tells the phone which part it is

# What each character takes: septets in GSM-7, of which the extension's take two.
_SEPTETS = {**dict.fromkeys(BASIC.replace(chr(ESCAPE), ""), 1), **dict.fromkeys(EXTENSION.values(), 2)}


class TextSize(NamedTuple):
    """`encoding` is GSM or UCS2, `units` are septets or 16-bit units. An empty text has no segments."""

    encoding: str
    units: int
    segments: int


def segments(text: str) -> int:
    """How many SMS segments `text` is billed as; 0 for an empty text."""
    return size(text).segments


def size(text: str) -> TextSize:
    """The encoding, length and segments of `text` as it leaves, its merge fields filled in."""
    text = unicodedata.normalize("NFC", text)
    if outside(text):
        return _size(UCS2, [2 if ord(character) > 0xFFFF else 1 for character in text])
    return _size(GSM, [_SEPTETS[character] for character in text])


def outside(text: str) -> str:
    """The characters that make the whole text UCS-2, each once, in order; '' for a text in GSM-7."""
    normal = unicodedata.normalize("NFC", text)
    return "".join(dict.fromkeys(character for character in normal if character not in _SEPTETS))


def _size(encoding: str, lengths: list[int]) -> TextSize:
    units = sum(lengths)
    alone = units <= ALONE[encoding]
    return TextSize(encoding, units, min(len(lengths), 1) if alone else _parts(lengths, SPLIT[encoding]))


def _parts(lengths: Iterable[int], room: int) -> int:
    """Parts filled one after the other. A character of two units that does not fit opens the next."""
    parts, used = 1, 0
    for length in lengths:
        if used + length > room:
            parts, used = parts + 1, 0
        used += length
    return parts
