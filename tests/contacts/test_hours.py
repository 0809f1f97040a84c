"""Permitted hours, also on the days on which the clocks change."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.hours import clocks, is_open, known_zone, next_open, zones_for

NEW_YORK = ZoneInfo("America/New_York")
ZONES = [
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Cairo",
    "America/Havana",
    "UTC",
]
NINE, NINE_PM = time(9), time(21)

times = st.times().map(lambda each: each.replace(second=0, microsecond=0))
windows = st.tuples(times, times).filter(lambda each: each[0] < each[1])
moments = st.integers(0, 30 * 365 * 24 * 60).map(
    lambda each: datetime(2006, 1, 1, tzinfo=UTC) + timedelta(minutes=each)
)


@given(moments, st.sampled_from(ZONES), windows)
def test_the_next_opening_is_open_and_not_in_the_past(moment, name, window):
    opens = next_open(moment, (ZoneInfo(name),), *window)

    assert opens >= moment
    assert is_open(opens, (ZoneInfo(name),), *window)


@given(moments, st.sampled_from(ZONES), windows)
@settings(max_examples=60)
def test_nothing_is_open_before_the_next_opening(moment, name, window):
    zone = ZoneInfo(name)
    opens = next_open(moment, (zone,), *window)

    minutes = min(int((opens - moment) / timedelta(minutes=1)), 3_000)
    tried = [moment + timedelta(minutes=each) for each in range(minutes)]
    tried += [opens - timedelta(seconds=1)] if opens - moment > timedelta(seconds=1) else []
    assert not any(is_open(each, (zone,), *window) for each in tried if each < opens)


@given(st.integers(-200, 200), st.sampled_from(ZONES), windows)
def test_the_same_holds_around_a_change_of_the_clocks(minutes, name, window):
    zone = ZoneInfo(name)
    for change in (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)):
        moment = change + timedelta(minutes=minutes)

        opens = next_open(moment, (zone,), *window)

        before = (
            moment + timedelta(minutes=each) for each in range(int((opens - moment).total_seconds() // 60))
        )
        assert not any(is_open(each, (zone,), *window) for each in before)
        assert is_open(opens, (zone,), *window)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (time(8, 59, 59), False),
        (time(9), True),
        (time(20, 59, 59), True),
        (time(21), False),
    ],
)
def test_the_start_belongs_to_the_window_and_the_end_does_not(local, expected):
    moment = datetime.combine(date(2026, 3, 4), local, NEW_YORK)

    assert is_open(moment, (NEW_YORK,), NINE, NINE_PM) is expected


def test_inside_the_window_the_moment_itself_is_given_in_utc():
    moment = datetime(2026, 3, 4, 12, tzinfo=NEW_YORK)

    opens = next_open(moment, (NEW_YORK,), NINE, NINE_PM)

    assert opens == moment
    assert opens.tzinfo is UTC


def test_after_the_window_the_next_day_is_meant():
    late = datetime(2026, 3, 4, 22, 14, tzinfo=NEW_YORK)

    assert next_open(late, (NEW_YORK,), NINE, NINE_PM) == datetime(2026, 3, 5, 9, tzinfo=NEW_YORK)


def test_a_time_that_does_not_exist_moves_forward_to_the_first_that_does():
    before = datetime(2026, 3, 8, 1, tzinfo=NEW_YORK)  # the clocks jump from 2:00 to 3:00

    opens = next_open(before, (NEW_YORK,), time(2, 30), NINE_PM)

    assert opens == datetime(2026, 3, 8, 3, tzinfo=NEW_YORK)


def test_a_window_that_does_not_exist_opens_a_day_later():
    before = datetime(2026, 3, 8, 1, tzinfo=NEW_YORK)

    opens = next_open(before, (NEW_YORK,), time(2, 15), time(2, 45))

    assert opens == datetime(2026, 3, 9, 2, 15, tzinfo=NEW_YORK)


def test_an_hour_that_comes_twice_opens_twice():
    second = datetime(2026, 11, 1, 1, 10, tzinfo=NEW_YORK, fold=1)

    opens = next_open(second, (NEW_YORK,), time(1, 30), time(2))

    assert opens == datetime(2026, 11, 1, 1, 30, tzinfo=NEW_YORK, fold=1).astimezone(UTC)


def test_a_day_that_never_was_is_passed_over():
    apia = ZoneInfo("Pacific/Apia")  # went from 29 to 31 December 2011

    opens = next_open(datetime(2011, 12, 29, 22, tzinfo=apia), (apia,), NINE, NINE_PM)

    assert opens == datetime(2011, 12, 31, 9, tzinfo=apia)


def test_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match="never opens"):
        next_open(datetime(2026, 3, 4, tzinfo=UTC), (NEW_YORK,), NINE_PM, NINE)


def test_a_moment_without_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        next_open(datetime(2026, 3, 4), (NEW_YORK,), NINE, NINE_PM)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("contact", "address", "fallback", "expected"),
    [
        ("America/Denver", "America/Chicago", "UTC", "America/Denver"),
        ("", "America/Chicago", "UTC", "America/Chicago"),
        ("", "", "Europe/Berlin", "Europe/Berlin"),
        ("Mars/Olympus", "America/Chicago", "UTC", "America/Chicago"),
        ("America", "../etc/passwd", "Nowhere", "UTC"),
        ("\0", "a" * 300, "", "UTC"),
        ("", "Atlantic/Canary Europe/Madrid", "UTC", "Atlantic/Canary Europe/Madrid"),
        ("Europe/Madrid", "Atlantic/Canary Europe/Madrid", "UTC", "Europe/Madrid"),
        ("", "Mars/Olympus Europe/Madrid", "UTC", "Europe/Madrid"),
        ("", "Mars/Olympus Venus/Maat", "Europe/Berlin", "Europe/Berlin"),
    ],
)
def test_the_first_text_that_names_zones_is_taken(contact, address, fallback, expected):
    assert " ".join(zone.key for zone in zones_for(contact, address, fallback)) == expected


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_no_name_of_a_zone_can_raise(contact, address, fallback):
    assert zones_for(contact, address, fallback)


def test_an_unknown_zone_is_said_in_the_log(caplog):
    known_zone.cache_clear()

    with caplog.at_level(logging.WARNING):
        zones_for("Mars/Olympus", "", "UTC")

    assert "Mars/Olympus" in caplog.text


# ---- Several zones ------------------------------------------------------------------------------------------


several = st.lists(st.sampled_from(ZONES), min_size=2, max_size=4, unique=True).map(
    lambda names: tuple(map(ZoneInfo, names))
)


@given(moments, several, windows)
@settings(max_examples=60)
def test_the_next_opening_is_the_first_moment_open_in_every_zone(moment, zones, window):
    opens = next_open(moment, zones, *window)

    minutes = min(int(((opens or moment + timedelta(days=3)) - moment) / timedelta(minutes=1)), 4_000)
    before = (moment + timedelta(minutes=each) for each in range(minutes))
    assert not any(all(is_open(each, (zone,), *window) for zone in zones) for each in before)
    assert opens is None or all(is_open(opens, (zone,), *window) for zone in zones)


def test_zones_too_far_apart_for_the_window_never_open():
    zones = zones_for("America/Bogota Asia/Bangkok")

    assert next_open(datetime(2026, 3, 4, 12, tzinfo=UTC), zones, NINE, NINE_PM) is None
    assert next_open(datetime(2026, 3, 4, 12, tzinfo=UTC), zones, time(7), time(23)) is not None


@pytest.mark.parametrize(
    ("zones", "said"),
    [
        ("America/Chicago", "10:30 in Chicago"),
        ("Atlantic/Canary Europe/Madrid", "17:30 in Madrid, 16:30 in Canary"),
        ("Europe/Rome Europe/Vatican", "17:30 in Rome and Vatican"),
        ("Europe/Guernsey Europe/Isle_of_Man Europe/Jersey Europe/London",
         "16:30 in Guernsey, Isle of Man, Jersey and London"),
        ("America/North_Dakota/Center America/Denver", "10:30 in Center, 09:30 in Denver"),
        ("Europe/Bucharest Europe/Moscow Asia/Almaty Asia/Omsk Asia/Kamchatka",
         "between 18:30 in Bucharest and 04:30 in Kamchatka (5 time zones)"),
    ],
)  # fmt: skip
def test_the_clocks_of_several_zones_are_said_together(zones, said):
    assert clocks(datetime(2026, 3, 4, 16, 30, tzinfo=UTC), zones_for(zones)) == said


@pytest.mark.parametrize(
    ("zones", "said"),
    [
        ("Europe/London", "03:22 in London"),
        ("America/Denver", "20:22 on 29 Nov in Denver"),
        ("America/Denver Europe/Madrid", "04:22 in Madrid, 20:22 on 29 Nov in Denver"),
    ],
)
def test_the_clocks_name_the_day_where_it_is_not_that_of_the_reader(zones, said):
    moment = datetime(2026, 11, 30, 3, 22, tzinfo=UTC)

    assert clocks(moment, zones_for(zones), moment.date()) == said
