"""SMS segments: the worked examples of the alphabet's limits, and properties of any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.estimates import estimate
from campaigns.segments import BASIC, EXTENSION, GSM, UCS2, outside, segments, size
from contacts.models import Contact

pytestmark = pytest.mark.once


class Readers(list):
    """Contacts as a queryset gives them."""

    def only(self, *names):
        return self


A = "a"
EMOJI = "\U0001f600"


def test_the_alphabet_has_128_places():
    assert len(BASIC) == len(set(BASIC)) == 128
    assert [BASIC.index(each) for each in "@\x1b A¿a§à"] == [0x00, 0x1B, 0x20, 0x41, 0x60, 0x61, 0x5F, 0x7F]
    assert not set(EXTENSION.values()) & set(BASIC)


@pytest.mark.parametrize(
    ("text", "encoding", "units", "parts"),
    [
        ("", GSM, 0, 0),
        (160 * A, GSM, 160, 1),
        (161 * A, GSM, 161, 2),
        (306 * A, GSM, 306, 2),
        (307 * A, GSM, 307, 3),
        (158 * A + "€", GSM, 160, 1),
        (159 * A + "€", GSM, 161, 2),
        (152 * A + "€" + 152 * A, GSM, 306, 3),  # the pair of the euro sign would be split
        (80 * "{", GSM, 160, 1),
        (81 * "{", GSM, 162, 2),
        (159 * A + "\n", GSM, 160, 1),
        (159 * A + "\t", UCS2, 160, 3),
        (159 * A + "’", UCS2, 160, 3),
        (69 * A + "’", UCS2, 70, 1),
        (70 * A + "’", UCS2, 71, 2),
        (159 * A + "`", UCS2, 160, 3),
        (159 * A + "\u00a0", UCS2, 160, 3),
        ("Mañana", GSM, 6, 1),
        ("Man\u0303ana", GSM, 6, 1),  # in two characters, sent as one
        ("¿Cómo estás?", UCS2, 12, 1),
        ("français", UCS2, 8, 1),
        ("FRANÇAIS", GSM, 8, 1),
        ("\u0391\u0392", UCS2, 2, 1),
        ("ΔΦΓ", GSM, 3, 1),
        (35 * EMOJI, UCS2, 70, 1),
        (36 * EMOJI, UCS2, 72, 2),
        (67 * EMOJI, UCS2, 134, 3),  # a part of 67 units holds 33 of them
        (66 * A + EMOJI + 66 * A, UCS2, 134, 3),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", UCS2, 11, 1),
        ("\U0001f1e9\U0001f1ea", UCS2, 4, 1),
        ("\U0001f44d\U0001f3fd", UCS2, 4, 1),
        ("\x1b", UCS2, 1, 1),
    ],
)
def test_a_text_is_counted_as_carriers_bill_it(text, encoding, units, parts):
    assert size(text) == (encoding, units, parts)
    assert segments(text) == parts


@pytest.mark.parametrize(
    ("text", "characters"),
    [("Hello", ""), ("It’s “on” – it’s", "’“”–"), ("é€ç", "ç"), ("e\u0301", ""), (EMOJI * 2, EMOJI)],
)
def test_what_makes_a_text_expensive_is_named(text, characters):
    assert outside(text) == characters


# A few letters, many times: long texts letter by letter take ten times as long, and say no more.
@given(st.builds(str.__mul__, st.text(max_size=30), st.integers(1, 25)))
def test_any_text_needs_at_least_its_length_and_at_most_one_unit_a_part_more(text):
    encoding, units, parts = size(text)

    alone, room = (160, 153) if encoding == GSM else (70, 67)
    assert parts == (units > 0) if units <= alone else -(-units // room) <= parts <= -(-units // (room - 1))


@pytest.mark.parametrize(
    ("body", "people", "expected"),
    [
        ("Hello", [], (1, 1, "")),
        ("", [], (0, 0, "")),
        ("It’s time", [], (1, 1, "’")),
        ("a" * 150 + "{first_name}", [], (2, 2, "")),  # nobody on the lists yet: twelve letters
        ("a" * 150 + "{first_name}", ["Jo", "Bartholomew Lee"], (1, 2, "")),
        ("a" * 150 + "{{ first_name }}", ["Jo", "Zoé"], (1, 1, "")),
        (
            "a" * 100 + "{first_name}",
            ["Jo", "Łukasz"],
            (1, 2, ""),
        ),  # one letter of a name makes the text UCS-2
        ("a" * 158 + "{city}", ["Jo"], (1, 1, "")),
    ],
)
def test_an_estimate_counts_what_the_people_on_the_lists_make_of_the_text(body, people, expected):
    readers = Readers(Contact(name=name, attributes={}) for name in people)

    assert estimate(body, readers) == expected
