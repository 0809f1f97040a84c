"""Permitted hours of numbers that may lie in several time zones, around the clock changes of 2026."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from importlib import import_module

import pytest
from django.apps import apps

from contacts.hours import is_open, next_open, zones_for
from contacts.models import Address
from contacts.phones import parse_phone
from tests import factories

NINE, NINE_PM = time(9), time(21)
AUSTRALIA = (
    "Australia/Adelaide Australia/Brisbane Australia/Eucla Australia/Lord_Howe Australia/Perth Australia/Sydney"
    " Indian/Christmas Indian/Cocos"
)
RUSSIA = (
    "Asia/Almaty Asia/Anadyr Asia/Aqtobe Asia/Irkutsk Asia/Kamchatka Asia/Krasnoyarsk Asia/Magadan Asia/Novosibirsk"
    " Asia/Omsk Asia/Sakhalin Asia/Vladivostok Asia/Yakutsk Asia/Yekaterinburg Europe/Bucharest Europe/Moscow"
    " Europe/Samara"
)
# A number, every zone where it may be, and when (UTC, 2026) 9:00 to 21:00 is open in all of them.
NUMBERS = {
    "a Spanish mobile": (
        "+34612345678",
        "Atlantic/Canary Europe/Madrid",
        [("03-28T09:00", "03-28T20:00"), ("03-29T08:00", "03-29T19:00"), ("10-25T09:00", "10-25T20:00")],
    ),
    "an Australian mobile": (
        "+61412345678",
        AUSTRALIA,
        [("04-04T02:30", "04-04T10:00"), ("04-06T02:30", "04-06T10:30"), ("10-05T02:30", "10-05T10:00")],
    ),
    "Perth or Adelaide": (
        "+61851091234",
        "Australia/Perth",
        [("04-06T01:00", "04-06T13:00"), ("10-05T01:00", "10-05T13:00")],
    ),
    "Eucla": (
        "+61890393123",
        "Australia/Adelaide Australia/Eucla Australia/Perth",
        [("04-06T01:00", "04-06T11:30"), ("10-05T01:00", "10-05T10:30")],
    ),
    "Christmas Island": (
        "+61891641234",
        "Indian/Christmas",
        [("04-06T02:00", "04-06T14:00"), ("10-05T02:00", "10-05T14:00")],
    ),
    "the Cocos Islands": (
        "+61891621234",
        "Indian/Cocos",
        [("04-06T02:30", "04-06T14:30"), ("10-05T02:30", "10-05T14:30")],
    ),
    "Idaho, 208": (
        "+12085550142",
        "America/Boise America/Denver America/Los_Angeles",
        [("03-07T17:00", "03-08T04:00"), ("03-08T16:00", "03-09T03:00"), ("11-01T17:00", "11-02T04:00")],
    ),
    "Idaho, 986": (
        "+19865550142",
        "America/Boise America/Los_Angeles",
        [("03-08T16:00", "03-09T03:00"), ("11-01T17:00", "11-02T04:00")],
    ),
    "Nevada, 775": (
        "+17755550142",
        "America/Boise America/Denver America/Los_Angeles",
        [("03-08T16:00", "03-09T03:00")],
    ),
    "South Dakota, 605": (
        "+16055550142",
        "America/Chicago America/Denver America/North_Dakota/Center",
        [("03-08T15:00", "03-09T02:00"), ("11-01T16:00", "11-02T03:00")],
    ),
    "North Dakota, 701": (
        "+17015550142",
        "America/Chicago America/Denver America/North_Dakota/Center",
        [("03-08T15:00", "03-09T02:00"), ("11-01T16:00", "11-02T03:00")],
    ),
    "Oregon, 541": (
        "+15415550142",
        "America/Denver America/Los_Angeles",
        [("03-08T16:00", "03-09T03:00"), ("11-01T17:00", "11-02T04:00")],
    ),
    "Florida, 850": (
        "+18505550142",
        "America/Chicago America/New_York",
        [("03-08T14:00", "03-09T01:00"), ("11-01T15:00", "11-02T02:00")],
    ),
    "Arizona beside the Navajo Nation, 928": (
        "+19282835014",
        "America/Denver America/Phoenix",
        [("03-07T16:00", "03-08T04:00"), ("03-08T16:00", "03-09T03:00")],
    ),
    "Alaska, 907": (
        "+19075550142",
        "America/Adak America/Anchorage America/Juneau Pacific/Honolulu",
        [("03-08T19:00", "03-09T05:00"), ("11-01T19:00", "11-02T06:00")],
    ),
    "Newfoundland and Labrador, 709": (
        "+17095550142",
        "America/Halifax America/St_Johns",
        [("03-08T12:00", "03-08T23:30"), ("11-01T13:00", "11-02T00:30")],
    ),
    "an overlay of both, 879": (
        "+18795550142",
        "America/Puerto_Rico America/St_Johns",
        [("03-07T13:00", "03-08T00:30"), ("03-08T13:00", "03-08T23:30")],
    ),
    "Barbados": ("+12462501234", "America/Barbados", [("03-08T13:00", "03-09T01:00")]),
    "Jamaica": ("+18762101234", "America/Jamaica", [("03-08T14:00", "03-09T02:00")]),
    "Bermuda": ("+14413701234", "Atlantic/Bermuda", [("03-08T12:00", "03-09T00:00")]),
    "Samoa, American": ("+16847331234", "Pacific/Pago_Pago", [("03-08T20:00", "03-09T08:00")]),
    "Mexico, Puebla": (
        "+522001234567",
        "America/Mexico_City America/Tijuana",
        [("03-08T16:00", "03-09T03:00"), ("11-01T17:00", "11-02T03:00")],
    ),
    "Mexico, a mobile of Mexico City": (
        "+525512345678",
        "America/Mexico_City",
        [("03-08T15:00", "03-09T03:00")],
    ),
    "Mexico, Durango": (
        "+526491234567",
        "America/Mazatlan America/Mexico_City",
        [("03-08T16:00", "03-09T03:00"), ("04-05T16:00", "04-06T03:00")],
    ),
    "Brazil, Manaus": (
        "+5597912345678",
        "America/Manaus America/Sao_Paulo",
        [("03-08T13:00", "03-09T00:00")],
    ),
    "Brazil, Sao Paulo": ("+5511912345678", "America/Sao_Paulo", [("10-25T12:00", "10-26T00:00")]),
    "a Russian mobile": (
        "+79123456789",
        RUSSIA,
        [("03-28T07:00", "03-28T09:00"), ("03-30T06:00", "03-30T09:00"), ("10-26T07:00", "10-26T09:00")],
    ),
    "a Kazakh mobile": ("+77011234567", "Asia/Almaty Asia/Aqtobe", [("03-29T04:00", "03-29T16:00")]),
    "Indonesia, Jakarta": (
        "+6281234567890",
        "Asia/Jakarta Asia/Jayapura Asia/Makassar",
        [("03-29T02:00", "03-29T12:00")],
    ),
    "Indonesia, Sulawesi": ("+62458123456", "Asia/Jakarta Asia/Makassar", [("03-29T02:00", "03-29T13:00")]),
    "Indonesia, Papua": ("+62967123456", "Asia/Jayapura", [("03-30T00:00", "03-30T12:00")]),
    "Indonesia, two islands": (
        "+62915123456",
        "Asia/Jakarta Asia/Jayapura",
        [("03-29T02:00", "03-29T12:00")],
    ),
    "an Ecuadorian mobile": (
        "+593991234567",
        "America/Guayaquil Pacific/Galapagos",
        [("03-29T15:00", "03-30T02:00")],
    ),
    "Greenland": (
        "+299221234",
        "America/Godthab America/Scoresbysund America/Thule",
        [
            ("03-07T13:00", "03-07T23:00"),
            ("03-08T12:00", "03-08T23:00"),
            ("03-29T12:00", "03-29T22:00"),
            ("10-25T12:00", "10-25T23:00"),
        ],
    ),
    "Kiribati": (
        "+68672001234",
        "Pacific/Enderbury Pacific/Kiritimati Pacific/Tarawa",
        [("03-29T21:00", "03-30T07:00")],
    ),
    "a Portuguese mobile": (
        "+351912345678",
        "Atlantic/Azores Europe/Lisbon",
        [("03-28T10:00", "03-28T21:00"), ("03-29T09:00", "03-29T20:00"), ("10-25T10:00", "10-25T21:00")],
    ),
    "a New Zealand mobile": (
        "+64211234567",
        "Pacific/Auckland Pacific/Chatham",
        [("04-04T21:00", "04-05T08:15"), ("04-06T21:00", "04-07T08:15"), ("09-27T20:00", "09-28T07:15")],
    ),
    "a British mobile": (
        "+447400123456",
        "Europe/Guernsey Europe/Isle_of_Man Europe/Jersey Europe/London",
        [("03-28T09:00", "03-28T21:00"), ("03-29T08:00", "03-29T20:00"), ("10-25T09:00", "10-25T21:00")],
    ),
    "an Irish mobile": (
        "+353850123456",
        "Europe/Guernsey Europe/Isle_of_Man Europe/London",
        [("03-29T08:00", "03-29T20:00")],
    ),
    "Finland": ("+358412345678", "Europe/Helsinki Europe/Mariehamn", [("03-29T06:00", "03-29T18:00")]),
    "Norway": ("+4740612345", "Arctic/Longyearbyen Europe/Oslo", [("03-29T07:00", "03-29T19:00")]),
    "Italy": ("+393123456789", "Europe/Rome Europe/Vatican", [("10-25T08:00", "10-25T20:00")]),
    "Congo": ("+243991234567", "Africa/Kinshasa Africa/Lubumbashi", [("03-29T08:00", "03-29T19:00")]),
    "Reunion or Mayotte": (
        "+262692123456",
        "Indian/Mayotte Indian/Reunion",
        [("03-29T06:00", "03-29T17:00")],
    ),
    "Mayotte": ("+262639012345", "Indian/Mayotte", [("03-29T06:00", "03-29T18:00")]),
    "Mongolia": (
        "+97688123456",
        "Asia/Choibalsan Asia/Hovd Asia/Ulaanbaatar",
        [("03-29T02:00", "03-29T13:00")],
    ),
    "French Polynesia": (
        "+68987123456",
        "Pacific/Gambier Pacific/Marquesas Pacific/Tahiti",
        [("03-29T19:00", "03-30T06:00")],
    ),
    "Micronesia": ("+6919201234", "Pacific/Ponape", [("03-29T22:00", "03-30T10:00")]),
    "Curacao": ("+59995181234", "America/Curacao America/Kralendijk", [("03-29T13:00", "03-30T01:00")]),
    "Chile, a mobile": (
        "+56961234567",
        "America/Santiago",
        [("04-05T13:00", "04-06T01:00"), ("09-06T12:00", "09-07T00:00")],
    ),
}
WINDOWS = [
    pytest.param(number, zones, *window, id=f"{name} {window[0]}")
    for name, (number, zones, windows) in NUMBERS.items()
    for window in windows
]


@pytest.mark.parametrize(("number", "zones", "opens", "closes"), WINDOWS)
def test_the_hours_are_kept_in_every_zone_where_a_number_may_be(number, zones, opens, closes):
    found = parse_phone(number, "US").time_zone
    held = zones_for(found, "UTC")
    start, end = (datetime.fromisoformat(f"2026-{each}").replace(tzinfo=UTC) for each in (opens, closes))
    second = timedelta(seconds=1)

    asked = [start - timedelta(hours=hours) for hours in (1, 2, 3)]
    assert found == zones
    assert {next_open(each, held, NINE, NINE_PM) for each in asked} == {start}
    assert is_open(start, held, NINE, NINE_PM)
    assert is_open(end - second, held, NINE, NINE_PM)
    assert not is_open(start - second, held, NINE, NINE_PM)
    assert not is_open(end, held, NINE, NINE_PM)


def test_there_are_numbers_enough_of_both_hemispheres():
    several = [zones for _, zones, _ in NUMBERS.values() if " " in zones]

    assert len(NUMBERS) >= 45
    assert len(several) >= 30


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+18005550142", ""),  # toll-free rings anywhere
        ("+12125550142", "America/New_York"),
        ("+18504335555", "America/Chicago"),  # an exchange that is known lies in one part of the area code
        ("+15413725555", "America/Denver"),
        ("+34928123456", "Atlantic/Canary"),
    ],
)
def test_a_number_whose_place_is_known_has_its_zone_alone(number, zones):
    assert parse_phone(number, "US").time_zone == zones


@pytest.mark.django_db
def test_numbers_on_record_get_every_zone_and_what_somebody_entered_stays():
    step = import_module("contacts.migrations.0007_every_zone_of_a_number")
    spain = factories.phone(value="+34612345678", time_zone="Atlantic/Canary")
    entered = factories.phone(value="+34612345679", time_zone="Europe/Madrid")
    florida = factories.phone(value="+18505550142", time_zone="America/New_York")
    island = factories.phone(value="+12462501234", time_zone="America/Adak")
    toll_free = factories.phone(value="+18005550142", time_zone="", line_type="toll_free")
    fits = factories.phone(value="+12125550142", time_zone="America/New_York")
    odd = factories.phone(value="not a number", time_zone="America/New_York")
    before = dict(Address.objects.values_list("pk", "time_zone"))

    step.keep_every_zone(apps, None)

    assert dict(Address.objects.values_list("pk", "time_zone")) == {
        spain.pk: "Atlantic/Canary Europe/Madrid",
        entered.pk: "Europe/Madrid",
        florida.pk: "America/Chicago America/New_York",
        island.pk: "America/Barbados",
        toll_free.pk: "",
        fits.pk: "America/New_York",
        odd.pk: "America/New_York",
    }

    step.keep_the_first(apps, None)
    Address.objects.filter(pk=island.pk).update(
        time_zone=before[island.pk]
    )  # one alone is not told from an entered one
    assert dict(Address.objects.values_list("pk", "time_zone")) == before


@pytest.mark.parametrize("number", [number for number, _, _ in NUMBERS.values()])
def test_the_migration_reads_numbers_as_the_product_does(number):
    step = import_module("contacts.migrations.0007_every_zone_of_a_number")

    assert step.zones_of(number)[1] == parse_phone(number, "US").time_zone
