"""Suppressions week by week, and the rows behind each number."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from contacts.models import Suppression
from contacts.suppression_trend import WEEKS, monday_of, trend, week_bounds

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 4, 18, 0, tzinfo=UTC)  # a Wednesday
DAY = timedelta(days=1)


def block(at, *, reason="staff", origin="staff", **fields):
    return Suppression.objects.create(
        value="+12125550142", reason=reason, origin=origin, created_at=at, **fields
    )


def test_each_week_counts_what_was_made_in_it_by_reason_and_by_origin():
    block(NOW), block(NOW - DAY, reason="hard_fails", origin="rule", released_at=NOW)
    block(NOW - 7 * DAY, reason="stop", origin="recipient")
    block(NOW - 7 * WEEKS * DAY)  # too long ago

    weeks = trend(NOW, UTC)

    assert [str(week.monday) for week in weeks[:2]] == ["2026-03-02", "2026-02-23"]
    assert len(weeks) == WEEKS
    assert weeks[0].reasons == {"staff": 1, "hard_fails": 1}
    assert weeks[0].origins == {"staff": 1, "rule": 1}
    assert (weeks[1].total, sum(week.total for week in weeks)) == (1, 3)


def test_a_week_begins_on_monday_in_the_readers_time_zone():
    sunday_in_new_york = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
    block(sunday_in_new_york)

    assert [week.total for week in trend(NOW, UTC)[:2]] == [1, 0]
    assert [week.total for week in trend(NOW, ZoneInfo("America/New_York"))[:2]] == [0, 1]


def test_the_week_in_which_clocks_change_is_whole():
    zone = ZoneInfo("America/New_York")
    monday = monday_of(datetime(2026, 3, 8, tzinfo=UTC).date())

    start, end = week_bounds(monday, zone)

    assert (start.isoformat(), end.isoformat()) == ("2026-03-02T00:00:00-05:00", "2026-03-09T00:00:00-04:00")


def test_every_number_opens_as_many_rows(login, time_machine):
    time_machine.move_to(NOW, tick=False)
    for n in range(3):
        block(NOW - n * DAY, reason="hard_fails", origin="rule")
    block(NOW - 9 * DAY, reason="stop", origin="recipient", expires_at=NOW + 5 * DAY)
    client = login("support")

    page = re.sub(r"\s+", " ", client.get("/suppressions/trend/").content.decode())

    links = re.findall(r'href="(/suppressions/\?[^"]*week=[^"]*)">(\d+)<', page)
    assert len(links) >= 6
    for link, n in links:
        rows = client.get(link.replace("&amp;", "&")).content.decode()
        assert len(re.findall(r'id="suppression-\d+"', rows)) == int(n)
    assert "1 end by itself within 30 days" in page


@pytest.mark.parametrize(
    "week", ["yesterday", "2026-13-01", "\x00", "9999-12-31", "0001-01-01", "1969-12-31"]
)
def test_a_week_that_is_none_is_said(login, week):
    client = login("admin")

    assert client.get("/suppressions/", {"week": week}).status_code == 422
    assert client.get("/suppressions/export/", {"week": week}).status_code == 422


def test_a_week_is_kept_while_other_filters_change_and_can_be_taken_off(login):
    page = login("support").get("/suppressions/", {"week": "2026-03-04"}).content.decode()

    assert 'name="week" value="2026-03-04"' in page
    assert "Week from <b>2 Mar 2026</b>" in re.sub(r"\s+", " ", page)


def test_nothing_to_count_is_said(login):
    assert (
        "Nothing was suppressed in these weeks"
        in login("support").get("/suppressions/trend/").content.decode()
    )


def test_it_asks_as_many_queries_whatever_there_is(login, django_assert_max_num_queries):
    client = login("support")
    client.get("/suppressions/trend/")
    with django_assert_max_num_queries(30) as one:
        client.get("/suppressions/trend/")
    for n in range(20):
        block(datetime.now(UTC) - n * DAY)

    with django_assert_max_num_queries(len(one)):
        client.get("/suppressions/trend/")
