"""What failures of a campaign have in common, found among messages of many dimensions."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deliveries.ledger import failure_rates
from deliveries.ledger.failure_counts import Counts, Where
from deliveries.models import CauseReport, Message, SourceTally
from deliveries.outcomes import causes_step
from deliveries.outcomes.causes import FAILED, SILENT, causes_now, newest
from deliveries.outcomes.causes_counting import Candidate
from deliveries.outcomes.causes_ranking import MATTERS, strongest
from deliveries.outcomes.causes_step import PartCount
from deliveries.statuses import Status
from tests import factories
from tests.deliveries.outcomes.failing import linked, messages
from tests.engine import ABSENT, DEAD, DELIVERED, SENT, SPAM, rebuild

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    return linked()


def names(campaign):
    return [[(part.dimension, part.value) for part in cause.parts] for cause in causes_now(campaign)]


def counted(campaign, now):
    causes_step.count(causes_step.ask(campaign, None, now), now)
    return newest([campaign.pk])[campaign.pk].findings


def test_a_carrier_that_filters_a_link_is_named_with_the_link(campaign, now):
    bad = messages(
        campaign, factories.account(), now,
        lambda place, carrier, region: SPAM if carrier == "Carrier B" and place % 4 else DELIVERED,
    )  # fmt: skip

    found = counted(campaign, now)

    assert names(campaign) == [[("carrier", "Carrier B"), ("link", "c.example")]]
    (cause,) = found.causes
    failed = [one for one in bad if one.status == Status.BLOCKED]
    assert (cause.n, cause.failed) == (80, len(failed))
    assert [(one.code, one.n) for one in cause.codes] == [("30007", len(failed))]
    assert found.without == "100%"
    assert cause.contribution + found.rest(FAILED) == pytest.approx(found.of(FAILED).excess)


def test_a_code_is_counted_once_whichever_account_reported_it(campaign, now):
    accounts = [factories.account(), factories.account()]
    for account in accounts:
        messages(campaign, account, now, lambda place, *_: SPAM if place % 3 else DELIVERED, 120)

    (cause,) = counted(campaign, now).causes

    assert [(one.code, one.n) for one in cause.codes] == [("30007", 160)]
    assert cause.failed == 160


def test_two_causes_share_the_excess_between_them(campaign, now):
    def meaning(place, carrier, region):
        if carrier == "Carrier B":
            return SPAM if place % 4 else DELIVERED
        return DEAD if place // 6 % 2 and place % 5 else DELIVERED

    messages(campaign, factories.account(), now, meaning, 360)

    found = counted(campaign, now)

    assert {dimension for parts in names(campaign) for dimension, _ in parts} >= {"carrier", "source"}
    named = sum(one.contribution for one in found.causes)
    assert named + found.rest(FAILED) == pytest.approx(found.of(FAILED).excess)


def test_of_a_healthy_campaign_nothing_stands_out(campaign, now):
    messages(campaign, factories.account(), now, lambda place, *_: ABSENT if place % 11 == 0 else DELIVERED)

    found = counted(campaign, now)

    assert found.causes == ()
    assert found.tested > 10


def test_an_account_that_reports_nothing_is_named_and_is_no_failure(campaign, now):
    account = factories.account()
    messages(campaign, account, now, lambda place, *_: SENT if place % 2 else DELIVERED)

    found = counted(campaign, now)

    assert names(campaign)[0] == [("account", str(account.pk))]
    assert found.causes[0].measure == SILENT
    assert found.of(FAILED).failed == 0


def test_a_report_is_asked_for_once_counted_by_the_worker_and_old_ones_go(campaign, now):
    messages(campaign, factories.account(), now, lambda *_: DELIVERED, 12)
    first = causes_step.ask(campaign, None, now)

    assert causes_step.ask(campaign, None, now) == first
    assert causes_step.run(now) == 1
    for _ in range(3):
        causes_step.ask(campaign, None, now)
        assert causes_step.run(now) == 1
    assert CauseReport.objects.filter(campaign=campaign).count() == causes_step.KEPT
    assert not CauseReport.objects.filter(counted_at=None).exists()


def test_a_failure_jump_is_counted_by_itself(campaign, now):
    campaign.launched_at = now - timedelta(hours=3)
    campaign.save(update_fields=["launched_at"])
    messages(campaign, factories.account(), now, lambda place, *_: DEAD if place % 3 else DELIVERED, 120)

    assert causes_step.run(now) == 1

    assert CauseReport.objects.get(campaign=campaign).why == "jump"
    assert causes_step.run(now) == 0  # nothing new failed since


def test_a_part_that_fails_is_enough_where_the_whole_does_well():
    rates = failure_rates.load()
    counts = {Where("sms", name): Counts(sent=250, failed=Counter({"any": 20})) for name in "ABCD"}

    assert not causes_step.jumped(counts, rates, [PartCount("sms", 60, 5)])
    assert causes_step.jumped(counts, rates, [PartCount("sms", 60, 5), PartCount("sms", 60, 30)])


def test_silence_is_counted_by_itself_once_reports_had_their_time(campaign, now):
    campaign.launched_at = now - timedelta(minutes=30)
    campaign.save(update_fields=["launched_at"])
    messages(campaign, factories.account(), now, lambda *_: SENT, 120)
    assert causes_step.run(now) == 0

    assert causes_step.run(now + timedelta(hours=1)) == 1

    assert causes_now(campaign)[0].measure == SILENT
    assert causes_step.run(now + timedelta(hours=2)) == 0  # all of them had their time


def launched(campaign, at, **fields):
    for name, value in {"launched_at": at, **fields}.items():
        setattr(campaign, name, value)
    campaign.save(update_fields=["launched_at", *fields])


def test_silence_is_no_matter_before_a_campaign_that_was_launched_early_had_its_time(campaign, now):
    launched(campaign, now - timedelta(hours=5), starts_at=now - timedelta(minutes=2))
    messages(campaign, factories.account(), now, lambda *_: SENT, 120)
    Message.objects.update(handed_over_at=now)

    asked = [causes_step.run(now + timedelta(minutes=minutes)) for minutes in (0, 16, 32, 48, 75)]

    assert asked == [0, 0, 0, 0, 1]


def test_what_had_not_had_its_time_is_counted_an_hour_later(campaign, now):
    launched(campaign, now - timedelta(hours=2))
    messages(campaign, factories.account(), now, lambda *_: SENT, 120)
    Message.objects.update(handed_over_at=now)

    asked = [causes_step.run(now + timedelta(minutes=minutes)) for minutes in (0, 16, 32, 61, 80, 130)]

    assert asked == [1, 0, 0, 1, 0, 0]
    assert causes_now(campaign)[0].measure == SILENT


def test_calls_that_rang_are_no_failures_of_a_list(campaign):
    for channel in ("voice", "rvm", "sms"):
        SourceTally.objects.create(
            campaign_id=campaign.pk, list_source_id=1, region="US-NY", channel=channel, disposition="PENDING_RETRY",
            n=50,
        )  # fmt: skip

    assert {part.channel for part in causes_step._parts([campaign.pk])[campaign.pk]} == {"sms"}


def test_lists_and_regions_are_read_only_where_something_new_failed(campaign, now):
    launched(campaign, now - timedelta(minutes=30))
    messages(campaign, factories.account(), now, lambda *_: DELIVERED, 12)
    counted(campaign, now)

    with CaptureQueriesContext(connection) as queries:
        causes_step._ask_for_jumps(now + timedelta(minutes=1))

    assert not any("sourcetally" in one["sql"] for one in queries)


def test_of_a_campaign_that_was_never_counted_lists_are_read_once_more_has_failed(campaign, now):
    launched(campaign, now - timedelta(minutes=30))
    ours = messages(
        campaign, factories.account(), now, lambda place, *_: DELIVERED if place % 12 else DEAD, 240
    )

    def reads():
        with CaptureQueriesContext(connection) as queries:
            causes_step._ask_for_jumps(now)
        return sum("sourcetally" in one["sql"] for one in queries)

    assert [reads(), reads(), reads()] == [1, 0, 0]
    for one in ours[1:4]:
        Message.objects.filter(pk=one.pk).update(status="undelivered", disposition="BOUNCED_HARD")
    rebuild()
    assert [reads(), reads()] == [1, 0]
    assert not CauseReport.objects.exists()


def test_a_cause_is_looked_at_again_only_once_something_has_changed(campaign, now):
    launched(campaign, now - timedelta(hours=3))
    messages(campaign, factories.account(), now, lambda place, *_: DEAD if place % 3 else DELIVERED, 120)
    counted(campaign, now)
    assert causes_now(campaign)

    asked = [causes_step.run(now + timedelta(minutes=minutes)) for minutes in (16, 32, 48)]

    assert asked == [0, 0, 0]


def test_a_whole_is_named_before_its_parts_and_a_part_before_a_pair_that_explains_no_more():
    whole = Candidate((), 1_000, 300, 50.0)
    halves = [Candidate((("carrier", name),), 500, 150, 25.0) for name in "AB"]
    assert strongest([whole, *halves], MATTERS[FAILED]) == whole

    bad = Candidate((("carrier", "A"),), 500, 280, 25.0)
    fine = Candidate((("carrier", "B"),), 500, 20, 25.0)
    pairs = [
        Candidate((("carrier", "A"), ("region", name)), 250, n, 12.5) for name, n in (("x", 145), ("y", 135))
    ]
    assert strongest([whole, bad, fine, *pairs], MATTERS[FAILED]) == bad
