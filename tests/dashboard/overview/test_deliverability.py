from datetime import timedelta

import pytest
from django.utils import timezone

from contacts.models import Reply
from deliveries.ledger import engagement, tallies
from deliveries.ledger.latency import HANDED_OVER
from deliveries.models import CarrierTally, CodeDay, LatencyCount
from deliveries.outcomes import deliverability
from deliveries.outcomes.complaints import ComplaintLines
from deliveries.outcomes.latency import quantile
from deliveries.statuses import Disposition, Status
from tests import factories, reporting_rows
from tests.dashboard.test_every_number import numbers, rows

pytestmark = pytest.mark.django_db
LINES = ComplaintLines(0.001, 0.003)


@pytest.fixture
def marketer(login):
    return login("marketer")


def arrived(channel, carrier, bucket, n, *, ago=timedelta(hours=1)):
    minute = (timezone.now() - ago).replace(second=0, microsecond=0)
    LatencyCount.objects.create(
        minute=minute, account_id=factories.account("twilio").pk, channel=channel, country="US", carrier=carrier,
        bucket=bucket, n=n,
    )  # fmt: skip


def reported(code, n, *, days_ago, channel="sms", account=None):
    account = account or factories.account("twilio")
    CodeDay.objects.create(
        account_id=account.pk,
        channel=channel,
        code=code,
        n=n,
        day=(timezone.now() - timedelta(days=days_ago)).date(),
    )


# ---- By channel ------------------------------------------------------------------------------------------------


def test_each_number_of_a_channel_opens_so_many_messages(marketer):
    reporting_rows.campaign([0] * 25 + [1] * 3 + [2] * 4 + [3, 4, 4, 5, 6], launched_at=timezone.now())

    page = marketer.get("/deliverability/?days=7").content.decode()

    found = [one for one in numbers(page) if one[0].startswith("/messages/")]
    assert len(found) == 8
    for url, n, words in found:
        assert set(rows(marketer, url)) == {n}, words


def test_a_channel_is_compared_with_the_days_before(marketer):
    reporting_rows.campaign([0] * 30, launched_at=timezone.now())
    reporting_rows.campaign([0] * 15 + [2] * 15, at=timezone.now() - timedelta(days=10))

    assert "50.0% before" in marketer.get("/deliverability/?days=7").content.decode()


# ---- How long they take ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("buckets", "share", "seconds"),
    [
        ({0: 10}, 0.5, 0.5),
        ({0: 10, 5: 10}, 0.5, 1.0),
        ({0: 10, 5: 10}, 0.95, 19.5),
        ({0: 94, 13: 6}, 0.95, 1800 + 1800 / 6),
        ({}, 0.5, None),
        ({3: 0}, 0.5, None),
    ],
)
def test_a_share_of_arrivals_by_their_counts(buckets, share, seconds):
    assert quantile(buckets, share) == (None if seconds is None else pytest.approx(seconds))


def test_the_slowest_carrier_stands_first_and_too_few_arrivals_last():
    arrived("sms", "Fast Mobile", 1, 40)
    arrived("sms", "Slow Mobile", 9, 40)
    arrived("sms", "Hardly Used", 12, 5)
    arrived("sms", "Slow Mobile", HANDED_OVER, 500)
    arrived("sms", "Of yesterday", 12, 500, ago=timedelta(hours=7))

    found = deliverability.arrival_times(timezone.now())

    assert [(one.carrier, one.verdict[0]) for one in found] == [
        ("Slow Mobile", "Slow: above 30 s"),
        ("Fast Mobile", "In time"),
        ("Hardly Used", "Too few to judge"),
    ]
    assert (found[0].n, found[0].median_seconds, found[0].late_seconds) == (40, 90, 117)


# ---- Codes -----------------------------------------------------------------------------------------------------


def test_the_failure_that_rose_most_stands_first_beside_the_days_before():
    account = factories.account("twilio")
    for code, before, since in (
        ("30007", 10, 90),
        ("30003", 60, 70),
        ("30005", 40, 5),
        ("delivered", 900, 2_000),
    ):
        reported(code, before, days_ago=9, account=account)
        reported(code, since, days_ago=1, account=account)

    found = deliverability.codes(7, timezone.now())

    assert [(one.code, one.n, one.before, one.more) for one in found] == [
        ("30007", 90, 10, 80),
        ("30003", 70, 60, 10),
        ("30005", 5, 40, -35),
    ]
    assert "filter" in found[0].meaning.lower()


def test_a_code_that_no_table_lists_is_shown_as_it_came(marketer):
    reported("wat-17", 12, days_ago=0)

    page = marketer.get("/deliverability/?days=7").content.decode()

    assert "wat-17" in page
    assert "Not in the code tables" in page


# ---- Complaints and opt-outs -----------------------------------------------------------------------------------


def complained(campaign, n):
    CarrierTally.objects.create(
        campaign_id=campaign.pk, channel="email", carrier="", status=Status.COMPLAINED, failure_class="opt_out",
        disposition=Disposition.OPTOUT, n=n,
    )  # fmt: skip


def arrivals_of(campaign, n):
    CarrierTally.objects.create(
        campaign_id=campaign.pk, channel="email", carrier="", status=Status.DELIVERED, failure_class="none",
        disposition=Disposition.DELIVERED, n=n,
    )  # fmt: skip


def test_complaints_are_judged_as_alerts_do_and_the_worst_stands_first():
    now = timezone.now()
    for name, complaints, n in (
        ("Fine", 1, 5_000),
        ("Poor", 20, 2_000),
        ("Watched", 40, 20_000),
        ("Small", 1, 5),
    ):
        campaign = factories.campaign(name=name, state="sending", launched_at=now)
        complained(campaign, complaints)
        arrivals_of(campaign, n)
    quiet = factories.campaign(name="Quiet", state="sending", launched_at=now)
    arrivals_of(quiet, 900)
    old = factories.campaign(name="Old", state="completed", launched_at=now - timedelta(days=40))
    complained(old, 50)

    found, in_all = deliverability.unwanted(30, now, LINES)

    assert in_all == 4
    assert {one.campaign.name: one.verdict[0] for one in found} == {
        "Fine": "Complaints not surely 0.1% or more",
        "Poor": "Complaints 0.3% or more (poor)",
        "Watched": "Complaints 0.1% or more (watch)",
        "Small": "Too few to judge",
    }
    assert [one.campaign.name for one in found if one.campaign.name != "Small"] == ["Poor", "Watched", "Fine"]


def test_only_the_worst_are_shown_and_the_others_counted(monkeypatch):
    monkeypatch.setattr(deliverability, "SHOWN", 2)
    now = timezone.now()
    for complaints in (9, 5, 7):
        campaign = factories.campaign(state="sending", launched_at=now)
        complained(campaign, complaints)
        arrivals_of(campaign, 1_000)

    found, in_all = deliverability.unwanted(30, now, LINES)

    assert [one.complaints.hits for one in found] == [9, 7]
    assert in_all == 3


def test_a_number_of_opt_outs_opens_so_many_people_and_messages_refused_for_one_are_none(marketer):
    campaign = reporting_rows.campaign(
        [0] * 25 + [5] * 3, launched_at=timezone.now(), starts_at=timezone.now()
    )
    people = list(campaign.recipients.order_by("pk")[:4])
    type(people[0]).objects.filter(pk__in=[one.pk for one in people]).update(reached_by="sms")
    for one in people[:2]:
        Reply.objects.create(
            value="+12025550101", values=["+12025550101"], channel="sms", text="STOP", reading="stop",
            message_id=one.messages.get().pk, campaign_id=campaign.pk, acted=True, at=timezone.now(),
            fact=f"reply {one.pk}",
        )  # fmt: skip
        engagement.note({one.messages.get().pk})
    tallies.fold_all()

    page = marketer.get("/deliverability/").content.decode()

    url = next(url for url, n, _ in numbers(page) if url.startswith(campaign.get_absolute_url()) and n == 2)
    assert rows(marketer, url) == (2, 2)


# ---- The page --------------------------------------------------------------------------------------------------


def test_an_empty_page_says_so_in_each_part(marketer):
    page = marketer.get("/deliverability/").content.decode()

    for words in (
        "Nothing sent in this time",
        "No message has arrived in the last 6 hours",
        "No failure was reported in this time",
        "Nobody opted out by reply to, or complained about",
    ):
        assert words in page


@pytest.mark.parametrize("days", ["", "0", "31", "x", "9" * 30])
def test_a_time_that_is_not_offered_is_that_of_thirty_days(marketer, days):
    answer = marketer.get("/deliverability/", {"days": days})

    assert answer.status_code == 200
    assert "last 30 days" in answer.content.decode()


def test_the_queries_do_not_grow_with_what_is_shown(marketer, django_assert_max_num_queries):
    for number in range(4):
        reporting_rows.campaign([0] * 3 + [5], launched_at=timezone.now(), name=f"Campaign {number}")
        reported(f"3000{number}", 10, days_ago=number)
        arrived("sms", f"Carrier {number}", 3, 40)

    marketer.get("/deliverability/")
    with django_assert_max_num_queries(24):
        marketer.get("/deliverability/")
