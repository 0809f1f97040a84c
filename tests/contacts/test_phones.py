"""Phone numbers and emails: what is read, what is refused and why, what may be shown."""

from __future__ import annotations

import random
from contextlib import suppress
from itertools import chain

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.carrierdata import CARRIER_DATA
from phonenumbers.tzdata import TIMEZONE_DATA

from contacts import phones
from contacts.channels import LineType
from contacts.emails import NotAnEmail, parse_email
from contacts.number_text import without_decimals
from contacts.phones import NotAPhone, Phone, SearchForms, grouped, mask, parse_phone, search_forms


@pytest.mark.parametrize(
    "text",
    [
        "+1 512 555 0142",
        "(512) 555-0142",
        "512.555.0142",
        "1-512-555-0142",
        " 5125550142 ",
        "+1５１２5550142",
        "５１２－５５５－０１４２",
        "512\u00a0555\u202f0142",
        "512\u200b555\u2060\u00ad0142",
        "\u202a+1 512 555 0142\u202c",
        "\ufeff512‑555–0142",
        "512—555−0142",
        "512ー555ー0142",
        "512·555·0142",
        "512/555/0142",
        "[512] 555-0142",
        "'5125550142",
        "’+15125550142",
        '"5125550142"',
        '="5125550142"',
        "tel:+1-512-555-0142",
        "TEL: 512 555 0142",
        "Tel. 512 555 0142",
        "512 555 0142.",
        "001-512-555-0142",
        "00 1 (512) 555-0142",
        "+001 512 555 0142",
        "011 1 512 555 0142",
        "+011 1 512 555 0142",
        "٥١٢ ٥٥٥ ٠١٤٢",
    ],
)
def test_every_usual_notation_gives_the_same_number(text):
    assert parse_phone(text, "US").value == "+15125550142"


@pytest.mark.parametrize(
    ("text", "region", "value"),
    [
        ("011 44 20 7946 0000", "US", "+442079460000"),
        ("011-44-20-7946-0000", "CA", "+442079460000"),
        ("011 44 20 7946 0000", "DE", "+442079460000"),
        ("0044 20 7946 0000", "US", "+442079460000"),
        ("00 44 (0)20 7946 0000", "US", "+442079460000"),
        ("(00)44 20 7946 0000", "JP", "+442079460000"),
        ("0011 44 20 7946 0000", "AU", "+442079460000"),
        ("001 66 2 345 6789", "KR", "+6623456789"),
        (
            "0055 51 98765-4321",
            "BR",
            "+5551987654321",
        ),  # 00 55 is also a carrier's way out of Brazil, to Peru
        ("0114 496 0000", "GB", "+441144960000"),  # Sheffield, not abroad
        ("0171/12 34 567", "DE", "+491711234567"),
        ("030 123456-0", "DE", "+49301234560"),
        ("06131.123456", "DE", "+496131123456"),  # no quantity begins with 0
        ("01.23.45.67.89", "FR", "+33123456789"),
        ("090ー1234ー5678", "JP", "+819012345678"),
        ("٠٥٠١٢٣٤٥٦٧", "SA", "+966501234567"),
    ],
)
def test_a_number_is_read_as_its_country_writes_and_dials_it(text, region, value):
    assert parse_phone(text, region).value == value


@pytest.mark.parametrize("area", ["212", "303", "415", "512", "617", "808", "907"])
def test_numbers_kept_for_fiction_are_accepted(area):
    assert parse_phone(f"+1 {area} 555 0199", "US").value == f"+1{area}5550199"


def test_a_number_tells_its_country_zone_and_line():
    assert parse_phone("512 555 0142", "US") == Phone(
        value="+15125550142",
        region="US",
        time_zone="America/Chicago",
        line_type=LineType.FIXED_OR_MOBILE,
        carrier="",
    )


@pytest.mark.parametrize(
    ("text", "region", "line_type", "zone"),
    [
        ("+442079460000", "GB", LineType.LANDLINE, "Europe/London"),
        ("+4915112345678", "DE", LineType.MOBILE, "Europe/Berlin"),
        ("+18005550199", "US", LineType.TOLL_FREE, ""),
        ("+14165550123", "CA", LineType.FIXED_OR_MOBILE, "America/Toronto"),
    ],
)
def test_line_and_zone_follow_the_numbering_plan(text, region, line_type, zone):
    phone = parse_phone(text, "US")

    assert (phone.region, phone.line_type, phone.time_zone) == (region, line_type, zone)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("12", "too short"),
        ("555-0142", "area code is missing"),
        ("512 555 0142 2233", "too long"),
        ("+999 123 456 789", "country code that does not exist"),
        ("+1 000 555 0100", "no country has given out"),
        ("hello", "no digits"),
        ("", "no digits"),
        ("512 555 0142 ext. 5", "extension (5)"),
        ("512 555 0142x5", "extension (5)"),
        ("512 555 0142 #12", "extension (12)"),
        ("tel:+15125550142;ext=5", "extension (5)"),
        ("5125550142,,5", "extension (5)"),
        ("+44 20 7946 0000 доб. 12", "extension (12)"),
        ("0049 12", "area code is missing"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(text, why):
    with pytest.raises(NotAPhone, match="is not a phone number") as caught:
        parse_phone(text, "US")

    assert why in caught.value.why
    assert caught.value.text == text


@pytest.mark.parametrize("region", ["US", "ID", "DE", "AT", "IT", "NZ", "IN"])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("212-555-XXXX", "digits are hidden"),
        ("212-555-01xx", "digits are hidden"),
        ("+1 ••• ••• 0142", "digits are hidden"),
        ("***-***-0142", "digits are hidden"),
        ("512-555-____", "digits are hidden"),
        ("+919876543xyz", "letters stand in it"),
        ("1-800-FLOWERS", "letters stand in it"),
        ("1-800-GO-FEDEX", "letters stand in it"),
        ("512-555-O142", "letters stand in it"),
        ("Robin 512 555 0142", "letters stand in it"),
        ("512 555 0142 (home)", "letters stand in it"),
        ("call me", "no digits"),
        ("n/a", "no digits"),
        ("#REF!", "no digits"),
        ("12 34 or 56", "more than one number"),
        ("5125550142, 5125550143", "more than one number"),
        ("5125550142\n5125550143", "more than one number"),
        ("5125550142 / +15125550143", "more than one number"),
        ("030 1234567/568", "more than one number"),
        ("5125550142 +1", "a plus belongs in front"),
        ("5125550142²", "“²” is no part"),
        ("6.28E+11", "spreadsheet rounded it"),
        ("6,28E+11", "spreadsheet rounded it"),
        ("6.28123e11", "spreadsheet rounded it"),
        ("6E+11", "spreadsheet rounded it"),
        ("6.28×10^11", "spreadsheet rounded it"),
        ("628123456789.0", "quantity"),
        ("628123456789,0", "quantity"),
        ("628123456789.5", "quantity"),
        ("+628123456789.0", "quantity"),
        ("628123456789.125", "quantity"),
        ("512-555-0142.0", "quantity"),
        ("5,125,550,142", "quantity"),
        ("2026-03-04", "it is a date"),
        ("04.03.2026", "it is a date"),
    ],
)
def test_what_is_no_number_never_becomes_somebody_elses_in_any_country(text, region, why):
    with pytest.raises(NotAPhone) as caught:
        parse_phone(text, region)

    assert why in caught.value.why


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("628123456789.0", "628123456789"),
        ("+628123456789.0", "+628123456789"),
        ("49301234567.00", "49301234567"),
        ("49301234567,0", "49301234567"),
        ("'2125550142.0", "2125550142"),
        ("628123456789.5", "628123456789.5"),
        ("01.23.45.67.80", "01.23.45.67.80"),
        ("512.555.0142", "512.555.0142"),
        ("", ""),
    ],
)
def test_the_decimals_of_a_quantity_are_taken_off_where_they_are_zero(text, whole):
    assert without_decimals(text) == whole


def test_a_refusal_says_the_way_out_where_it_is_a_particular_one():
    with pytest.raises(NotAPhone, match="format the column as text"):
        parse_phone("6.28E+11", "US")


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_refused(text):
    with suppress(NotAPhone):
        assert parse_phone(text, "US").value.startswith("+")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(512) 555-0142", SearchForms("+15125550142", "15125550142")),
        ("+44 20 7946 0000", SearchForms("+442079460000", "442079460000")),
        ("0142", SearchForms("", "0142")),
        ("555-0142", SearchForms("", "5550142")),
        ("142", SearchForms()),
        ("Robin", SearchForms()),
        ("robin5550142", SearchForms()),
        ("", SearchForms()),
    ],
)
def test_what_support_types_becomes_a_whole_number_or_its_last_digits(text, expected):
    assert search_forms(text, "US") == expected


@given(st.text(max_size=30))
def test_any_text_can_be_searched_for(text):
    forms = search_forms(text, "US")

    assert forms.ending == "" or (forms.ending.isascii() and forms.ending.isdecimal())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+15125551869", "+1 ••• ••• 1869"),
        ("+442079460123", "+44 ••• ••• 0123"),
        ("+35315550123", "+353 ••• ••• 0123"),
        ("+2902123", "+290 ••• ••• 23"),
        ("robin@example.com", "r•••@example.com"),
        ("72345", "•••"),
        ("", "•••"),
        ("+", "•••"),
    ],
)
def test_a_mask_shows_where_it_is_and_how_it_ends(value, shown):
    assert mask(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("+15045550181", "+1 504-555-0181"),
        ("+442079460018", "+44 20 7946 0018"),
        ("+1 ••• ••• 0181", "+1 ••• ••• 0181"),
        ("robin@example.com", "robin@example.com"),
        ("+1", "+1"),
        ("", ""),
    ],
)
def test_a_number_is_grouped_as_people_write_it(value, shown):
    assert grouped(value) == shown


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("robin@example.com", "robin@example.com"),
        (" Robin.Lee@EXAMPLE.com ", "robin.lee@example.com"),
        ("robin@mail.test", "robin@mail.test"),
        ("robin+news@example.org", "robin+news@example.org"),
        ("robin@exämple.com", "robin@exämple.com"),
        ("robin@xn--exmple-cua.com", "robin@exämple.com"),
    ],
)
def test_an_email_is_stored_in_one_form(text, value):
    assert parse_email(text) == value


@pytest.mark.parametrize(
    "text", ["", "robin", "robin@", "@example.com", "robin@example", "a b@example.com", "a@b@c.d"]
)
def test_what_is_no_email_is_refused_with_a_sentence(text):
    with pytest.raises(NotAnEmail) as caught:
        parse_email(text)

    assert caught.value.why.endswith(".")
    assert caught.value.text == text


@given(st.text(max_size=40))
def test_any_text_is_an_email_or_refused(text):
    with suppress(NotAnEmail):
        assert "@" in parse_email(text)


def test_a_number_is_taken_exactly_where_the_numbering_plans_know_it():
    examples = [
        number
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for number in (phonenumbers.example_number(region), phonenumbers.invalid_example_number(region))
        if number
    ]
    texts = [phonenumbers.format_number(one, phonenumbers.PhoneNumberFormat.E164) for one in examples]
    known = [one for one in texts if phonenumbers.is_valid_number(phonenumbers.parse(one))]

    taken = []
    for text in texts:
        with suppress(NotAPhone):
            parse_phone(text, "US")
            taken.append(text)

    assert len(known) > 200
    assert taken == known


def test_what_the_first_digits_of_an_american_number_tell_is_what_the_whole_tells():
    numbers = random.Random(12)
    areas = [f"{area}" for area in range(200, 1_000) for _ in range(6)]
    # Wherever the data of the library tells numbers apart by more of their digits.
    told_apart = [
        key[1:] for key in chain(CARRIER_DATA, TIMEZONE_DATA) if key.startswith("1") and len(key) > 7
    ]
    asked = [f"{each}{numbers.randrange(10**9):09d}"[:10] for each in [*areas, *told_apart]]

    for digits in asked:
        assert _read_or_not(parse_phone, f"+1{digits}") == _read_or_not(phones._read, f"+1{digits}")
        typed = f"({digits[:3]}) {digits[3:6]}-{digits[6:]}"
        assert _read_or_not(parse_phone, typed) == _read_or_not(phones._read, f"+1{digits}")


def _read_or_not(read, text):
    try:
        return read(text, "US")
    except NotAPhone:
        return None
