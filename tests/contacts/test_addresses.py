"""One person, one address: the normal form made at the doors, and the spellings that are compared as one."""

from __future__ import annotations

import pytest

from contacts.addresses import match_key, normal_form, region_of
from contacts.models import Address, Suppression
from contacts.suppressing import suppress
from tests import factories

# Our E.164, the country, and how people and machines there write it.
SPELLINGS = {
    "US": ("+12125550142", "2125550142", "(212) 555-0142", "12125550142", "001 212 555 0142", "212.555.0142"),
    "CA": ("+14165550142", "416-555-0142", "1 416 555 0142", "14165550142", "011 1 416 555 0142"),
    "GB": ("+447911123456", "07911123456", "07911 123 456", "00447911123456", "447911123456", "+44 (0)7911 123456"),
    "IE": ("+353851234567", "0851234567", "085 123 4567", "00353 85 123 4567", "353851234567"),
    "DE": ("+4915112345678", "015112345678", "0151/12345678", "004915112345678", "4915112345678"),
    "AT": ("+436641234567", "06641234567", "0664 / 123 45 67", "0043 664 1234567", "436641234567"),
    "CH": ("+41781234567", "0781234567", "078 123 45 67", "0041781234567", "41781234567"),
    "FR": ("+33612345678", "0612345678", "06 12 34 56 78", "0033612345678", "33612345678", "06.12.34.56.78"),
    "ES": ("+34612345678", "612345678", "612 34 56 78", "0034612345678", "34612345678"),
    "IT": ("+393331234567", "3331234567", "333 123-4567", "00393331234567", "393331234567"),
    "PT": ("+351912345678", "912345678", "912 345 678", "00351912345678", "351912345678"),
    "NL": ("+31612345678", "0612345678", "06-12345678", "0031612345678", "31612345678"),
    "PL": ("+48512345678", "512345678", "512-345-678", "0048512345678", "48512345678"),
    "TR": ("+905321234567", "05321234567", "5321234567", "0090 532 123 45 67", "905321234567"),
    "IN": ("+919876543210", "09876543210", "98765 43210", "00919876543210", "919876543210"),
    "AU": ("+61412345678", "0412345678", "0412 345 678", "001161412345678", "61412345678"),
    "JP": ("+819012345678", "09012345678", "090-1234-5678", "010819012345678", "819012345678"),
    "CN": ("+8613102345678", "13102345678", "131 0234 5678", "008613102345678", "8613102345678"),
    "ZA": ("+27821234567", "0821234567", "082 123 4567", "0027821234567", "27821234567"),
    "MX": ("+525512345678", "5512345678", "55 1234 5678", "5215512345678", "+5215512345678", "044 55 1234 5678"),
    "AR": ("+5491123456789", "011 15-2345-6789", "1123456789", "5491123456789", "+54 11 2345-6789", "+541123456789"),
    "BR": ("+5511987654321", "11987654321", "(11) 98765-4321", "5511987654321", "+551187654321", "(11) 8765-4321"),
}  # fmt: skip
EACH = [(country, ours, other) for country, (ours, *others) in SPELLINGS.items() for other in others]


def test_the_table_is_of_twenty_countries_and_four_spellings_each():
    assert len(SPELLINGS) >= 20
    assert min(len(others) - 1 for others in SPELLINGS.values()) >= 4


@pytest.mark.parametrize(("country", "ours", "spelling"), EACH)
def test_every_spelling_of_a_number_is_compared_as_one(country, ours, spelling):
    assert match_key(normal_form(spelling, country)) == match_key(ours)


@pytest.mark.parametrize("country", SPELLINGS)
def test_what_has_its_normal_form_keeps_it(country):
    ours = SPELLINGS[country][0]

    assert normal_form(ours, "US") == normal_form(ours, country) == ours


@pytest.mark.parametrize(
    ("spelling", "region", "ours"),
    [
        ("tel:+12125550142", "GB", "+12125550142"),
        ("whatsapp:+447911123456", "US", "+447911123456"),
        ("\u200e+1\u00a0(212)\u00a0555\u20110142", "DE", "+12125550142"),
        ("+12125550142", "GB", "+12125550142"),
        ("٠٧٩١١١٢٣٤٥٦", "GB", "+447911123456"),
        ("+07911123456", "GB", "+447911123456"),
        ("+2125550142", "US", "+12125550142"),  # a plus that a program put before a national number
        # In two countries: texts come from mobiles, and from the country written to.
        ("33612345678", "DE", "+33612345678"),
        ("5352345678", "TR", "+905352345678"),
        ("2035550142", "US", "+12035550142"),
        ("3615550142", "US", "+13615550142"),
        # Not given out, but as long as a number there is.
        ("15550100199", "US", "+15550100199"),
    ],
)
def test_a_number_is_read_as_it_is_meant(spelling, region, ours):
    assert normal_form(spelling, region) == ours


@pytest.mark.parametrize(
    "text", ["20100", "72345", "WAYBILL", "Acme1", "", "+", "1-800-FLOWERS", "not known"]
)
def test_what_is_no_address_stays_as_it_came(text):
    assert normal_form(text, "US") == text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+525512345678", "+5215512345678", True),
        ("+5491123456789", "+541123456789", True),
        ("+5511987654321", "+551187654321", True),
        # Behind the ninth digit stands none that mobiles began with: a landline is somebody else's.
        ("+5511934567890", "+551134567890", False),
        ("+12125550142", "+12125550143", False),
        ("+521551234567", "+52551234567", False),
    ],
)
def test_numbers_are_one_where_the_country_knows_two_spellings(one, other, same):
    assert (match_key(one) == match_key(other)) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("cem@bücher.example", "cem@xn--bcher-kva.example", True),
        ("Cem@BÜCHER.example", "cem@bücher.example", True),
        ("Robin@Example.com", "robin@example.com", True),
        ("robin.leigh@gmail.com", "robinleigh@gmail.com", True),
        ("robin+news@gmail.com", "robin@gmail.com", True),
        ("ro.bin+a@googlemail.com", "robin@gmail.com", True),
        ("robin+news@outlook.com", "robin@outlook.com", True),
        ("robin.leigh@outlook.com", "robinleigh@outlook.com", False),
        ("robin+news@example.com", "robin@example.com", False),  # the domain may take it for another mailbox
        ("robin@gmail.com", "robin@example.com", False),
        ("jose\u0301@example.com", "jos\u00e9@example.com", True),
    ],
)
def test_mails_to_one_mailbox_are_one(one, other, same):
    assert (match_key(normal_form(one, "US")) == match_key(other)) is same
    assert (match_key(one) == match_key(normal_form(other, "US"))) is same


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("+12125550199", "US"),
        ("+14165550142", "CA"),
        ("+4915112345678", "DE"),
        ("20100", "FR"),
        ("WAYBILL", "FR"),
        ("", "FR"),
        ("news@example.com", "FR"),
    ],
)
def test_our_number_tells_the_country_where_it_can(number, country):
    assert region_of(number, "FR") == country


@pytest.mark.django_db
def test_the_key_is_kept_however_a_row_is_written():
    contact = factories.contact()
    saved = Address.objects.create(contact=contact, kind="phone", value="+5215512345678")
    Address.objects.bulk_create(
        [Address(contact=contact, kind="email", value="ro.bin@gmail.com", preferred=False)]
    )
    suppress(value="+5491123456789", reason="staff", origin="staff", now=contact.created_at)
    saved.value = "+5511987654321"
    saved.save()

    assert set(Address.objects.values_list("match_key", flat=True)) == {"+551187654321", "robin@gmail.com"}
    assert Suppression.objects.get().match_key == "+541123456789"
