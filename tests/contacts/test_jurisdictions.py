"""The hours that the law permits: which rows hold where, on which days, and around clock changes and holidays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.channels import Channel
from contacts.holidays import holiday, next_day, regional
from contacts.hours import held_by, is_open, next_close, next_open
from contacts.jurisdictions import KIND_OF_TRAFFIC, laws, places, states, table, where

MARKETING, SERVICE = "marketing", "service"
ALL_DAY = time(0), time.max
NINE_TO_NINE = time(9), time(21)
CHICAGO = ZoneInfo("America/Chicago")


@pytest.fixture
def no_margin(settings):
    settings.PERMITTED_HOURS_MARGIN_MINUTES = 0


# Region, number, channel, purpose; and for a Wednesday, a Saturday and a Sunday from when until when, None: closed.
CASES = [
    # A country's row, and what a state's row replaces.
    ("US", "", "sms", MARKETING, "08-21", "08-21", "08-21"),
    ("US-NY", "", "sms", MARKETING, "08-21", "08-21", "08-21"),
    ("US-AL", "", "sms", MARKETING, "08-20", "08-20", None),
    ("US-AL", "", "mms", MARKETING, "08-20", "08-20", None),
    ("US-AL", "", "rvm", MARKETING, "08-20", "08-20", None),
    ("US-CT", "", "voice", MARKETING, "09-20", "09-20", "09-20"),
    ("US-FL", "", "sms", MARKETING, "08-20", "08-20", "08-20"),
    ("US-KY", "", "sms", MARKETING, "10-21", "10-21", "10-21"),
    ("US-LA", "", "voice", MARKETING, "08-20", "08-20", None),
    ("US-MS", "", "sms", MARKETING, "08-20", "08-20", None),
    ("US-PA", "", "sms", MARKETING, "08-21", "08-21", None),
    ("US-RI", "", "sms", MARKETING, "09-18", "10-17", None),
    ("US-TX", "", "sms", MARKETING, "09-21", "09-21", "12-21"),
    ("US-TX", "", "mms", MARKETING, "09-21", "09-21", "12-21"),
    ("US-WY", "", "voice", MARKETING, "08-20", "08-20", "08-20"),
    ("US-WY", "", "sms", MARKETING, "08-21", "08-21", "08-21"),  # its row is for calls alone
    # Recordings, beside what holds for marketing: both have to permit it.
    ("US-CA", "", "voice", MARKETING, "09-21", "09-21", "09-21"),
    ("US-CA", "", "sms", MARKETING, "08-21", "08-21", "08-21"),
    ("US-IL", "", "rvm", MARKETING, "09-21", "09-21", "09-21"),
    ("US-NE", "", "voice", MARKETING, "08-21", "08-21", "13-21"),
    ("US-SD", "", "rvm", MARKETING, "09-21", None, None),
    ("US-ME", "", "voice", MARKETING, "09-17", None, None),
    ("US-ME", "", "sms", MARKETING, "08-21", "08-21", "08-21"),
    ("CA", "", "voice", MARKETING, "09:30-20", "10:30-17", "12-17"),
    ("CA", "", "sms", MARKETING, "00-24", "00-24", "00-24"),
    # What is disputed, or a convention, is not applied.
    ("US-NJ", "", "sms", MARKETING, "08-21", "08-21", "08-21"),
    ("US-UT", "", "sms", MARKETING, "08-21", "08-21", "08-21"),
    ("CA-BC", "", "voice", MARKETING, "09:30-20", "10:30-17", "12-17"),
    ("GB", "", "sms", MARKETING, "00-24", "00-24", "00-24"),
    ("AU", "", "sms", MARKETING, "00-24", "00-24", "00-24"),
    # Other countries.
    ("FR", "", "sms", MARKETING, "08-22", "08-22", None),
    ("FR", "", "voice", MARKETING, "10-13 14-20", None, None),
    ("AU", "", "voice", MARKETING, "09-20", "09-17", None),
    ("IN", "", "sms", MARKETING, "10-21", "10-21", "10-21"),
    ("KR", "", "voice", MARKETING, "08-21", "08-21", "08-21"),
    # Where nothing is known of the country, or of the channel there.
    ("", "", "sms", MARKETING, "09-20", "09-20", None),
    ("ES", "", "sms", MARKETING, "09-20", "09-20", None),
    ("DE", "", "voice", MARKETING, "09-20", "09-20", None),
    ("IN", "", "rvm", MARKETING, "09-20", "09-20", None),
    ("??", "", "mms", MARKETING, "09-20", "09-20", None),
    # Territories keep the law of their country.
    ("PR", "", "sms", MARKETING, "08-21", "08-21", "08-21"),
    ("RE", "", "sms", MARKETING, "08-22", "08-22", None),
    # A state by its area code; what is entered for the address counts more.
    ("US", "+12055550142", "sms", MARKETING, "08-20", "08-20", None),
    ("", "+12055550142", "sms", MARKETING, "08-20", "08-20", None),
    ("US", "+15125550142", "sms", MARKETING, "09-21", "09-21", "12-21"),
    ("US-NY", "+12055550142", "sms", MARKETING, "08-21", "08-21", "08-21"),
    ("US", "+18005550142", "sms", MARKETING, "08-21", "08-21", "08-21"),
    ("us-al", "", "sms", MARKETING, "08-20", "08-20", None),
    ("CA", "+12045550142", "sms", MARKETING, "00-24", "00-24", "00-24"),
    # What a person asked for waits for no marketing hours, but recordings do, and a voicemail is never exempt.
    ("US-AL", "", "sms", SERVICE, "00-24", "00-24", "00-24"),
    ("", "", "sms", SERVICE, "00-24", "00-24", "00-24"),
    ("US-AL", "", "voice", SERVICE, "00-24", "00-24", "00-24"),
    ("US-CA", "", "voice", SERVICE, "09-21", "09-21", "09-21"),
    ("US-ME", "", "voice", SERVICE, "00-24", "00-24", "00-24"),  # of solicitations only
    ("US-AL", "", "rvm", SERVICE, "08-20", "08-20", None),
]  # fmt: skip
DAYS = (date(2026, 3, 4), date(2026, 3, 7), date(2026, 3, 15))


def permitted(found, day: date) -> str | None:
    """From when until when all of them permit a send, by asking of every half hour."""
    clocks = [datetime.combine(day, time(0)) + timedelta(minutes=30 * n) for n in range(48)]
    yes = [n for n, clock in enumerate(clocks) if all(law.permits(clock) for law in found)]
    spans: list[list[int]] = []
    for n in yes:
        if spans and spans[-1][1] == n:
            spans[-1][1] = n + 1
        else:
            spans.append([n, n + 1])
    return " ".join(f"{_clock(a)}-{_clock(b)}" for a, b in spans) or None


def _clock(halves: int) -> str:
    return f"{halves // 2:02}" + (":30" if halves % 2 else "")


@pytest.mark.parametrize(("region", "number", "channel", "purpose", "wednesday", "saturday", "sunday"), CASES)
def test_the_hours_of_a_place(no_margin, region, number, channel, purpose, wednesday, saturday, sunday):
    found = laws(region, number, channel, purpose)

    assert [permitted(found, day) for day in DAYS] == [wednesday, saturday, sunday]


def test_the_end_is_exclusive_and_a_margin_is_left_before_it(settings):
    (law,) = laws("US-KY", "", "sms", MARKETING)
    settings.PERMITTED_HOURS_MARGIN_MINUTES = 0
    (whole,) = laws("US-KY", "", "sms", MARKETING)
    clock = datetime(2026, 3, 4, 20, 44, 59).replace  # noqa: DTZ001 - a local clock

    assert law.permits(clock())
    assert not law.permits(clock(minute=45, second=0))
    assert whole.permits(clock(minute=59))
    assert not whole.permits(clock(hour=21, minute=0, second=0))
    assert law.closed_words(clock(minute=50)) == (
        "10:00 to 21:00, less 15 minutes for delays, is permitted in Kentucky"
    )


# ---- Holidays ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "day", "name"),
    [
        ("US", "2026-01-01", "New Year's Day"),
        ("US", "2026-01-19", "Martin Luther King Day"),
        ("US", "2026-02-16", "Washington's Birthday"),
        ("US", "2026-05-25", "Memorial Day"),
        ("US", "2027-05-31", "Memorial Day"),
        ("US", "2026-06-19", "Juneteenth"),
        ("US", "2026-07-03", "Independence Day"),  # kept on the Friday
        ("US", "2026-07-04", "Independence Day"),
        ("US", "2026-09-07", "Labor Day"),
        ("US", "2026-10-12", "Columbus Day"),
        ("US", "2026-11-11", "Veterans Day"),
        ("US", "2026-11-26", "Thanksgiving"),
        ("US", "2027-12-24", "Christmas Day"),
        ("US", "2027-12-31", "New Year's Day"),  # of 2028
        ("US", "2028-01-01", "New Year's Day"),
        ("US", "2026-11-27", ""),
        ("US", "2026-12-31", ""),
        ("FR", "2026-04-06", "Easter Monday"),
        ("FR", "2026-05-14", "Ascension Day"),
        ("FR", "2026-05-25", "Whit Monday"),
        ("FR", "2026-07-14", "Bastille Day"),
        ("FR", "2026-04-03", ""),
        ("AU", "2026-04-03", "Good Friday"),
        ("AU", "2026-12-28", "Boxing Day"),
        ("AU", "2027-12-27", "Christmas Day"),
        ("AU", "2027-12-28", "Boxing Day"),
        ("AU", "2027-01-26", "Australia Day"),
        ("ES", "2026-12-25", ""),  # no rule is known
        ("US-AL", "2026-04-27", "Confederate Memorial Day"),
        ("US-AL", "2026-12-25", "Christmas Day"),
        ("US-LA", "2026-02-17", "Mardi Gras"),
        ("US-LA", "2026-01-08", "Battle of New Orleans"),
        ("US-AL 251", "2026-02-17", "Mardi Gras"),
        ("US-AL 251", "2026-04-27", "Confederate Memorial Day"),
        ("US-AL", "2026-02-17", ""),
        ("US-LA", "2026-11-02", "All Saints' Day"),  # the 1st is a Sunday
        ("US-RI", "2026-08-10", "Victory Day"),
        ("US-RI", "2026-11-03", "Election Day"),
        ("US-RI", "2027-11-02", ""),
        ("US-PA", "2027-11-02", "Election Day"),
        ("US-NE", "2026-11-27", "Day after Thanksgiving"),
        ("US-TX", "2026-04-27", ""),
    ],
)
def test_a_holiday_is_known_by_its_rule(country, day, name):
    assert holiday(country, date.fromisoformat(day)) == name


@pytest.mark.parametrize(
    ("region", "channel", "day", "hours"),
    [
        ("US-AL", "sms", "2026-11-26", None),
        ("US-TX", "sms", "2026-11-26", "09-21"),
        ("US-RI", "sms", "2026-07-03", None),
        ("US-NE", "voice", "2026-11-26", "13-21"),  # the hours of a Sunday
        ("US-NE", "voice", "2026-11-27", "13-21"),
        ("US-LA", "sms", "2026-02-17", None),
        ("US-LA", "sms", "2026-02-18", "08-20"),
        ("FR", "sms", "2026-07-14", None),
        ("AU", "voice", "2026-04-03", None),
        ("", "sms", "2026-12-25", "09-20"),  # which of them are kept there is not known
    ],
)
def test_holidays_are_kept_as_the_row_says(no_margin, region, channel, day, hours):
    assert permitted(laws(region, "", channel, MARKETING), date.fromisoformat(day)) == hours


@pytest.mark.parametrize(
    ("region", "number", "hours"),
    [
        ("", "+12515550142", None),
        ("US-AL", "+1251", None),
        ("", "+12055550142", "08-20"),
        ("US-AL", "", "08-20"),
        ("US-AL", "+12515", None),
        ("US-TX", "+12515550142", "09-21"),
        ("", "+13185550142", None),
    ],
)
def test_mardi_gras_closes_two_counties_of_alabama_and_all_of_louisiana(no_margin, region, number, hours):
    assert permitted(laws(region, number, "sms", MARKETING), date(2026, 2, 17)) == hours


def test_the_next_one_is_of_this_year_or_a_later_one():
    assert next_day("election of even years", date(2026, 11, 4)) == date(2028, 11, 7)
    assert next_day("05-04", date(2026, 5, 4)) == date(2026, 5, 4)


def test_states_have_holidays_of_their_own_where_their_hours_ask_for_them():
    asking = {
        row.region for row in table() if row.country == "US" and row.holidays in ("blocked", "as sunday")
    }

    assert {place.removeprefix("US-") for place in regional()} <= asking
    assert all(one.source for those in regional().values() for one in those)


# ---- Together with the window and the clocks ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "zone", "asked", "opens", "closes", "held"),
    [  # moments in UTC, of 2026 unless they say more; the clocks in the United States change on 8 March and 1 November
        ("US-TX", "America/Chicago", "03-07T14:00", "03-07T15:00", "03-08T02:45", ""),
        ("US-TX", "America/Chicago", "03-08T10:00", "03-08T17:00", "03-09T01:45",
         "12:00 to 21:00 is permitted in Texas on Sundays"),
        ("US-TX", "America/Chicago", "11-01T10:00", "11-01T18:00", "11-02T02:45",
         "12:00 to 21:00 is permitted in Texas on Sundays"),
        ("US-AL", "America/Chicago", "03-08T16:00", "03-09T14:00", "03-10T00:45", "Sundays are closed in Alabama"),
        ("US-AL", "America/Chicago", "10-31T23:30", "10-31T23:30", "11-01T00:45", ""),
        ("US-AL", "America/Chicago", "11-01T00:45", "11-02T15:00", "11-03T01:45",
         "08:00 to 20:00, less 15 minutes for delays, is permitted in Alabama"),
        ("US-AL", "America/Chicago", "11-26T17:00", "11-27T15:00", "11-28T01:45",
         "holidays are closed in Alabama (Thanksgiving)"),
        ("US-AL", "America/Chicago", "07-03T17:00", "07-06T14:00", "07-07T00:45",
         "holidays are closed in Alabama (Independence Day)"),
        ("US-KY", "America/New_York", "11-01T13:00", "11-01T15:00", "11-02T01:45",
         "10:00 to 21:00 is permitted in Kentucky"),
        ("US-KY", "America/New_York America/Chicago", "11-01T13:00", "11-01T16:00", "11-02T01:45",
         "10:00 to 21:00 is permitted in Kentucky"),
        ("US-ME", "America/New_York", "12-24T23:00", "12-28T14:00", "12-28T21:45",
         "09:00 to 17:00 is permitted in Maine"),
        ("FR", "Europe/Paris", "03-28T20:30", "03-28T20:30", "03-28T20:45", ""),
        ("FR", "Europe/Paris", "03-29T10:00", "03-30T07:00", "03-30T19:00", "Sundays are closed in France"),
        ("", "UTC", "03-08T12:00", "03-09T09:00", "03-09T19:45", "Sundays are closed where no rule is known"),
    ],
)  # fmt: skip
def test_the_window_opens_when_the_law_permits_it_too(region, zone, asked, opens, closes, held):
    zones = tuple(map(ZoneInfo, zone.split()))
    now, first, last = (
        datetime.fromisoformat(f"2026-{each}").replace(tzinfo=UTC) for each in (asked, opens, closes)
    )
    window = (time(9), time(22)) if first == datetime(2026, 3, 28, 20, 30, tzinfo=UTC) else NINE_TO_NINE
    hours = (zones, *window, laws(region, "", "voice" if region == "US-ME" else "sms", MARKETING))

    assert next_open(now, *hours) == first
    assert next_close(first, *hours) == last
    assert held_by(now, *hours) == held


def test_a_window_outside_the_hours_of_the_law_never_opens():
    found = laws("US-CT", "", "sms", MARKETING)
    hours = ((ZoneInfo("America/New_York"),), time(20), time(22), found)
    now = datetime(2026, 3, 4, 17, tzinfo=UTC)

    assert next_open(now, *hours) is None
    assert held_by(now, *hours) == "09:00 to 20:00 is permitted in Connecticut"


REGIONS = sorted(
    {f"{row.country}-{row.region}".removesuffix("-*") for row in table() if row.country} | {"", "ES"}
)
ZONES = [
    "America/Chicago",
    "America/New_York",
    "Europe/Paris",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "UTC",
]
moments = st.one_of(
    st.integers(0, 6 * 365 * 24 * 60).map(lambda each: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=each)),
    st.sampled_from([datetime(*day, tzinfo=UTC) for day in ((2026, 3, 7), (2026, 10, 31), (2027, 12, 24))]),
)  # fmt: skip
several = st.lists(st.sampled_from(ZONES[:4]), min_size=1, max_size=2, unique=True)
channels = st.sampled_from([Channel.SMS, Channel.VOICE, Channel.RVM])
windows = st.sampled_from([NINE_TO_NINE, ALL_DAY, (time(7, 30), time(12, 15)), (time(2, 15), time(2, 45))])


@given(moments, several, st.sampled_from(REGIONS), channels, windows)
@settings(max_examples=150)
def test_the_next_opening_is_the_first_permitted_minute_and_the_close_the_first_that_is_not(
    moment, names, region, channel, window
):
    hours = (tuple(map(ZoneInfo, names)), *window, laws(region, "", channel, MARKETING))

    opens = next_open(moment, *hours)

    last = opens or moment + timedelta(days=9)
    minutes = int((last - moment) / timedelta(minutes=1))
    assert not any(is_open(moment + timedelta(minutes=each), *hours) for each in range(0, minutes, 5))
    if opens is None:
        return
    assert is_open(opens, *hours)
    assert opens == moment or not is_open(opens - timedelta(seconds=1), *hours)
    closes = next_close(opens, *hours)
    minutes = int((closes - opens) / timedelta(minutes=1))
    assert not is_open(closes, *hours)
    assert all(is_open(opens + timedelta(minutes=each), *hours) for each in range(0, minutes, 5))


# ---- The tables --------------------------------------------------------------------------------------------------


def test_every_row_is_whole():
    assert len(table()) == 52
    assert sum(len(rows) for _, rows in places()) == 52
    for row in table():
        assert row.traffic in KIND_OF_TRAFFIC
        assert row.holidays in ("allowed", "blocked", "as sunday")
        assert set(row.channels) <= set(Channel)
        assert row.source or not row.country, row
        assert row.start < row.end
        assert row.days


def test_every_area_code_of_the_united_states_has_its_state():
    from phonenumbers.geodata import GEOCODE_DATA

    named = {code: GEOCODE_DATA[code[1:]]["en"] for code in states() if code[1:] in GEOCODE_DATA}
    assert {named[code] for code, state in states().items() if state == "AL"} == {"Alabama"}
    assert len(named) > 340
    for code in range(200, 1000):
        number = phonenumbers.parse(f"+1{code}2345678")
        geographic = phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
        if geographic and phonenumbers.region_code_for_number(number) == "US":
            assert f"+1{code}" in states()
        elif geographic:
            assert f"+1{code}" not in states()


def test_where_somebody_is_never_raises():
    assert [where(*each) for each in [("US-", "+1"), ("-", ""), ("us", "+1205"), ("", "")]] == [
        "US",
        "",
        "US-AL",
        "",
    ]


@given(st.text(max_size=8), st.text(max_size=20), st.sampled_from(Channel.values), st.text(max_size=9))
def test_no_text_of_a_region_can_raise(region, number, channel, purpose):
    for law in laws(region, number, channel, purpose):
        assert law.on(date(2026, 3, 4)) is not None
