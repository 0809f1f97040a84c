"""The list of campaigns: found by name, narrowed, put in order, and read a page at a time."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.urls import reverse

from campaigns.models import Campaign
from dashboard.campaigns import listing
from deliveries.models import CarrierTally, CodeTally
from tests import factories

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def marketer(login):
    return login("marketer")


def campaign(name, **fields):
    if fields.get("state", "draft") != "draft":
        fields.setdefault("launched_at", NOW - DAY)
    return factories.campaign(name=name, **fields)


def came_to(made, delivered, failed, code="30007"):
    key = {"campaign_id": made.pk, "channel": "sms"}
    for disposition, n in (("DELIVERED", delivered), ("BOUNCED_HARD", failed), ("PENDING", 7)):
        CarrierTally.objects.create(
            **key, carrier="", status=disposition[:9], failure_class="", disposition=disposition, n=n
        )
    CodeTally.objects.create(
        **key, account_id=1, reason_code=code, status="undelivered", disposition="BOUNCED_HARD", n=failed
    )


def names(client, query="", **headers):
    answer = client.get(f"{reverse('campaigns:list')}?{query}", **headers)
    assert answer.status_code == 200
    return [line.campaign.name for line, _ in answer.context["lines"]]


@pytest.fixture
def several():
    """Sent yesterday, scheduled for tomorrow by email, paused, canceled two weeks ago, and a draft."""
    came_to(campaign("Spring recall", state="sending"), 90, 10)
    campaign("Winter offer", state="launching", channel="email", starts_at=NOW + DAY)
    came_to(campaign("Lens week", state="paused", launched_at=NOW - 3 * DAY), 10, 30, "30003")
    campaign("Old news", state="canceled", launched_at=NOW - 14 * DAY)
    factories.content(campaign("Autumn draft"), "voice")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Autumn draft", "Old news", "Lens week", "Winter offer", "Spring recall"]),
        ("s=WEEK", ["Lens week"]),
        ("state=scheduled", ["Winter offer"]),
        ("state=sending", ["Spring recall"]),
        ("state=draft", ["Autumn draft"]),
        ("state=paused", ["Lens week"]),
        ("channel=email", ["Winter offer"]),
        ("channel=voice", ["Autumn draft"]),
        ("since=2026-11-28", ["Winter offer", "Spring recall"]),
        ("until=2026-11-27", ["Old news", "Lens week"]),
        ("since=2026-11-27&until=2026-11-27", ["Lens week"]),
        ("cause=30003", ["Lens week"]),
        ("cause=-", []),
        ("cause=nonsense", []),
        ("s=e&state=paused&cause=30003&sort=rate", ["Lens week"]),
        ("sort=name", ["Autumn draft", "Lens week", "Old news", "Spring recall", "Winter offer"]),
        ("sort=started", ["Winter offer", "Spring recall", "Lens week", "Old news", "Autumn draft"]),
        ("sort=rate", ["Lens week", "Spring recall", "Autumn draft", "Old news", "Winter offer"]),
        (
            "after=nonsense&sort=rate",
            ["Lens week", "Spring recall", "Autumn draft", "Old news", "Winter offer"],
        ),
    ],
)
def test_it_is_narrowed_and_put_in_order(marketer, several, query, found):
    assert names(marketer, query) == found


@pytest.mark.parametrize("sort", ["", "name", "started", "rate"])
def test_each_order_is_paged_without_losing_or_repeating_any(marketer, several, monkeypatch, sort):
    came_to(
        campaign("Lens week", state="completed", launched_at=NOW - 3 * DAY), 10, 30
    )  # equal in all but id
    whole = [line.campaign.pk for line, _ in marketer.get(f"/campaigns/?sort={sort}").context["lines"]]
    monkeypatch.setattr(listing, "LIST_SIZE", 2)

    url, found = f"/campaigns/?sort={sort}", []
    while url:
        context = marketer.get(url).context
        assert str(context["count"]) == "6"
        found += [line.campaign.pk for line, _ in context["lines"]]
        url = context["next_url"]

    assert found == whole
    assert len(set(found)) == 6


def test_a_cursor_of_one_order_is_the_first_page_of_another(marketer, several, monkeypatch):
    monkeypatch.setattr(listing, "LIST_SIZE", 2)
    after = marketer.get("/campaigns/?sort=rate").context["page"].after

    assert names(marketer, f"sort=name&after={after}") == ["Autumn draft", "Lens week"]


def test_a_scheduled_campaign_says_so(marketer):
    campaign("Winter offer", state="launching", starts_at=NOW + DAY)

    page = marketer.get(reverse("campaigns:list")).content.decode()

    assert "Scheduled for 1 Dec, 12:00" in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state=asleep", "Select a valid choice"),
        ("since=yesterday", "Enter a valid date"),
        ("since=0002-01-01", "Give a year in four digits"),
        ("since=2026-11-30&until=2026-11-01", "This is before the first day"),
        ("sort=luck", "Select a valid choice"),
        ("s=" + "x" * 101, "at most 100"),
    ],
)
def test_a_filter_that_cannot_be_read_is_said(marketer, several, query, words):
    answer = marketer.get(f"/campaigns/?{query}")

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not answer.context["lines"]


@pytest.mark.parametrize(
    "mark", ["WzFd", "W10", "bnVsbA", "WyJyYXRlIiwibmFuIiwxXQ", "WyJuYW1lIixudWxsLC0xXQ", "%FF"]
)
@pytest.mark.parametrize("sort", ["name", "rate", "started", ""])
def test_no_cursor_breaks_the_page(marketer, several, sort, mark):
    assert marketer.get(f"/campaigns/?sort={sort}&after={mark}").status_code == 200


def test_htmx_gets_the_results_and_the_form_where_that_did_not_ask(marketer, several):
    by_form = marketer.get("/campaigns/?state=paused", HTTP_HX_TRIGGER="filters", **HTMX).content.decode()
    by_chip = marketer.get("/campaigns/?state=paused", HTTP_HX_TRIGGER="chip-s", **HTMX).content.decode()

    assert "<html" not in by_form
    assert ('id="filters"' in by_form, 'id="filters"' in by_chip) == (False, True)


@pytest.mark.parametrize(
    ("query", "words"), [("", "No campaigns yet"), ("state=paused", "No campaign matches")]
)
def test_an_empty_list_says_why(marketer, query, words):
    assert words in marketer.get(f"/campaigns/?{query}").content.decode()


def test_the_way_to_a_new_campaign_is_for_those_who_may_make_one(login, several):
    shown = [
        reverse("campaigns:new") in login(role).get("/campaigns/").content.decode()
        for role in ("marketer", "admin", "support")
    ]

    assert shown == [True, True, False]


@pytest.mark.parametrize("sort", ["", "name", "started", "rate"])
def test_it_takes_as_many_queries_for_many_as_for_few(marketer, several, django_assert_max_num_queries, sort):
    url = f"/campaigns/?s=e&state=paused&channel=sms&cause=30003&sort={sort}"
    marketer.get(url)
    for number in range(30):
        came_to(campaign(f"Offer {number}", state="paused"), 10, number + 1, "30003")

    with django_assert_max_num_queries(15):
        marketer.get(url)
    assert Campaign.objects.count() == 35


def test_a_start_at_everybodys_own_time_differs_from_one_at_a_moment(marketer):
    local = (NOW + DAY).replace(hour=9)
    campaign(
        "Winter offer",
        state="launching",
        starts_at=NOW + DAY,
        local_date=local.date(),
        local_time=local.time(),
    )

    page = marketer.get(reverse("campaigns:list")).content.decode()

    assert "Scheduled for 1 Dec, 09:00 local time" in page


def test_causes_are_offered_with_what_they_mean(marketer, several):
    choices = dict(marketer.get(reverse("campaigns:list")).context["form"].fields["cause"].widget.choices)

    assert list(choices)[:3] == ["", "30003", "30007"]
    assert choices["30003"].startswith("30003: ")
    assert len(choices["30003"]) > len("30003: ")
