"""What carriers and the law look at in a text, as data: `content_rules.csv`, `opt_out_lines.csv`, with their sources.

Words stand for whole words in any case; `unless` is a pattern of what contains one and means something else: a glue
gun. The list warns, it never blocks: what a campaign is about a person decides.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SHORTENER, PHRASE, SHAFT = "shortener", "phrase", "shaft"


class Rule(NamedTuple):
    """`why` is a reason in words; of a SHAFT word it is the topic."""

    text: str
    why: str
    unless: str
    source: str


class OptOutLine(NamedTuple):
    line: str
    source: str


@cache
def rules(kind: str) -> dict[str, Rule]:
    """By what they look for, in lower case."""
    return {
        row["text"]: Rule(row["text"], row["why"], row["unless"], row["source"])
        for row in _rows("content_rules.csv")
        if row["kind"] == kind
    }


@cache
def opt_out_lines() -> dict[str, OptOutLine]:
    """By country, those that ask for a way out in what is sent for marketing."""
    return {row["country"]: OptOutLine(row["line"], row["source"]) for row in _rows("opt_out_lines.csv")}


def found(kind: str, text: str) -> Iterator[tuple[int, int, Rule]]:
    """Where the words of a kind stand in `text`: from, to, and the rule."""
    for match in _pattern(kind).finditer(text):
        rule = rules(kind)[_folded(match.group())]
        if not (rule.unless and _means_something_else(rule, text, match.span())):
            yield match.start(), match.end(), rule


@cache
def _pattern(kind: str) -> re.Pattern[str]:
    longest_first = sorted(rules(kind), key=len, reverse=True)
    words = "|".join(re.escape(each).replace(r"\ ", r"\s+").replace("'", "['’]") for each in longest_first)
    return re.compile(rf"(?<![\w@.-])(?:{words})(?![\w@]|-\w|\.\w)", re.IGNORECASE)


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", text.lower().replace("’", "'"))


def _means_something_else(rule: Rule, text: str, span: tuple[int, int]) -> bool:
    others = re.finditer(rf"\b(?:{rule.unless})\b", text, re.IGNORECASE)
    return any(other.start() <= span[0] and span[1] <= other.end() for other in others)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (HERE / name).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)
