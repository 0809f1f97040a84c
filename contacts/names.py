"""Names as they are compared: "Jörg Łukasz-Ø'Neill" and "jorg lukasz o'neill" are one."""

from __future__ import annotations

import unicodedata

# Letters that carry no mark one could take off, by what is typed where they are missing from the keyboard.
_PLAIN = str.maketrans({
    "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t", "ŋ": "n",
    "’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "‐": "-", "‑": "-", "–": "-",
})  # fmt: skip
LONGEST = 400  # of a folded name: some letters become two


def folded(text: str) -> str:
    """`text` without accents, marks and capitals, one space between words."""
    # Quotes and hyphens first: some decompose into a blank with a mark on it.
    letters = unicodedata.normalize("NFKD", text.casefold().translate(_PLAIN))
    plain = "".join(each for each in letters if not unicodedata.combining(each)).translate(_PLAIN)
    return " ".join(plain.split())[:LONGEST]
