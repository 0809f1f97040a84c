"""Filters typed into the search box: `status:failed carrier:"Big Mobile" code:30007 source:expo robin`. Pure.

Each word before a colon is the name of a filter or one that people use for it; what is no such pair is searched for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

PAIR = re.compile(r"""(?<!\S)([a-z]+):(?:"([^"]*)"|([^\s"]+))(?!\S)""", re.IGNORECASE)
# What else a filter is called, and the name that it has in addresses.
CALLED = {
    "result": "status", "list": "source", "reason": "code", "error": "code", "class": "failure", "state": "region",
    "from": "since", "to": "until", "domain": "link", "wording": "version", "content": "version", "try": "attempt",
    "tries": "attempt", "type": "purpose", "people": "person", "why": "skip", "lifecycle": "stage",
}  # fmt: skip
EXAMPLE = 'status:failed carrier:"Big Mobile" code:30007 source:expo'


def typed(text: str, names: Iterable[str]) -> tuple[dict[str, str], str]:
    """The filters typed in `text`, name -> what was written for it, and what is left to search for. A word before a
    colon that stands for none of `names` is left as it is."""
    known, found = set(names), {}
    rest, at = [], 0
    for match in PAIR.finditer(text):
        name = CALLED.get(match[1].lower(), match[1].lower())
        if name not in known:
            continue
        found[name] = (match[2] if match[2] is not None else match[3]).strip()
        rest.append(text[at : match.start()])
        at = match.end()
    return found, " ".join(" ".join([*rest, text[at:]]).split()) if found else text


def meant(written: str, choices: Iterable[tuple[str, str]]) -> list[str]:
    """The values among `choices`, (value, words), that `written` stands for: the value itself, all of its words, or
    their beginning; case does not count. Several where it could be any of them."""
    wanted, pairs = written.casefold(), [(value, words.casefold()) for value, words in choices if value]
    for fits in (
        lambda value, words: value.casefold() == wanted,
        lambda value, words: words == wanted,
        lambda value, words: words.startswith(wanted),
    ):
        found = [value for value, words in pairs if fits(value, words)]
        if found:
            return list(dict.fromkeys(found))
    return []
