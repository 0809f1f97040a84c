"""A campaign with a start: every page says when, in the reader's zone, and nothing says that it is sending already."""

import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.apps import apps
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Sender
from dashboard.shell.pages import ReaderZoneMiddleware
from deliveries.ledger.tallies import differences, fold_all, rebuild
from deliveries.models import MESSAGE_TALLIES, DayTally, Message
from deliveries.running.drain import expand
from deliveries.sending import checks, launching
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
START = datetime(2026, 11, 30, 14, 0, tzinfo=UTC)
SAID = "Scheduled for 30 Nov, 15:00 (Europe/Madrid)"


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def marketer(login):
    client = login("marketer")
    client.cookies["tz"] = "Europe/Madrid"
    return client


@pytest.fixture
def draft():
    people = factories.contact_list()
    contact = factories.contact(lists=[people])
    factories.phone(contact, time_zone="Europe/Madrid")
    consent(contact, "sms", at=NOW - timedelta(days=1))
    made = factories.campaign(name="Winter offer", lists=[people], starts_at=START)
    factories.account().senders.add(factories.content(made, "sms").sender)
    return made


@pytest.fixture
def scheduled(draft):
    return launched(draft)


def launched(draft):
    draft.refresh_from_db()
    launching.launch(draft, None, NOW)
    while expand(NOW):
        pass
    fold_all()
    draft.refresh_from_db()
    return draft


def read(response) -> str:
    """The page as it reads: without tags and what may be chosen, with single spaces."""
    shown = re.sub(r"<select.*?</select>", "", response.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", shown).split())


def test_the_confirmation_promises_nothing_at_once_that_its_sender_may_not_send(marketer, draft, monkeypatch):
    Sender.objects.update(per_day=7)
    monkeypatch.setattr(checks.Draft, "reckoned", 100)

    dialog = read(marketer.get(draft.get_absolute_url(), follow=True)).partition("It goes to 1 person")[2]

    assert "get it first, the others" in dialog
    assert "100 messages take about 14 days of sending: its sender keeps to 7 a day." in dialog
    assert "at once" not in dialog


def test_the_confirmation_of_a_draft_with_a_start_says_schedule_and_when(marketer, draft):
    page = read(marketer.get(draft.get_absolute_url(), follow=True))

    assert "To start 30 Nov, 15:00 (Europe/Madrid)" in page
    assert "Schedule for 1 contact" in page
    assert "Nothing is sent before 30 Nov, 15:00 (Europe/Madrid)" in page
    assert "Launch" not in page
    assert "at once, the others" in page
    assert "It goes to 1 person: 1 SMS message" in page
    assert "It starts now" not in page


def test_a_start_that_has_passed_is_pointed_out_and_the_button_says_launch(marketer, draft):
    Campaign.objects.update(starts_at=NOW - timedelta(hours=2))

    page = read(marketer.get(draft.get_absolute_url(), follow=True))

    assert "Its start, 29 Nov, 11:00 (Europe/Madrid), has passed. Launched now, it starts at once" in page
    assert "Was to start 29 Nov, 11:00 (Europe/Madrid)" in page
    assert "Launch to 1 contact" in page
    assert "Schedule" not in page


def test_scheduling_answers_with_when_it_starts(marketer, draft):
    answer = read(marketer.post(f"{draft.get_absolute_url()}launch/", follow=True))

    assert (
        "Winter offer is scheduled for 30 Nov, 15:00 (Europe/Madrid). Nothing is sent before that." in answer
    )


@pytest.mark.parametrize("path", ["/campaigns/", "/", "/campaigns/{slug}/"])
def test_a_scheduled_campaign_is_not_called_sending_or_started_anywhere(marketer, scheduled, path):
    page = read(marketer.get(path.format(slug=scheduled.slug)))

    assert SAID in page
    for word in ("Started 29", "Sending", "Queued"):
        assert word not in page


def test_the_rows_and_the_trail_of_a_scheduled_campaign_say_when_they_leave(marketer, login, scheduled):
    message = Message.objects.get()
    support = login("support")
    support.cookies["tz"] = "Europe/Madrid"

    rows = read(marketer.get(scheduled.get_absolute_url()))
    trail = read(support.get(f"/contacts/{message.contact_id}/"))
    alone = read(support.get(f"/deliveries/{message.pk}/"))

    for page in (rows, trail, alone):
        assert "Scheduled" in page
        assert "Leaves on 30 Nov, 15:00 (Europe/Madrid)." in page


def test_when_the_time_has_come_it_is_sending_since_its_start(marketer, scheduled):
    with time_machine.travel(START + timedelta(hours=1), tick=False):
        page = read(marketer.get(scheduled.get_absolute_url()))

    assert "Started 30 Nov, 15:00" in page
    assert "Sending" in page


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("paused", SAID.replace("Scheduled", "Paused, was scheduled")),
        ("canceled", "Was scheduled for 30 Nov, 15:00 (Europe/Madrid)"),
        ("draft", "To start 30 Nov, 15:00 (Europe/Madrid)"),
    ],
)
def test_the_list_says_the_start_in_every_state(marketer, scheduled, state, says):
    Campaign.objects.update(state=state)

    assert says in read(marketer.get("/campaigns/"))


def test_a_message_of_a_paused_campaign_waits_for_the_campaign(marketer, scheduled):
    launching.pause(scheduled)

    assert "It waits until the campaign is resumed." in read(marketer.get(scheduled.get_absolute_url()))


@pytest.mark.parametrize(
    ("cookie", "shown"),
    [
        ("America/New_York", "09:00 (America/New York)"),
        ("Asia/Kolkata", "19:30 (Asia/Kolkata)"),
        ("", "14:00 (UTC)"),
        ("Mars/Olympus", "14:00 (UTC)"),
        ("../../etc/passwd", "14:00 (UTC)"),
        ("UTC\0", "14:00 (UTC)"),
    ],
)
def test_times_stand_in_the_zone_the_browser_names_and_a_made_up_one_is_ignored(login, draft, cookie, shown):
    client = login("marketer")
    client.cookies["tz"] = cookie

    page = read(client.get(draft.get_absolute_url(), follow=True))

    assert shown in page


def test_a_form_is_read_in_the_zone_it_was_shown_in_whatever_the_browser_says_by_then(
    login, make_user, draft
):
    client = login(user=make_user("admin", is_staff=True))
    address = reverse("admin:campaigns_campaign_change", args=[draft.pk])
    client.cookies["tz"] = "Asia/Tokyo"
    page = client.get(address)
    shown = page.context["adminform"].form

    client.cookies["tz"] = "America/Chicago"  # a laptop that travels, or the first page with a script
    typed = {
        name: shown[name].value()
        for name in ("name", "slug", "goal", "purpose", "priority", "channel", "playbook")
    }
    typed |= {name: f"{getattr(draft, name):%H:%M}" for name in ("window_start", "window_end")}
    typed |= {"lists": [draft.lists.get().pk], "relevant_until_0": "", "relevant_until_1": ""}
    typed |= {"contents-TOTAL_FORMS": 0, "contents-INITIAL_FORMS": 0}
    local = START.astimezone(ZoneInfo("Asia/Tokyo"))
    typed |= {"starts_at_0": f"{local:%Y-%m-%d}", "starts_at_1": f"{local:%H:%M:%S}"}
    zone = re.search(r'name="_zone" value="([^"]+)"', page.content.decode())
    answer = client.post(address, typed | ({"_zone": zone[1]} if zone else {}))

    draft.refresh_from_db()
    assert "Times on this page are in Asia/Tokyo" in page.content.decode()
    assert answer.status_code == 302
    assert draft.starts_at == START


@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/New_York", ""])
@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("admin:campaigns_campaign_add", "starts_at"),
        ("admin:campaigns_campaign_add", "relevant_until"),
        ("admin:contacts_suppression_add", "expires_at"),
    ],
)
def test_a_field_for_a_time_names_the_readers_zone_to_whom_cannot_see_it(
    login, make_user, address, field, zone
):
    client = login(user=make_user("admin", is_staff=True))
    client.cookies["tz"] = zone

    page = client.get(reverse(address)).content.decode()

    says = re.search(rf'<span id="id_{field}_zone">([^<]*)</span>', page)
    assert says
    assert says[1].endswith(f"Date and time in {zone.replace('_', ' ') or 'UTC'}.")
    for box in re.findall(rf'<input[^>]*name="{field}_[01]"[^>]*>', page):
        assert f'aria-describedby="id_{field}_zone"' in box
    assert len(re.findall(rf'aria-describedby="id_{field}_zone"', page)) == 2


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "UTC\0"])
def test_a_form_that_names_no_zone_is_read_in_that_of_the_browser(rf, zone):
    request = rf.post("/", {"_zone": zone})
    request.COOKIES["tz"] = "Asia/Tokyo"
    seen = []

    def view(request):
        middleware.process_view(request, None, (), {})
        seen.append(timezone.get_current_timezone_name())
        return HttpResponse()

    middleware = ReaderZoneMiddleware(view)
    middleware(request)

    assert seen == ["Asia/Tokyo"]
    assert timezone.get_current_timezone_name() == "UTC"


# ---- The overview counts what has begun ----------------------------------------------------------------------


@pytest.mark.parametrize("start", [START, NOW + timedelta(hours=3)], ids=["tomorrow", "later today"])
def test_the_overview_counts_nothing_of_a_campaign_that_has_not_begun(marketer, draft, start):
    Campaign.objects.update(starts_at=start)
    launched(draft)

    page = read(marketer.get("/"))
    with time_machine.travel(start + timedelta(minutes=1), tick=False):
        begun = read(marketer.get("/"))

    assert "0 of 0 sent" not in page
    assert "Nothing sent yet" in page
    assert "Pending 0 " in page
    assert "Nothing sent in this time" in page
    assert "Pending 1 " in begun


def test_a_campaign_that_was_launched_long_ago_counts_on_the_day_it_begins(login, draft):
    start = NOW + timedelta(days=20)
    Campaign.objects.update(starts_at=start)
    launched(draft)

    with time_machine.travel(start + timedelta(hours=1), tick=False):
        page = read(login("marketer").get("/?days=7"))

    assert "Pending 1 " in page
    assert "Winter offer" in page
    assert differences(DayTally) == {}


@pytest.mark.parametrize("starts", [None, timedelta(-1), timedelta(0), timedelta(hours=1)])
@pytest.mark.parametrize("launched_at", [None, NOW - timedelta(days=1), NOW])
def test_what_has_not_begun_is_found_as_it_is_told(starts, launched_at):
    made = factories.campaign(starts_at=None if starts is None else NOW + starts, launched_at=launched_at)

    assert Campaign.objects.not_begun(NOW).exists() is not made.has_begun(NOW)


def test_messages_of_campaigns_that_wait_move_to_the_day_they_begin(scheduled):
    """The migration, on what was expanded before it."""
    fold_all()
    Message.objects.update(created_on=NOW.date())
    rebuild(DayTally)
    move = import_module("deliveries.migrations.0023_count_on_the_day_it_begins")

    move.to_the_start(apps, None)
    fold_all()
    there = Message.objects.get().created_on
    counted = [differences(tally) for tally in MESSAGE_TALLIES]
    move.to_the_launch(apps, None)
    fold_all()

    assert there == START.date()
    assert Message.objects.get().created_on == NOW.date()
    assert counted == [differences(tally) for tally in MESSAGE_TALLIES] == [{}] * len(MESSAGE_TALLIES)


def test_the_chart_of_what_waits_for_its_start_draws_nothing_as_not_delivered(marketer, scheduled):
    waits = marketer.get(scheduled.get_absolute_url())
    about = re.search(r'"X-State": "([^"]*)"', waits.content.decode())[1]

    with time_machine.travel(START + timedelta(minutes=1), tick=False):
        begun = marketer.get(scheduled.get_absolute_url())
        asked = marketer.get(scheduled.get_absolute_url(), headers={"HX-Request": "true", "X-State": about})

    assert "data-chart" not in waits.content.decode()
    assert "Nothing is sent before 30 Nov, 15:00 (Europe/Madrid)." in read(waits)
    assert "data-chart" in begun.content.decode()
    assert asked["HX-Refresh"] == "true"
