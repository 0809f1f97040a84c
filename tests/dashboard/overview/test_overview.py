import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from deliveries.models import Account, CarrierTally, CodeAlarm, PendingReceipt
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer(login):
    return login("marketer")


def test_the_first_run_says_how_data_arrives(marketer):
    page = marketer.get("/").content.decode()

    assert "Nothing has been sent yet" in page
    assert "No worker has reported yet" in page


def test_a_campaign_below_the_floor_wants_attention(marketer):
    reporting_rows.campaign([0] * 10 + [1] * 12, name="Going badly", launched_at=timezone.now())
    reporting_rows.campaign([0] * 30, name="Going well", launched_at=timezone.now())

    page = marketer.get("/").content.decode()

    assert "Campaigns needing attention" in page
    assert page.index("Going badly") < page.index("Nothing to do about the others") < page.index("Going well")


def test_campaigns_that_want_attention_are_those_of_the_chosen_period(marketer):
    def ago(days):
        return timezone.now() - timedelta(days=days)

    reporting_rows.campaign([1] * 30, name="Of this week", launched_at=ago(2), state="completed")
    reporting_rows.campaign([1] * 30, name="Of last month", launched_at=ago(20), state="completed")
    reporting_rows.campaign([1] * 30, name="Of last summer", launched_at=ago(80), state="completed")
    reporting_rows.campaign([1] * 30, name="Still going", launched_at=ago(200), state="sending")

    shown = {
        days: re.findall(r"(Of [\w ]+|Still going)<small", marketer.get(f"/?days={days}").content.decode())
        for days in (7, 30, 90)
    }

    assert {days: set(names) for days, names in shown.items()} == {
        7: {"Of this week", "Still going"},
        30: {"Of this week", "Of last month", "Still going"},
        90: {"Of this week", "Of last month", "Of last summer", "Still going"},
    }


@pytest.mark.parametrize(
    ("left", "withdrawn", "whole", "words"),
    [
        (0, 0, True, "Canceled before anything was sent"),
        (0, 3, True, "Canceled before anything was sent: 3 messages canceled"),
        (20, 3, True, "Canceled: 3 of 23 messages canceled"),
        (20, 3, False, "Canceling: 3 of 23 messages canceled so far"),
        (1, 0, True, "Canceled after 1 message was sent"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/campaigns/"])
def test_a_canceled_campaign_says_what_became_of_its_messages(marketer, left, withdrawn, whole, words, path):
    now = timezone.now()
    made = factories.campaign(state="canceled", launched_at=now, completed_at=now if whole else None)
    for status, n in (("undelivered", left), ("canceled", withdrawn)):
        disposition = "BOUNCED_HARD" if n and status == "undelivered" else ""
        CarrierTally.objects.create(
            campaign_id=made.pk, channel="sms", status=status, disposition=disposition, n=n
        )

    page = " ".join(marketer.get(path).content.decode().split())

    assert f"{words} " in page or f"{words}<" in page
    assert "Campaigns needing attention" not in page
    assert "Nothing sent yet</span> </td>" not in page


def test_a_period_without_campaigns_is_not_called_a_first_run(marketer):
    reporting_rows.campaign([1] * 3, launched_at=timezone.now() - timedelta(days=50), state="completed")

    page = marketer.get("/?days=7").content.decode()

    assert "No campaign in this time" in page
    assert "Nothing has been sent yet" not in page.split("Outcome by channel")[0]


def test_what_is_compared_is_the_same_number_of_days_before(marketer):
    now = timezone.now()
    reporting_rows.campaign([0, 0, 0, 2], at=now - timedelta(days=1))
    reporting_rows.campaign([0, 2], at=now - timedelta(days=8))
    reporting_rows.campaign([2] * 5, at=now - timedelta(days=15))

    page = marketer.get("/?days=7").content.decode()

    assert "3 of 4 with a final result" in " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "50.0% in the 7 days before" in page
    assert "before" not in re.search(r"Pending</span>.*?</div>\s*</a>", page, re.DOTALL).group()


@pytest.mark.parametrize(("days", "head"), [(7, "day"), (30, "3 days"), (90, "week")])
def test_the_table_of_carriers_says_what_its_columns_and_colours_mean(marketer, days, head):
    reporting_rows.campaign([0] * 30)

    page = marketer.get(f"/?days={days}").content.decode()

    assert f"Carriers by {head}</h2>" in page
    assert re.findall(r'key tint"(?: data-b="(\w+)")?.*?</span>([^<]+)<', page) == [
        ("success", "95% or more"),
        ("retryable", "90% to 95%"),
        ("permanent", "Below 90%, the darker the lower"),
        ("pending", "Too early to judge"),
        ("", "Fewer than 20 sent"),
    ]


def test_the_overview_costs_the_same_however_much_was_sent(
    marketer, django_assert_num_queries, django_assert_max_num_queries
):
    reporting_rows.campaign([0, 1] * 5)
    with django_assert_max_num_queries(25) as few:
        marketer.get("/")
    reporting_rows.campaign([0, 1, 2, 6] * 50)

    with django_assert_num_queries(len(few.captured_queries)) as queries:
        marketer.get("/?days=90")

    assert not [query for query in queries.captured_queries if 'FROM "deliveries_message"' in query["sql"]]


def test_trouble_with_the_machinery_is_said_on_top(marketer):
    now = timezone.now()
    factories.heartbeat(at=now - timedelta(minutes=9))
    factories.receipt(state=PendingReceipt.State.DEAD)
    factories.receipt(state=PendingReceipt.State.PARKED)
    Account.objects.update(paused_until=now + timedelta(minutes=5), forged=3, forged_at=now)

    page = marketer.get("/").content.decode()

    assert "The worker has not run for 9 min" in page
    assert "1 receipt could not be processed" in page
    assert "1 receipt waits for a message" in page
    assert "is paused" in page
    assert "had a bad signature" in page


@pytest.mark.parametrize(
    ("zone", "until"),
    [("UTC", "1 Dec, 09:00 (UTC)"), ("America/New_York", "1 Dec, 04:00 (America/New York)")],
)
def test_a_paused_account_says_on_which_day_it_goes_on_and_leads_those_who_may_to_it(
    login, time_machine, zone, until
):
    time_machine.move_to(datetime(2026, 11, 30, 10, tzinfo=UTC))
    account = factories.account(name="Sandbox", paused_until=datetime(2026, 12, 1, 9, tzinfo=UTC))

    for role, link in (("marketer", False), ("admin", True)):
        client = login(role)
        client.cookies["tz"] = zone
        page = client.get("/").content.decode()
        assert f"Sandbox is paused.</strong>\n            Its messages wait until {until}, then" in page
        assert "urgent messages at once, others after 5 minutes." in page
        assert (f"/account/{account.pk}/change/" in page) is link
        assert ("Ask an administrator to look into it." in page) is not link


def test_forged_callbacks_have_the_day_and_the_zone_of_the_last(marketer, time_machine):
    time_machine.move_to(datetime(2026, 11, 30, 10, tzinfo=UTC))
    factories.account(forged=3, forged_at=datetime(2026, 11, 3, 9, tzinfo=UTC))

    assert "The last on 3 Nov, 09:00 (UTC)." in marketer.get("/").content.decode()


def test_alarms_about_codes_lead_those_who_may_to_the_mappings(login):
    CodeAlarm.objects.create(kind="unknown", account_id=1, channel="sms", code="31999", sentence="Odd.")

    for role, link in (("marketer", False), ("admin", True)):
        page = login(role).get("/").content.decode()
        assert "1 alarm about provider codes" in page
        assert ('href="/mappings/">View' in page) is link
        assert ("Ask an administrator to look into it." in page) is not link


def test_an_account_without_its_credentials_is_named_to_those_who_can_enter_them(login):
    account = factories.account("telnyx", name="Telnyx US", credentials={})

    for role, link in (("marketer", False), ("admin", True)):
        page = login(role).get("/").content.decode()
        assert "Telnyx US cannot send" in page
        assert "API key" in page
        assert (f"/account/{account.pk}/change/" in page) is link


def test_credentials_of_another_key_break_no_page(login, settings):
    factories.account("telnyx", name="Telnyx US")
    settings.CREDENTIALS_KEY = "another"

    assert "Telnyx US cannot send" in login("admin").get("/").content.decode()


def test_a_worker_that_just_reported_is_no_alert(marketer):
    factories.heartbeat()

    assert "worker" not in marketer.get("/").content.decode()


def test_a_process_that_hangs_behind_busy_others_is_named_to_those_who_can_look(login):
    now = timezone.now()
    factories.heartbeat(at=now)
    factories.heartbeat("send", host="mail-2", pid=4711, step="send", at=now - timedelta(minutes=9))

    for role, link in (("marketer", False), ("admin", True)):
        page = login(role).get("/").content.decode()
        assert "1 worker process stopped responding" in page
        assert "send on mail-2 (process 4711), silent for 9 min" in page
        assert ("/admin/deliveries/heartbeat/" in page) is link


def test_work_that_nobody_does_is_said_by_what_people_miss(marketer):
    now = timezone.now()
    factories.heartbeat("record", "decide", "rest", at=now)
    factories.heartbeat("send", at=now - timedelta(minutes=9))

    page = marketer.get("/").content.decode()

    assert "Messages are not being sent" in page
    assert "The part of Waybill that sends messages has said nothing for 9 min." in page


@pytest.mark.parametrize(("seconds", "said"), [(20, False), (90, True)])
def test_what_has_not_started_is_said_a_minute_after_the_others_began(marketer, seconds, said):
    now = timezone.now()
    factories.heartbeat("send", "decide", "rest", at=now, started_at=now - timedelta(seconds=seconds))

    page = marketer.get("/").content.decode()

    assert ("The part of Waybill that reads receipts has not started." in page) is said


def test_the_rail_shows_only_what_a_person_may_open(login):
    marketer, stranger = login("marketer"), login(user=factories.user(""))

    page = marketer.get("/").content.decode()

    assert 'aria-current="page"' in page
    assert "/queues/" in page
    assert stranger.get("/").status_code == 403


def test_the_rail_counts_what_waits_in_the_queues(marketer):
    reporting_rows.campaign([1, 2, 6, 0])

    assert '<span class="rail-count">3</span>' in marketer.get("/campaigns/").content.decode()


def test_campaigns_are_listed_newest_first_in_pages(marketer):
    for number in range(52):
        factories.campaign(name=f"Campaign number {number:02}")

    first = marketer.get("/campaigns/").content.decode()

    assert first.index("number 51") < first.index("number 02")
    assert "number 01" not in first
    assert 'id="next-page"' in first


@pytest.mark.parametrize(("wanting", "fine"), [(9, 0), (9, 2), (2, 9), (3, 3)])
def test_campaigns_that_the_overview_leaves_out_are_counted_and_can_be_opened(marketer, wanting, fine):
    for _ in range(wanting):
        reporting_rows.campaign([1] * 20, launched_at=timezone.now(), state="completed")
    for _ in range(fine):
        reporting_rows.campaign([0] * 2, launched_at=timezone.now(), state="completed")
    every = wanting + fine

    page = marketer.get("/").content.decode()

    assert len(re.findall(r"<small class=\"muted\"> \d+ message", page)) == 6
    more = re.search(
        r'<a href="([^"#]*)#attention-title">And (\d+) more campaigns?(?:, (\d+) of them)?', page
    )
    if every == 6:
        assert more is None
        return
    assert (int(more[2]), int(more[3] or 0)) == (every - 6, max(0, wanting - 6))
    whole = marketer.get(f"/{html.unescape(more[1])}").content.decode()
    assert len(re.findall(r"<small class=\"muted\"> \d+ message", whole)) == every
    assert "#attention-title" not in whole


def test_what_was_undone_leaves_no_carrier_and_no_code_behind(marketer):
    campaign = reporting_rows.campaign([0, 0, 1])
    undone = campaign.messages.earliest("pk")
    campaign.messages.filter(pk=undone.pk).update(
        status="canceled", disposition="", reason_code="undone", carrier="Mailbox Z", attempt=2
    )
    reporting_rows.count()

    pages = [
        marketer.get(path).content.decode() for path in ("/", "/queues/retry/", campaign.get_absolute_url())
    ]
    apart = marketer.get(f"{campaign.get_absolute_url()}?status=canceled").content.decode()

    for page in pages:
        assert "Mailbox Z" not in page
        assert 'value="undone"' not in page
    assert '<td class="t-tries num">—</td>' in apart
    assert ">Canceled. Canceled" not in apart
