"""The formulas by which words are looked for in a text, over plain words as `contacts.folding` makes them.

`*` is up to four words, `#` a number, `(a|b)` either of two, `(a )?` what may be missing, `^` and `$` the ends of a
clause. In scripts without blanks, a piece of text, in which `#` is a number too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from contacts.folding import SPACELESS, unaccented, words

_FORMULA = re.compile(r"[()|*#^$?{]")
# Where in a clause something stands, and in which words.
Finder = Callable[[str], Iterator[tuple[int, str]]]


def is_formula(text: str) -> bool:
    """Whether it is a pattern of the table, and no words that somebody may write."""
    return bool(_FORMULA.search(text))


def key_of(text: str) -> str:
    """What all spellings of a word of the table have in common; '' where nothing of it is a letter or a digit."""
    return key(words(text))


def key(plain: str) -> str:
    """Scripts without blanks are compared without those that somebody put in."""
    return plain.replace(" ", "") if SPACELESS.search(plain) else plain


def pattern_of(text: str) -> str:
    """The regular expression for a text of the table, over plain words."""
    made = unaccented(re.sub(r"['’]", "", text)).replace("(", "(?:").replace("#", r"\d+")
    made = re.sub(r" \*(?=$|[)|])", r"(?: \\S+){0,4}", made)
    return re.sub(r" \* ?(?=\S)", r"(?: \\S+){0,4} ", made)


def finder(texts: Iterable[str]) -> Finder:
    """A function that finds these in a clause; in scripts without blanks, places are those in its key."""
    spaced, pieces = [], []
    for text in texts:
        if SPACELESS.search(text):
            pieces.append(r"\d+".join(re.escape(key_of(part)) for part in text.split("#")))
        else:
            spaced.append(pattern_of(text) if is_formula(text) else re.escape(words(text)))
    whole_words = re.compile(rf"(?<!\S)(?:{'|'.join(f'(?:{one})' for one in spaced) or '(?!)'})(?!\S)")
    anywhere = re.compile("|".join(pieces) or r"(?!)")

    def find(clause: str) -> Iterator[tuple[int, str]]:
        for found in whole_words.finditer(clause):
            yield found.start(), found[0]
        if SPACELESS.search(clause):
            for found in anywhere.finditer(key(clause)):
                yield found.start(), found[0]

    return find
