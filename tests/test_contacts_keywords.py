"""Which inbound texts stop, start or ask for help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.keywords import HELP, START, STOP, Keyword, classify


@pytest.mark.parametrize("word", sorted(STOP))
@pytest.mark.parametrize("shape", ["{}", "{}.", "  {}!! ", "“{}”", "'{}'", "{} 🙏", "{}\n"])
def test_a_stop_word_alone_stops_however_it_is_dressed(word, shape):
    assert classify(shape.format(word)) == Keyword("stop")
    assert classify(shape.format(word.upper())) == Keyword("stop")


@pytest.mark.parametrize(
    "text", ["ＳＴＯＰ", "ARRÊT", "arre\u0302t", "opt-out", "OPT OUT", "Stop-All", "S.T.O.P", "s t o p"]
)
def test_other_spellings_of_a_stop_word_stop(text):
    assert classify(text) == Keyword("stop")


@pytest.mark.parametrize("text", ["STOP texting me", "stop please", "Stop, I mean it", "stop stop stop"])
def test_a_message_that_begins_with_stop_stops(text):
    assert classify(text) == Keyword("stop")


@pytest.mark.parametrize(
    "text",
    [
        "please remove me from your list",
        "take me off this list",
        "Don't text me",
        "don’t ever call me again",
        "do not contact us",
        "no more messages",
        "No more marketing emails please",
        "Wrong number",
        "you have the wrong person",
        "leave me alone!",
        "fuck off",
        "lose my number",
        "Please stop",
        "Can you stop sending me this? stop texting",
        "unsubscribe me now",
    ],
)
def test_a_clear_wish_stops_and_asks_for_review(text):
    assert classify(text) == Keyword("stop", review=True)


@pytest.mark.parametrize(
    "text", ["what time does it end?", "I'm at the bus stop", "can I cancel Tuesday only?", "don't stop"]
)
def test_a_stop_word_inside_a_sentence_is_a_reply_to_look_at(text):
    assert classify(text) == Keyword("reply", review=True)


@pytest.mark.parametrize(
    "text", ["", "👍", "yes", "Thanks, see you then", "weekend works", "information please", "start at 9?"]
)
def test_anything_else_is_a_reply(text):
    assert classify(text) == Keyword("reply")


@pytest.mark.parametrize("word", sorted(START))
def test_a_start_word_starts(word):
    assert classify(word.upper()) == Keyword("start")


@pytest.mark.parametrize("word", sorted(HELP))
def test_a_help_word_asks_for_help(word):
    assert classify(word + "?") == Keyword("help")


def test_yes_starts_again_only_for_somebody_who_opted_out():
    assert classify("Yes!", opted_out=True) == Keyword("start")
    assert classify("Yes!") == Keyword("reply")


@pytest.mark.parametrize(
    ("told", "kind"), [("STOP", "stop"), ("START", "start"), ("HELP", "help"), ("stop", "stop")]
)
def test_what_the_provider_recognised_wins(told, kind):
    assert classify("désabonnement", told) == Keyword(kind)


def test_a_word_of_the_provider_we_do_not_know_is_passed_over():
    assert classify("STOP", "SOMETHING") == Keyword("stop")


@given(st.text())
def test_every_text_has_a_meaning(text):
    assert classify(text).kind in {"stop", "start", "help", "reply"}
