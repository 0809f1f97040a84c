"""What makes an opt-out doubtful that the words alone would be: it is about something else, or only about a time.

"Wrong number of pills" holds "wrong number", and "do not call me before 9" is no wish to hear nothing. Whoever says so
may mean it all the same, so a person reads it and sends wait until then: nothing here turns a no into nothing.

The formulas stand in `keyword_limits.csv`, in the languages of `keywords.csv`. `about` says what they make doubtful:

- `thing`: the wish whose words they share, which then is about that thing.
- `time`: every wish of the same clause.
- `channel`: every wish of the message, as it asks for another channel instead.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from contacts.formulas import Finder, finder


@cache
def _finders() -> dict[str, Finder]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    return {
        about: finder(line["text"] for line in lines if line["about"] == about)
        for about in ("thing", "time", "channel")
    }


def is_limited(clause: str, at: int, wish: str) -> bool:
    """Whether the wish in these words, at this place of the clause, is about a thing or only about a time."""
    return is_about_a_thing(clause, at, wish) or any(_finders()["time"](clause))


def is_about_a_thing(clause: str, at: int, wish: str) -> bool:
    return any(
        start < at + len(wish) and at < start + len(words) for start, words in _finders()["thing"](clause)
    )


def is_about_the_channel(plain: str) -> bool:
    """Whether a message, as plain words, asks for another channel in place of the one it declines."""
    return any(_finders()["channel"](plain))
