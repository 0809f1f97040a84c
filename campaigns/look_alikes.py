"""Characters that double the price of a text message, and what reads the same in the plain alphabet. Pure.

`look_alikes.csv` has a line for each, by code point, with the reason. Letters with an accent that the alphabet lacks
are not in it: their bare letter is offered, and never taken unasked, since it may be another word. What the browser
needs to say the same while somebody types is `tables()`; `static/js/segments.js` holds no table of its own.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from campaigns.merging import FIELD
from campaigns.segments import ALONE, BASIC, ESCAPE, EXTENSION, GSM, SPLIT, UCS2, outside, size

# Where nothing is replaced: an address would lead elsewhere, and a merge field would be another.
KEPT = r"(?:https?://|www\.)\S+|\{{1,2}[^{}]*\}{1,2}"
# Unicode's blocks of pictographs, with what joins and varies them (Unicode 16, Blocks.txt).
EMOJI = (
    (0x200D, 0x200D),
    (0x20E3, 0x20E3),
    (0x2600, 0x27BF),
    (0x2B00, 0x2BFF),
    (0xFE0F, 0xFE0F),
    (0x1F000, 0x1FAFF),
)
_kept = re.compile(f"({KEPT})")


class LookAlike(NamedTuple):
    replacement: str
    name: str
    why: str


class Special(NamedTuple):
    """A character that makes a text UCS-2, and how many `times` it stands outside of addresses and merge fields.

    `replacement` is None where nothing stands for it. Not `sure`: it may be another word, and is replaced only when
    asked for by itself.
    """

    character: str
    name: str
    times: int
    replacement: str | None
    why: str
    sure: bool

    @property
    def code(self) -> str:
        """As it stands in a form: `2019`."""
        return f"{ord(self.character):04X}"

    @property
    def instead(self) -> str:
        """What is written instead, in words."""
        return {" ": "a space", "": "nothing"}.get(self.replacement or "", self.replacement or "")

    @property
    def shown(self) -> str:
        """What a reader sees of it: its code where it is invisible."""
        return self.character if _is_seen(self.character) else f"U+{self.code}"


@cache
def look_alikes() -> dict[str, LookAlike]:
    with (Path(__file__).parent / "look_alikes.csv").open(newline="", encoding="utf-8") as file:
        return {
            chr(int(row["code"], 16)): LookAlike(row["replacement"], row["name"], row["why"])
            for row in csv.DictReader(file)
        }


def specials(text: str) -> list[Special]:
    """What makes `text` UCS-2, each character once, in order."""
    counts = Counter("".join(_free(unicodedata.normalize("NFC", text))))
    return [_special(character, counts[character]) for character in outside(text)]


def replaced(text: str, only: str = "") -> str:
    """`text` with what has a sure look-alike replaced by it, or the one character `only` by what is offered for it.

    Addresses and merge fields stay as they are. Nothing else changes, but that accents are put together with their
    letters.
    """
    parts = _kept.split(unicodedata.normalize("NFC", text))
    return "".join(part if n % 2 else _replaced(part, only) for n, part in enumerate(parts))


def _replaced(part: str, only: str) -> str:
    special = {one: _special(one, 0) for one in outside(part) if not only or one == only}
    table = {
        ord(one): each.replacement
        for one, each in special.items()
        if each.replacement is not None and (only or each.sure)
    }
    return part.translate(table)


def plain(text: str) -> str:
    """`text` as it would be in the plain alphabet: replaced, and what nothing stands for left out."""
    text = unicodedata.normalize("NFC", text)
    table = {ord(one): _special(one, 0).replacement or "" for one in outside(text)}
    return text.translate(table)


def label(text: str) -> str:
    """How long a text is: "160 of 160 characters, 1 segment"."""
    encoding, units, parts = size(text)
    room = ALONE[encoding] if parts <= 1 else parts * SPLIT[encoding]
    return f"{units:,} of {room:,} characters, {_segments(parts)}"


def saving(text: str) -> str:
    """What its special characters cost, in a sentence; '' for a text in the plain alphabet."""
    special = outside(text)
    if not special:
        return ""
    now, then = size(text).segments, size(plain(text)).segments
    subject, several = _subject(special, text)
    times = {2: "double", 3: "triple"}.get(now // then if then and now % then == 0 else 0)
    if now <= then or not then:
        room, shorter = ALONE[GSM], ALONE[UCS2]
        return f"Because of {subject} a segment holds {shorter} characters instead of {room}."
    ending = "" if several else "s"
    verb = f"{times}{ending} your cost" if times else f"cost{ending} more"
    return f"{subject[0].upper()}{subject[1:]} {verb}: {_segments(now)} instead of {then}."


def tables() -> dict[str, Any]:
    """All that the counter in the browser goes by, as JSON takes it."""
    return {
        "basic": BASIC.replace(chr(ESCAPE), ""),
        "extension": "".join(EXTENSION.values()),
        "gsm": GSM,
        "ucs2": UCS2,
        "alone": ALONE,
        "split": SPLIT,
        "kept": KEPT,
        "field": FIELD.pattern,
        "emoji": EMOJI,
        "alike": {one: list(each) for one, each in look_alikes().items()},
    }


# ---- One character -------------------------------------------------------------------------------------------


def _special(character: str, count: int) -> Special:
    if known := look_alikes().get(character):
        return Special(character, known.name, count, known.replacement, known.why, sure=True)
    bare = unicodedata.normalize("NFD", character)[0]
    if bare != character and bare in BASIC:
        why = f"The alphabet of text messages lacks {character}; {bare} may be read as another word"
        return Special(character, f"letter {character}", count, bare, why, sure=False)
    name = (
        "emoji"
        if _is_emoji(character)
        else f"character {character if _is_seen(character) else f'U+{ord(character):04X}'}"
    )
    return Special(
        character, name, count, None, "Nothing in the alphabet of text messages stands for it", sure=False
    )


def _subject(special: str, text: str) -> tuple[str, bool]:
    """What the sentence is about, and whether in the plural."""
    if all(_is_emoji(one) for one in special):
        found = [one for one in unicodedata.normalize("NFC", text) if ord(one) > 0xFFFF or one in special]
        return "the emoji", len(found) > 1
    if len(special) == 1:
        return f"the {_special(special, 0).name}", False
    return "these characters", True


def _is_emoji(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in EMOJI)


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZM"


def _free(text: str) -> list[str]:
    return _kept.split(text)[::2]


def _segments(count: int) -> str:
    return f"{count:,} segment{'' if count == 1 else 's'}"
