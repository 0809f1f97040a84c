"""Four hundred replies in twelve languages, read as they should be; who is silenced by mistake and who is overheard.

`replies.csv` says for each what it should be read as: `stop`, `start`, `help`, `other`, or `unsure` where only a person
can tell, such as "can I cancel tomorrow?". `answers` is our message that a reply quotes. What is acted on and looked
over besides is a `stop` as well. `asks` is what a colleague has to do about it, `contacts.reply_asks`.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from contacts.keywords import Keyword, classify
from contacts.reply_asks import asks_for

# Of the replies that are no opt-out: silenced at once by none, and read by a person first by so many at most.
FALSELY_STOPPED_AT_MOST, HELD_AT_MOST = 0.0, 0.1
# Of the opt-outs: taken for something else by none, and only held for a person by so many at most.
MISSED_AT_MOST, LEFT_TO_A_PERSON_AT_MOST = 0.0, 0.02
# Of the replies that ask nothing of a colleague, taken for work; of those that do, overlooked.
FALSELY_WORK_AT_MOST, OVERLOOKED_AT_MOST = 0.0, 0.0
FEWEST, LANGUAGES = 400, 12


class Line(NamedTuple):
    """One line of the table."""

    language: str
    text: str
    reading: str
    answers: str
    asks: str


def lines() -> list[Line]:
    with Path(__file__).with_name("replies.csv").open(encoding="utf-8", newline="") as file:
        return [Line(**line) for line in csv.DictReader(file)]


def reading(found: Keyword) -> str:
    if found.kind == "stop":
        return "stop"
    return "unsure" if found.review else {"reply": "other"}.get(found.kind, found.kind)


@pytest.fixture(scope="module")
def read() -> list[tuple[Line, str]]:
    return [(one, reading(classify(one.text, sent=[one.answers] if one.answers else []))) for one in lines()]


def test_there_are_enough_and_no_reply_twice():
    of = lines()

    assert len({(one.language, one.text) for one in of}) == len(of) >= FEWEST
    assert len({one.language for one in of}) >= LANGUAGES
    for language, n in Counter(one.language for one in of).items():
        kinds = {one.reading for one in of if one.language == language}
        assert n >= FEWEST / LANGUAGES * 0.8, language
        assert {"stop", "unsure", "help", "other"} <= kinds, language
        assert any(one.answers for one in of if one.language == language), language


def test_nobody_is_silenced_who_did_not_ask_for_it(read):
    ordinary = [(one, found) for one, found in read if one.reading != "stop"]
    stopped = [one.text for one, found in ordinary if found == "stop"]

    assert len(stopped) <= FALSELY_STOPPED_AT_MOST * len(ordinary), stopped


def test_no_opt_out_is_missed(read):
    asked = [(one, found) for one, found in read if one.reading == "stop"]
    missed = [one.text for one, found in asked if found not in ("stop", "unsure")]
    held = [one.text for one, found in asked if found == "unsure"]

    assert len(missed) <= MISSED_AT_MOST * len(asked), missed
    assert len(held) <= LEFT_TO_A_PERSON_AT_MOST * len(asked), held


def test_few_ordinary_replies_wait_for_a_person(read):
    ordinary = [(one, found) for one, found in read if one.reading in ("other", "start", "help")]
    held = [one.text for one, found in ordinary if found == "unsure"]

    assert len(held) <= HELD_AT_MOST * len(ordinary), held


def test_what_only_a_person_can_tell_is_left_to_a_person(read):
    assert [one.text for one, found in read if one.reading == "unsure" and found != "unsure"] == []


def test_who_asks_for_help_or_to_start_again_is_understood(read):
    wrong = [
        (one.text, found) for one, found in read if one.reading in ("help", "start") and found != one.reading
    ]

    assert wrong == []


def test_nothing_is_made_work_that_asks_for_none_and_nothing_is_overlooked():
    found = [(one, asks_for(one.text)) for one in lines()]
    asking = [(one, asks) for one, asks in found if one.asks]
    falsely = [(one.text, asks) for one, asks in found if asks and asks != one.asks]
    overlooked = [one.text for one, asks in asking if not asks]

    assert len(falsely) <= FALSELY_WORK_AT_MOST * (len(found) - len(asking)), falsely
    assert len(overlooked) <= OVERLOOKED_AT_MOST * len(asking), overlooked
    for language in {one.language for one in lines()}:
        assert {one.asks for one, _ in asking if one.language == language} == {"call", "who", "wrong"}, (
            language
        )


@pytest.mark.parametrize(
    "text",
    ["Please do not call me", "no me llame", "ne m'appelez pas", "Bel me niet meer", "",
     "Liked “Please call me back at 9, it is about your appointment”"],
)  # fmt: skip
def test_what_is_turned_round_or_quoted_asks_for_nothing(text):
    assert asks_for(text) == ""
