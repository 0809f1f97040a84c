"""What is remarked about a text, and what is not: false alarms teach people to look away."""

from __future__ import annotations

import pytest

from campaigns.checked_text import Text
from campaigns.content_checks import remarks
from campaigns.content_fixes import fixed, with_https, with_opt_out_line
from campaigns.content_rules import opt_out_lines, rules

pytestmark = pytest.mark.once

GOOD = "Example Clinic: {first_name}, your check-up is due. Book: https://example.com/book. Reply STOP to opt out."
KNOWN = {"names": ("Example Clinic",), "domains": ("example.com",), "sender": "+12125550199"}


def found(body, channel="sms", **fields):
    return [one.check for one in remarks(Text(channel, body, **KNOWN | fields))]


@pytest.mark.parametrize("channel", ["sms", "mms", "email", "voice", "rvm"])
def test_a_good_text_is_not_remarked_upon(channel):
    assert found(GOOD, channel, subject="Your check-up") == []


@pytest.mark.parametrize(
    ("more", "check"),
    [
        ("See bit.ly/lens-week", "shortener"),
        ("See https://www.tinyurl.com/abc.", "shortener"),
        ("See BIT.LY/lens", "shortener"),
        ("Book at https://booking.example.net/x", "foreign link"),
        ("Book at clinic-example.com/x", "foreign link"),
        ("Book at example.com.evil.net", "foreign link"),
        ("Book at http://example.com/book", "http link"),
        ("Act  now to be seen", "trigger phrase"),
        ("You've won a pair of glasses", "trigger phrase"),
        ("Click here", "trigger phrase"),
        ("Free wine for all", "SHAFT"),
        ("VAPE shop opening", "SHAFT"),
        ("We sell CBD and guns", "SHAFT"),
        ("COME AND VISIT TODAY", "capitals"),
        ("It is free!!!", "special characters"),
        ("Great! Really! Come!", "special characters"),
        ("Save $$$ on lenses", "special characters"),
        ("Hello {first_name", "raw braces"),
        ("Hello first_name}", "raw braces"),
        ("Hello [First Name]", "foreign merge field"),
        ("Hello %%firstname%%", "foreign merge field"),
        ("Hello *|FNAME|*", "foreign merge field"),
        ("a" * 480, "length"),
        ("a" * 60 + " it’s", "characters"),
        ("a" * 60 + " \U0001f600", "characters"),
    ],
)
def test_what_filters_and_people_take_badly_is_remarked_upon_once(more, check):
    assert found(f"{GOOD} {more}")[:1] == [check]
    assert set(found(f"{GOOD} {more}")) - {check, "length"} <= {"SHAFT"}


@pytest.mark.parametrize(
    "more",
    [
        "A classic frame for the office",  # holds a word that is none
        "Peacock, Sussex, Scunthorpe and Middlesex branches",
        "The hot glue gun is back, and so is root beer",
        "A cocktail dress in wine red",
        "Spectacles, cigarillo-shaped? Begun, shotgunning",
        "Grapes of wrath, winery tour, unguarded",
        "Your appointment with Dr. Wines-Meyer is at 9",
        "Free parking, and a free check-up for children",
        "We are open now. Call us to act on it now and then",
        "Please hold on to your NHS and PPO cards; HELP for help",
        "COVID and flu clinic, ASAP please",
        "It is $20, or 20 % off! Is that right?",
        "Write to hello@other.example.net",
        "Come tomorrow.Please bring your card",
        "At 9.30 a.m., e.g. on Monday, i.e. v2.0",
        "See www.example.com or mail.example.com/now",
        "Prices in {price}",
        "Smile :-} today",
        "Dear winners-up",
    ],
)
def test_what_only_looks_like_it_is_left_alone(more):
    assert found(f"{GOOD} {more}") == []


@pytest.mark.parametrize(
    ("body", "fields", "expected"),
    [
        ("Example Clinic: your check-up is due.", {}, ["opt-out line"]),
        ("Example Clinic: your check-up is due.", {"channel": "mms"}, ["opt-out line"]),
        ("Example Clinic: your check-up is due.", {"marketing": False}, []),
        ("Example Clinic: your check-up is due.", {"countries": ("JP",)}, []),
        ("Example Clinic: your check-up is due.", {"countries": ("JP", "FR")}, ["opt-out line"]),
        ("Example Clinic: your check-up is due.", {"channel": "voice"}, []),
        ("Example Clinic: sale. Text stop to end.", {}, []),
        ("Example Clinic: sale. Unsubscribe: example.com/u", {}, []),
        ("Example Clinic: sale. Antworten Sie STOP zum Abmelden.", {"countries": ("DE",)}, []),
        ("Example Clinic: we never stop caring.", {}, ["opt-out line"]),
        ("Your check-up is due. Reply STOP to opt out.", {}, ["identity"]),
        ("example-clinic here. Reply STOP to opt out.", {}, []),
        ("Your check-up is due. Reply STOP to opt out.", {"names": ()}, []),
        ("Your check-up is due. Reply STOP to opt out.", {"sender": "ExampleClin"}, ["reply to a name"]),
        ("Your check-up is due. Opt out at example.com/u", {"sender": "ExampleClin"}, []),
        ("", {}, []),
    ],
)
def test_what_has_to_be_said_is_missed(body, fields, expected):
    assert found(body, **fields) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"subject": "YOUR CHECK-UP IS DUE"}, ["capitals"]),
        ({"subject": "Re: your check-up"}, ["subject"]),
        ({"subject": "a" * 71}, ["subject"]),
        ({"subject": "Renew: your check-up"}, []),
        ({"unsubscribe": False}, ["unsubscribe"]),
        (
            {"html": "<style>p, a {display: none}</style><p>Hello</p>"},
            [],
        ),  # the link says itself how it looks
        ({"html": "<style>body {display: none}</style><p>Hello</p>"}, ["unsubscribe hidden"]),
        ({"html": "<body style='opacity: 0'>Hello</body>"}, ["unsubscribe hidden"]),
        ({"html": "<body><div style='display:none'>Inside</div>Hello</body>"}, []),
        ({"html": "<body><div style='display:none'>Never closed</body>"}, ["unsubscribe hidden"]),
        (
            {"html": "<style>.w {max-height:0; overflow:hidden}</style><div class='w a'>Hello"},
            ["unsubscribe hidden"],
        ),
        ({"html": "<style>.pre div {display:none}</style><div>Hello"}, []),
        (
            {"html": "<style>html > body {left: -9999px; position: absolute}</style>Hello"},
            ["unsubscribe hidden"],
        ),
        ({"html": "<style>@media print {body {display:none}} /* body {opacity:0} */</style>Hello"}, []),
        ({"html": "<style>" + "a{/*" * 20_000}, []),
        ({"html": "<p>x</p>" * 14_000}, ["size"]),
        ({"html": "<style>p {color: red}</style><p>Hello {first_name}</p>"}, []),
        ({"html": "<p>Hello {first_name</p>"}, ["raw braces"]),
        ({"body": "", "html": "<p>Hello</p>"}, ["text part"]),
        ({"body": "Taste our wine at the vernissage."}, []),  # the carriers' rule, for texts
    ],
)
def test_a_mail_is_looked_at_as_mail(fields, expected):
    given = {"subject": "Your check-up", "body": "Your check-up is due. Example Clinic"} | fields

    assert found(given.pop("body"), "email", **given) == expected


def test_only_what_surely_does_harm_blocks():
    text = Text("sms", f"{{oops {'x' * 1_600} bit.ly/x ACT NOW!!! WINE GUNS CASINO", **KNOWN)

    assert {one.check for one in remarks(text) if one.severity == "blocks"} == {"raw braces", "length"}


def test_a_remark_says_where_and_leads_on():
    body = f"{GOOD} Now at bit.ly/lens."

    [one] = remarks(Text("sms", body, **KNOWN))

    assert body[one.start : one.end] == "bit.ly/lens"
    assert one.source.startswith("Telnyx")
    assert one.way_out


@pytest.mark.parametrize(
    ("body", "country", "expected"),
    [
        ("Sale.", "US", "Sale. Reply STOP to opt out."),
        ("Sale.\n", "DE", "Sale. Antworten Sie STOP zum Abmelden."),
        ("Sale.", "JP", "Sale."),
        ("Sale. Reply STOP to end.", "US", "Sale. Reply STOP to end."),
    ],
)
def test_the_missing_line_is_added_by_one_click(body, country, expected):
    assert with_opt_out_line(body, country) == expected


def test_each_line_that_is_added_is_one_that_is_looked_for():
    for country in opt_out_lines():
        body = with_opt_out_line("Example Clinic: sale.", country)
        assert "opt-out line" not in found(body, countries=(country,))


def test_links_are_encrypted_by_one_click():
    assert (
        with_https("See HTTP://example.com, https://a.example")
        == "See https://example.com, https://a.example"
    )


def test_every_rule_has_its_source():
    assert all(
        rule.why and rule.source for kind in ("shortener", "phrase", "shaft") for rule in rules(kind).values()
    )


@pytest.mark.parametrize(
    ("fix", "expected"),
    [
        ("opt_out_line", "It’s at http://a.example Reply STOP to opt out."),
        ("replace_all", "It's at http://a.example"),
        ("https", "It’s at https://a.example"),
        ("anything", "It’s at http://a.example"),
    ],
)
def test_a_remark_names_what_one_click_does(fix, expected):
    assert fixed("It’s at http://a.example", fix) == expected
