"""A text as it is compared: letters without case, accents, marks and disguises.

`words` gives a text's clauses, each as plain words with one space between them. Two texts that a person reads alike
come out alike: full width, mathematical and look-alike letters, invisible characters, "s.t.o.p".
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# Letters that Unicode does not take apart into a plain one with a mark.
_PLAIN = str.maketrans(
    {"đ": "d", "ð": "d", "ł": "l", "ø": "o", "ı": "i", "æ": "ae", "œ": "oe", "ħ": "h", "ى": "ي", "ی": "ي", "ک": "ك",
     "ة": "ه", "ـ": ""}
)  # fmt: skip
# Small capitals, and letters of other scripts that look like one of ours: as capitals, then as small letters.
_DISGUISED = str.maketrans(
    "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢАВЕЅІЈКМНОРСТУХԀԚԜҺаеѕіјорсухһԁԛԝткмнвΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικνορτυχՏՕօսհ",
    "abcdefghijklmnoprstuvwyzabesijkmhopctyxdqwhaesijopcyxhdqwtkmhbabezhikmnoptyxaeikvoptuxsooun",
)
# Letters in black discs and squares, and the letters of flags: Unicode keeps them as pictures.
_PICTURES = {first + n: chr(ord("a") + n) for first in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)}
_INVISIBLE = dict.fromkeys(
    [
        0x034F,
        0x115F,
        0x1160,
        0x3164,
        0xFFA0,
        0x17B4,
        0x17B5,
        0x180E,
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    ]
)
# What stands between letters written apart. The vowel signs of Indian and South East Asian scripts do not: they belong
# to a letter, although `\w` leaves them out.
_LETTER_APART = re.compile(r"(?<!\w)\w(?:[^\w\n\u0900-\u109f\u1780-\u17ff]+\w(?!\w)){2,}")
_STRETCHED = re.compile(r"([^\W\d_])\1{2,}")
_APOSTROPHES = re.compile(r"['’‘`´ʼ＇]")
_CLAUSE_ENDS = re.compile(r"[!?;…。！？；،؟।\n\r()\[\]{}“”„«»\"|]+|[.,:、，·•-]+(?=\s|$)|\s[.,:–—-]+|[–—]+")
_NEITHER = re.compile(r"[^\w\s]|_")
# Scripts that put no blanks between words.
SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WITH_ACCENTS = re.compile(
    "[a-z\u00c0-\u024f\u0370-\u03ff\u0400-\u052f\u0590-\u05ff\u0600-\u06ff\u1e00-\u1fff]", re.I
)


def visible(text: str) -> str:
    """The text in the letters it shows, nothing invisible among them: full width, circled and styled ones are plain."""
    shown = unicodedata.normalize("NFKC", text.translate(_PICTURES)).translate(_INVISIBLE)
    return "".join(each for each in shown if unicodedata.category(each) not in ("Cf", "Me", "Co", "Cs", "Cn"))


def accented(text: str) -> str:
    """Lower case with accents, one space between words: what tells dừng from dung."""
    return " ".join(_NEITHER.sub(" ", unicodedata.normalize("NFC", visible(text).casefold())).split())


def unaccented(text: str) -> str:
    """Lower case without accents, where a letter without its accent is still that letter."""
    kept: list[str] = []
    base = ""
    for each in unicodedata.normalize("NFD", text.casefold()):
        if not unicodedata.combining(each):
            base = each
        elif _WITH_ACCENTS.match(base):
            continue
        kept.append(each)
    return unicodedata.normalize("NFC", "".join(kept)).translate(_PLAIN)


def undisguised(text: str) -> str:
    """The text with letters that only look like a Latin one made Latin, in every word that then is all Latin."""
    return re.sub(r"\w+", _undisguise, text)


def _undisguise(found: re.Match[str]) -> str:
    word = found[0].translate(_DISGUISED)
    return word if word.isascii() else found[0]


@lru_cache(maxsize=4_096)
def clauses(text: str) -> tuple[str, ...]:
    """The clauses of `text`, each as plain words with one space between them; "s.t.o.p" is one word."""
    together = _LETTER_APART.sub(
        lambda found: re.sub(r"\W+", "", found[0]), _APOSTROPHES.sub("", visible(text))
    )
    plain = _STRETCHED.sub(r"\1", unaccented(together))
    parts = (" ".join(_marks_kept(part).split()) for part in _CLAUSE_ENDS.split(plain))
    return tuple(part for part in parts if part)


def words(text: str) -> str:
    """`text` as plain words with one space between them."""
    return " ".join(clauses(text))


def _marks_kept(text: str) -> str:
    """Words without punctuation and pictures. Vowel signs are no punctuation, although `\\w` leaves them out."""
    return "".join(
        each if each.isalnum() or unicodedata.category(each) in ("Mn", "Mc") else " " for each in text
    )
