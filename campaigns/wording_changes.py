"""Two wordings compared word by word. Pure."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

MOST_WORDS = 4_000  # beyond them lines are compared: time grows with the square


class WordingPiece(NamedTuple):
    """Some text, and whether it stands in both, only in the old one (`out`) or only in the new one (`in`)."""

    kind: Literal["same", "out", "in"]
    text: str


def changes(old: str, new: str) -> list[WordingPiece]:
    """From `old` to `new`: what stays, goes and comes, in order, blanks included.

    >>> changes("Come on Monday", "Come on Friday")[1:]
    [Piece(kind='out', text='Monday'), Piece(kind='in', text='Friday')]
    """
    parts = _lines if max(len(old), len(new)) > MOST_WORDS * 6 else _words
    before, after = parts(old), parts(new)
    pieces: list[WordingPiece] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(WordingPiece("same", "".join(before[a:b])))
            continue
        pieces += [WordingPiece("out", "".join(before[a:b]))] if b > a else []
        pieces += [WordingPiece("in", "".join(after[c:d]))] if d > c else []
    return pieces


def share_changed(pieces: list[WordingPiece]) -> float:
    """How much of the longer text differs, 0..1."""
    sizes = {kind: sum(len(one.text) for one in pieces if one.kind == kind) for kind in ("same", "out", "in")}
    changed = max(sizes["out"], sizes["in"])
    return changed / (changed + sizes["same"]) if changed else 0.0


def _words(text: str) -> list[str]:
    return re.findall(r"\s+|\w+|[^\w\s]", text)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
