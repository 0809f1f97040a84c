"""What a reply asks of a colleague beside consent: a call, who we are, or that it reached the wrong person.

The words stand in `reply_asks.csv`, in the language of `keywords.csv`: formulas over plain words, in every language at
once. Where one of them is turned round ("do not call me") nothing is asked for.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from contacts.folding import clauses
from contacts.formulas import Finder, finder
from contacts.keyword_limits import is_about_a_thing
from contacts.keywords import LONGEST, is_turned
from contacts.models import Reply
from contacts.quoting import own_words

Asks = Reply.Asks
# Of several the first: whoever reached the wrong person need not be called.
IN_ORDER = (Asks.WRONG, Asks.CALL, Asks.WHO)


@cache
def _finders() -> dict[Asks, Finder]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    return {asks: finder(one["text"] for one in lines if one["asks"] == asks) for asks in IN_ORDER}


def asks_for(text: str) -> str:
    """One of Asks; '' where nothing of the kind is asked for. What the text quotes of ours asks for nothing."""
    parts = clauses(own_words(text[:LONGEST]).text)
    for asks, find in _finders().items():
        if any(_is_meant(part, at, phrase, asks) for part in parts for at, phrase in find(part)):
            return asks
    return ""


def _is_meant(clause: str, at: int, phrase: str, asks: Asks) -> bool:
    before = clause[:at].rstrip()
    if asks == Asks.WRONG and is_about_a_thing(clause, at, phrase):
        return False
    return not is_turned(before, phrase) and before.rpartition(" ")[2] != "no"
