"""What of a reply is the person's own: our words, quoted back to us, ask for nothing.

A phone that cannot show a reaction writes it out as a message: `Liked “Hi Robin, reply STOP to end”`. What stands
between quotation marks with next to nothing around it is a quotation, in whatever language the phone speaks; what
stands word for word in a message that we sent is ours without any marks.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from contacts.folding import SPACELESS, words

# An opening mark with every mark that may close it; a text that was cut off has none.
_CLOSING = {
    "“": "”“", "„": "“”‟", "”": "”", "«": "»", "»": "«", "‹": "›", "「": "」", "『": "』", "〝": "〞",
    '"': '"', "＂": "＂", "‘": "’",
}  # fmt: skip
AROUND_AT_MOST = 7  # words before and after the quotation together: who writes more has something to say
QUOTED_AT_LEAST = 5  # words of a quotation that only its place tells
SAME_AT_LEAST = 6  # words in a row that stand in our message, without marks
SHORT = 3  # words that a person may quote to use them: reply “STOP”
# Who quotes with these means what they quote: I said “stop texting me”.
_SAYING = re.compile(
    r"\b(i|im|me|my|we|you|u|said|say|saying|told|tell|repeat|mean|means|again|dije|digo|dit|dis|gesagt|sage|disse|"
    r"digo|detto|dico|zei|zeg|mowie|powiedzialem|сказал|говорю|说|說)\b"
)


class Own(NamedTuple):
    """`text` is what is left of the reply. `sure`: what was taken out is known to be a quotation."""

    text: str
    sure: bool = True


@cache
def reactions() -> frozenset[str]:
    """What phones write around the text that somebody reacted to, `_` for that text itself, as plain words."""
    with Path(__file__).with_name("reactions.csv").open(encoding="utf-8", newline="") as file:
        return frozenset(_plain(line["text"]) for line in csv.DictReader(file))


def _plain(text: str) -> str:
    before, _, after = text.partition("_")
    return " ".join(filter(None, [words(before), "_", words(after)]))


def own_words(text: str, sent: Sequence[str] = ()) -> Own:
    """The reply without what it quotes. `sent`: the texts of ours that it may quote."""
    ours = [words(one) for one in sent]
    found = _quotation(text)
    if found:
        before, quoted, after = found
        around, inside = f"{before} {after}", words(quoted)
        if _is_reaction(before, after):
            return Own("")
        if _stands_in(inside, ours) and _length(inside) > SHORT:
            return _without_ours(f"{before}\n{after}", ours)
        if _looks_quoted(words(around), inside):
            return Own(f"{before}\n{after}", sure=False)
    return _without_ours(text, ours)


def _quotation(text: str) -> tuple[str, str, str] | None:
    """What stands before, within and after the outermost quotation marks."""
    openings = [at for at, each in enumerate(text) if each in _CLOSING and _opens(text, at)]
    for opening in openings:
        closing = max(text.rfind(mark) for mark in _CLOSING[text[opening]])
        if closing > opening:
            return text[:opening], text[opening + 1 : closing], text[closing + 1 :]
    return (text[: openings[0]], text[openings[0] + 1 :], "") if openings else None


def _opens(text: str, at: int) -> bool:
    """An apostrophe inside a word opens nothing."""
    return at == 0 or not text[at - 1].isalnum() or text[at] in "「『«“„"


def _is_reaction(before: str, after: str) -> bool:
    first, last = words(before), words(after)
    if not first and not last:
        return False
    pattern = " ".join(filter(None, [first, "_", last]))
    return pattern in reactions()


def _stands_in(inside: str, ours: Sequence[str]) -> bool:
    """Whether it is a piece of a message of ours; its last word may be cut."""
    return bool(inside) and any(inside in one for one in ours)


def _looks_quoted(around: str, inside: str) -> bool:
    fits = 0 < _length(around) <= AROUND_AT_MOST and _length(inside) >= QUOTED_AT_LEAST
    return fits and not _SAYING.search(around)


def _length(plain: str) -> int:
    """How many words; in scripts without blanks about two letters are one."""
    return sum((len(word) + 1) // 2 if SPACELESS.search(word) else 1 for word in plain.split())


def _without_ours(text: str, ours: Sequence[str]) -> Own:
    """Take out every run of words that stands just so in a message of ours."""
    known = {run for one in ours for run in _runs(one.split())}
    if not known:
        return Own(text)
    pieces = [(found[0], words(found[0])) for found in re.finditer(r"\S+\s*", text)]
    placed = [(at, word) for at, (_, plain) in enumerate(pieces) for word in plain.split()]
    taken: set[int] = set()
    for start, run in enumerate(_runs([word for _, word in placed])):
        if run in known:
            taken.update(at for at, _ in placed[start : start + SAME_AT_LEAST])
    left = "".join(raw for at, (raw, _) in enumerate(pieces) if at not in taken)
    # Who sends us nothing but our own words back may mean them.
    return Own(left, sure=not taken or bool(words(left)))


def _runs(plain: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(plain[at : at + SAME_AT_LEAST]) for at in range(len(plain) - SAME_AT_LEAST + 1)]
