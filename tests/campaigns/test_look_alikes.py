"""Characters that double the price of a text, and what stands for them."""

from __future__ import annotations

import pytest

from campaigns.look_alikes import label, look_alikes, replaced, saving, specials
from campaigns.segments import outside
from tests.campaigns.sms_texts import texts

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It’s 5 – 6…", "It's 5 - 6..."),
        ("“Hello”\u00a0there\u200b", '"Hello" there'),
        ("Caf\u00e9 ç", "Café ç"),  # another letter may be another word: only when asked for
        ("https://example.com/it’s it’s", "https://example.com/it’s it's"),
        ("{it’s} it’s", "{it’s} it's"),
        ("e\u0301", "é"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_all_at_once_replaces_what_reads_the_same_and_no_address(text, expected):
    assert replaced(text) == expected


@pytest.mark.parametrize(
    ("text", "only", "expected"),
    [("français ça", "ç", "francais ca"), ("It’s “so”", "’", "It's “so”"), ("Ok 😀", "😀", "Ok 😀")],
)
def test_one_character_is_replaced_by_itself(text, only, expected):
    assert replaced(text, only) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Hello", ""),
        ("a" * 150 + "😀", "The emoji triples your cost: 3 segments instead of 1."),
        ("a" * 80 + "😀", "The emoji doubles your cost: 2 segments instead of 1."),
        ("a" * 80 + "😀😀", "The emoji double your cost: 2 segments instead of 1."),
        ("a" * 80 + "’", "The curly apostrophe doubles your cost: 2 segments instead of 1."),
        ("a" * 80 + "’“", "These characters double your cost: 2 segments instead of 1."),
        ("a" * 180 + "ç", "The letter ç costs more: 3 segments instead of 2."),
        ("It’s", "Because of the curly apostrophe a segment holds 70 characters instead of 160."),
    ],
)
def test_a_sentence_says_what_they_cost(text, says):
    assert saving(text) == says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a", "1 of 160 characters, 1 segment"),
        ("", "0 of 160 characters, 0 segments"),
        ("a" * 161, "161 of 306 characters, 2 segments"),
        ("a" * 80 + "’", "81 of 134 characters, 2 segments"),
    ],
)
def test_the_length_is_said_with_the_room_there_is(text, says):
    assert label(text) == says


def test_each_is_named_once_with_its_count_outside_of_addresses():
    found = [
        (one.shown, one.times, one.replacement, one.sure)
        for one in specials("it’s ’ https://a.example/’\u00a0ç😀")
    ]

    assert found == [
        ("’", 2, "'", True),
        ("U+00A0", 1, " ", True),
        ("ç", 1, "c", False),
        ("😀", 1, None, False),
    ]


def test_what_replaces_is_in_the_alphabet_and_what_is_replaced_is_not():
    assert all(outside(one) and not outside(each.replacement) for one, each in look_alikes().items())


def test_there_are_texts_enough_to_compare_two_counters_by():
    assert len(set(texts())) >= 300
