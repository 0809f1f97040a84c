"""Every number of the overview opens its messages, and as many as it says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from deliveries.ledger import failure_index, tallies
from deliveries.models import CarrierTally, DayTally, Message
from deliveries.outcomes.recent import of_days
from tests import factories

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def sent(time_machine):
    """Messages of ten days, one a day, with every result; one that is canceled, and a campaign that begins later."""
    time_machine.move_to(NOW, tick=False)
    account = factories.account()
    results = [
        {"status": "delivered"}, {"status": "opted_out", "failure_class": "opt_out", "fault": "recipient"},
        {"status": "undelivered", "failure_class": "permanent", "fault": "recipient"}, {"status": "unknown"},
        {"status": "sent"},
    ]  # fmt: skip
    for day in reversed(range(10)):
        for result in results[: 3 if day % 2 else 5]:
            factories.message(account=account, created_at=NOW - day * DAY, carrier="Verizon", **result)
    withdrawn = factories.message(account=account, created_at=NOW, status="canceled")
    Message.objects.filter(pk=withdrawn.pk).update(disposition="")
    for ahead in (timedelta(hours=2), 3 * DAY):
        later = factories.campaign(state="sending", launched_at=NOW - DAY, starts_at=NOW + ahead)
        who = factories.recipient(later)
        factories.message(
            who, account=account, status="queued", created_on=(NOW + ahead).date(), created_at=NOW - DAY
        )
    early = factories.campaign(state="sending", launched_at=NOW - 20 * DAY, starts_at=NOW - DAY)
    factories.message(
        factories.recipient(early), account=account, created_at=NOW - 20 * DAY, created_on=(NOW - DAY).date(),
        status="delivered",
    )  # fmt: skip
    failure_index.note(list(Message.objects.values_list("pk", flat=True)))
    tallies.rebuild(DayTally)
    tallies.rebuild(CarrierTally)


def numbers(page):
    """Where each of the numbers leads, and the number."""
    tiles = re.findall(r'<a class="kpi"[^>]* href="([^"]+)".*?kpi-n">([\d,]+)<', page, re.S)
    inside = re.findall(r'<a href="(/messages/[^"]+)">([\d,]+)</a>', page)
    return [(unescape(url), int(n.replace(",", ""))) for url, n in tiles + inside]


@pytest.mark.parametrize("days", [7, 30])
def test_a_number_opens_as_many_rows(sent, login, days):
    client = login("marketer")
    found = numbers(client.get(f"/?days={days}").content.decode())
    assert len(found) == 8  # six tiles, those delivered, all
    assert sum(1 for _, n in found if n) >= 6

    for url, n in found:
        page = client.get(url).content.decode()
        assert page.count("<tr") - page.count("<thead") == n if n else "<thead" not in page, url
        assert re.search(rf'id="count"[^>]*>\s*{n}\s', page), url


@pytest.mark.parametrize("days", [7, 30, 90])
def test_a_cell_of_a_carrier_opens_the_messages_that_it_is_about(sent, login, days):
    client = login("marketer")
    page = client.get(f"/?days={days}").content.decode()
    cells = re.findall(
        r'title="([\d,]+) sent">\s*<a href="([^"]+)">[\d.]+%<span class="sr">, ([\d,]+) sent', page
    )
    whole = re.search(r'<td class="whole"><a href="([^"]+)">[\d.]+%', page)

    assert sum("Verizon" in url for _, url, _ in cells) == {7: 7, 30: 4, 90: 2}[days]
    for title, url, n in cells:
        listed = client.get(unescape(url)).content.decode()
        assert title == n
        assert listed.count("<tr") - listed.count("<thead") == int(n), url
        assert re.search(rf'id="count"[^>]*>\s*{n}\s', listed), url
    listed = client.get(unescape(whole[1])).content.decode()
    n = sum(int(n) for _, url, n in cells if "Verizon" in url)
    assert re.search(rf'id="count"[^>]*>\s*{n}\s', listed)


def test_the_count_is_that_of_the_overview_also_over_many_pages(sent, login, monkeypatch):
    monkeypatch.setattr("deliveries.outcomes.rows.PAGE_SIZE", 2)
    client = login("marketer")

    page = client.get("/messages/?days=30&status=optout").content.decode()

    assert re.search(r'id="count"[^>]*>\s*10\s', page)
    following = re.search(r'id="next-page" href="([^"]+)"', page)[1]
    assert "days=30" in following
    assert client.get(unescape(following)).status_code == 200


def test_a_carrier_and_a_period_narrow_it_and_nonsense_does_not(sent, login):
    client = login("marketer")

    assert "No carriers yet" not in client.get("/").content.decode()
    page = client.get("/messages/?days=x&carrier=Verizon&status=success").content.decode()
    assert "last 7 days" in page
    assert re.search(r'id="count"[^>]*>\s*7\s', page)
    assert client.get("/messages/?channel=pigeon").status_code == 422


def test_only_those_who_see_reports_see_it(login):
    assert login().get("/messages/").status_code == 403


@pytest.mark.parametrize("gaps", [False, True])
def test_ids_are_bounded_where_the_days_begin(sent, gaps):
    """Halving finds the first of them, also among ids that are far apart."""
    if gaps:
        kept = [
            pk
            for n, pk in enumerate(Message.objects.order_by("pk").values_list("pk", flat=True))
            if n % 5 == 0
        ]
        Message.objects.exclude(pk__in=kept).delete()

    for days in (1, 2, 7, 8, 30):
        first = (NOW - (days - 1) * DAY).date()
        expected = {
            one.pk for one in Message.objects.select_related("campaign")
            if first <= one.created_on <= NOW.date() and not (one.campaign.starts_at or NOW) > NOW
        }  # fmt: skip
        assert set(Message.objects.filter(of_days(days, NOW)).values_list("pk", flat=True)) == expected


def test_an_empty_table_has_no_messages(db):
    assert not Message.objects.filter(of_days(7, NOW)).exists()
