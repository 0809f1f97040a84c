"""What messages cost before they are sent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from campaigns.costs import minutes, reckon, spread
from campaigns.models import Price

pytestmark = pytest.mark.once

PRICES = [
    Price(channel="sms", country="US", amount=Decimal("0.02")),
    Price(channel="sms", country="US", sender_kind="toll_free", amount=Decimal("0.03")),
    Price(channel="sms", country="GB", amount=Decimal("0.04"), currency="GBP"),
    Price(channel="email", country="", amount=Decimal("0.00100"), is_example=True),
    Price(channel="voice", country="US", amount=Decimal("0.014")),
]


@pytest.mark.parametrize(
    ("channel", "kind", "people", "each", "says"),
    [
        ("sms", "long_code_us", {"US": 4820}, (1, 1), "About 96.40 USD: 4,820 segments at 0.02."),
        ("sms", "toll_free", {"US": 100}, (1, 1), "About 3.00 USD: 100 segments at 0.03."),
        ("sms", "long_code_us", {"US": 100}, (1, 2), "About 2.00 to 4.00 USD: 200 segments at 0.02."),
        ("sms", "long_code_us", {"US": 100, "GB": 50}, (1, 1), "About 2.00 USD and 2.00 GBP: 150 segments."),
        (
            "sms", "long_code_us", {"US": 100, "DE": 12}, (1, 1),
            "About 2.00 USD: 100 segments at 0.02. Without a price, and not counted: DE (12).",
        ),
        ("sms", "long_code_us", {"DE": 12}, (1, 1), "The price is not known: nobody has entered one for DE (12)."),
        ("mms", "long_code_us", {"US": 12}, (1, 1), "The price is not known: nobody has entered one for US (12)."),
        ("sms", "long_code_us", {}, (1, 1), ""),
        ("sms", "", {"": 3}, (1, 1), "The price is not known: nobody has entered one for an unknown country (3)."),
        (
            "email", "email", {"": 1000}, (1, 1),
            "About 1.00 USD: 1,000 messages at 0.001. An example price: check your contract.",
        ),
        ("voice", "long_code_us", {"US": 1}, (1, 1), "About 0.01 USD: 1 minute at 0.014."),
    ],
)  # fmt: skip
def test_the_cost_is_said_and_what_is_not_known_is_not_nothing(channel, kind, people, each, says):
    assert reckon(channel, kind, people, each, PRICES).sentence == says


@pytest.mark.parametrize(
    ("total", "people", "expected"),
    [
        (10, {"US": 3, "GB": 1}, {"US": 8, "GB": 2}),
        (0, {"US": 3}, {}),
        (5, {}, {"": 5}),
        (1_000_000, {"US": 50_000}, {"US": 1_000_000}),
    ],
)
def test_people_are_spread_over_countries_without_losing_any(total, people, expected):
    assert spread(total, people) == expected


@pytest.mark.parametrize(("words", "expected"), [(0, 1), (150, 1), (151, 1), (153, 2), (450, 3)])
def test_a_call_is_billed_by_begun_minutes(words, expected):
    assert minutes("word " * words) == expected
