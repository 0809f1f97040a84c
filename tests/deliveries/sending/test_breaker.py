"""A campaign that is stopped by itself, and goes on without what was bad."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError

from campaigns.models import Campaign, Price, Recipient, SliceLeftOut
from deliveries.ledger import failure_rates
from deliveries.ledger.tallies import fold_all
from deliveries.models import CampaignStop, Decision, Message, Quarantined
from deliveries.outcomes.reconciling import unbalanced
from deliveries.sending import breaker, guarding, leaving_out, savings
from deliveries.sending.expansion import expand
from deliveries.sending.launching import launch, resume
from tests import factories
from tests.deliveries.sending.guarded import (
    PEOPLE,
    carriers_written_to,
    large_draft,
    launched,
    left,
    names_part,
    outcomes,
    small,
    stop_of,
    work,
)
from tests.engine import ABSENT, DELIVERED, SPAM, Fake, agree

pytestmark = pytest.mark.django_db
State = Campaign.State
BAD = "Carrier B"


def filtered(message):
    return SPAM if message.carrier == BAD else DELIVERED


@pytest.fixture
def account():
    return factories.account()


def stopped(now, **fields):
    """Stopped after its first slice: one carrier filters what it says."""
    campaign = launched(large_draft(now, **fields), now)
    work(now)
    outcomes(campaign, now, filtered)
    work(now)
    campaign.refresh_from_db()
    assert campaign.state == State.PAUSED
    return campaign


@pytest.fixture
def campaign(account, monkeypatch, now):
    small(monkeypatch)
    return stopped(now)


def go_on(campaign, now, transport=None):
    """Everything that follows, receipts included."""
    transport = transport or Fake()
    for _ in range(3):
        work(now, transport)
        outcomes(campaign, now)
    work(now, transport)
    return transport


def test_a_stop_says_what_was_seen_what_is_usual_and_what_the_failures_have_in_common(campaign, now):
    stop = stop_of(campaign)

    assert stop.at == now
    assert stop.kind == CampaignStop.Kind.LASTING
    assert stop.failed == Message.objects.filter(carrier=BAD, handed_over_at__isnull=False).count()
    assert stop.sent == left(campaign)
    assert stop.waiting == PEOPLE - left(campaign)
    assert (stop.usual, stop.tolerated) == pytest.approx((0.05, 0.1))
    assert [(one["dimension"], one["value"], one["failed"]) for one in stop.causes[:2]] == [
        ("code", "30007", stop.failed),
        ("carrier", BAD, stop.failed),
    ]
    assert [(part["dimension"], part["value"]) for part in stop.parts] == [("carrier", BAD)]


@pytest.mark.parametrize(
    ("prices", "each", "unit"),
    [
        ({}, None, ""),
        ({"CA": ("0.05", "USD", False)}, None, ""),  # not where these people are
        ({"US": ("0.05", "USD", False)}, Decimal("0.05"), "USD"),
        ({"US": ("0.05", "EUR", True)}, Decimal("0.05"), "EUR at example prices"),
        ({"": ("0", "USD", False)}, Decimal(0), "USD"),
    ],
)
def test_a_stop_says_what_it_saves_by_the_prices_that_are_known(
    account, monkeypatch, now, prices, each, unit
):
    small(monkeypatch)
    Price.objects.all().delete()
    for country, (amount, currency, example) in prices.items():
        Price.objects.create(
            channel="sms", country=country, amount=amount, currency=currency, is_example=example
        )

    stop = stop_of(stopped(now))

    assert stop.saved == (each if each is None else each * stop.waiting)
    assert stop.saved_in == unit


def test_it_is_stopped_whatever_becomes_of_what_that_saves(monkeypatch, now):
    """Which is reckoned once it is paused, and may take a while."""
    campaign = factories.campaign(state=State.SENDING)

    def fails(campaign, waiting):
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(breaker, "saved", fails)
    with pytest.raises(OperationalError):
        breaker.stop_campaign(campaign, breaker.JudgedKind("any", 100, 50, 0.01, 0.1), 5, now)

    campaign.refresh_from_db()
    assert campaign.state == State.PAUSED
    assert (stop_of(campaign).waiting, stop_of(campaign).saved) == (5, None)


def test_what_messages_did_cost_comes_before_the_prices(campaign):
    Message.objects.filter(handed_over_at__isnull=False).update(cost=Decimal("0.02"))

    assert savings.saved(campaign, 10) == (Decimal("0.20"), "")


def test_a_campaign_goes_on_without_the_carrier_and_never_writes_to_it_again(campaign, now):
    waiting = Message.objects.filter(campaign=campaign, handed_over_at=None)
    theirs = waiting.filter(carrier=BAD).count()

    assert leaving_out.resume_without(campaign, "sms", "carrier", BAD, None, now)
    transport = go_on(campaign, now)

    assert carriers_written_to(transport) == {"Carrier A"}
    skipped = Recipient.objects.filter(campaign=campaign, state=Recipient.State.SKIPPED)
    assert set(skipped.values_list("skip_reason", flat=True)) == {"left_out"}
    assert skipped.count() == theirs == Decision.objects.filter(rule="left_out").count()
    assert not stop_is_open(campaign)
    assert CampaignStop.objects.get().without == f"{BAD} by SMS"
    assert agree()
    assert not unbalanced()


def stop_is_open(campaign):
    return CampaignStop.objects.filter(campaign=campaign, resumed_at=None).exists()


def test_whom_it_goes_on_without_may_still_get_the_next_channel_of_the_playbook(account, monkeypatch, now):
    small(monkeypatch)
    campaign = stopped(now, email=True)
    theirs = Message.objects.filter(campaign=campaign, handed_over_at=None, carrier=BAD)
    people = set(theirs.values_list("contact_id", flat=True))

    leaving_out.resume_without(campaign, "sms", "carrier", BAD, None, now)
    go_on(campaign, now)

    switched = Message.objects.filter(campaign=campaign, channel="email", handed_over_at__isnull=False)
    assert people <= set(switched.values_list("contact_id", flat=True))
    assert not Recipient.objects.filter(campaign=campaign, state=Recipient.State.SKIPPED).exists()
    assert agree()


def test_a_retry_to_the_carrier_that_is_left_out_is_not_made(account, now):
    campaign = launched(large_draft(now, canary_percent=0, breaker=False), now)
    work(now)
    outcomes(campaign, now, lambda message: ABSENT if message.carrier == BAD else DELIVERED)
    work(now)
    names_part(campaign, "carrier", BAD, now)

    leaving_out.resume_without(campaign, "sms", "carrier", BAD, None, now)
    transport = work(now + timedelta(hours=6))

    assert carriers_written_to(transport) == set()
    assert agree()


@pytest.mark.parametrize("email", [False, True])
def test_what_is_expanded_later_leaves_the_carrier_out_as_well(account, now, email):
    campaign = large_draft(now, email=email, canary_percent=0)
    launch(campaign, None, now)
    expand(campaign, now, PEOPLE // 2)
    names_part(campaign, "carrier", BAD, now)

    leaving_out.resume_without(campaign, "sms", "carrier", BAD, None, now)
    campaign.refresh_from_db()
    while expand(campaign, now, 10):
        pass
    fold_all()
    transport = work(now)

    by_text = Message.objects.filter(campaign=campaign, channel="sms", handed_over_at__isnull=False)
    assert set(by_text.values_list("carrier", flat=True)) == {"Carrier A"}
    campaign.refresh_from_db()
    assert campaign.expanded_count == PEOPLE == Recipient.objects.filter(campaign=campaign).count()
    skipped = Recipient.objects.filter(campaign=campaign, skip_reason="left_out").count()
    assert skipped == (0 if email else PEOPLE // 2)
    assert sum("@" in one.to for one in transport.left) == (PEOPLE // 2 if email else 0)
    assert agree()


@pytest.mark.parametrize(("dimension", "column"), [("source", "list_source_id"), ("region", "region")])
def test_a_source_and_a_region_can_be_left_out(campaign, now, dimension, column):
    value = str(getattr(Message.objects.filter(campaign=campaign).first(), column))
    names_part(campaign, dimension, value, now)

    leaving_out.resume_without(campaign, "sms", dimension, value, None, now)

    assert go_on(campaign, now).left == []


@pytest.mark.parametrize("value", ["\u00b2", "\u0667", "00", "9" * 50, "x"])
def test_a_part_that_names_nobody_holds_up_nobody(account, now, value):
    """Any number was once kept as a list."""
    campaign = large_draft(now, canary_percent=0, breaker=False)
    launch(campaign, None, now)
    expand(campaign, now, PEOPLE // 2)
    SliceLeftOut.objects.create(
        campaign=campaign, channel="sms", dimension="source", value=value, outbox_to=0
    )
    Campaign.objects.filter(pk=campaign.pk).update(leaves_out=True)
    campaign = Campaign.objects.get(pk=campaign.pk)

    assert leaving_out.words("sms", "source", value) == "those of no list by SMS"
    while expand(campaign, now, PEOPLE):
        pass
    fold_all()

    assert len(work(now).left) == PEOPLE
    assert SliceLeftOut.objects.get().outbox_to is None
    assert not Quarantined.objects.exists()


def test_a_worker_that_dies_while_a_part_is_withdrawn_changes_nothing(campaign, monkeypatch, now):
    monkeypatch.setattr(leaving_out, "LOOKED_AT_ONCE", 7)
    monkeypatch.setattr(leaving_out, "WITHDRAWN_AT_ONCE", 3)
    leaving_out.resume_without(campaign, "sms", "carrier", BAD, None, now)

    leaving_out.leave_out(now)  # and here its process ends
    assert SliceLeftOut.objects.get().outbox_to
    transport = go_on(campaign, now)

    assert carriers_written_to(transport) == {"Carrier A"}
    assert Recipient.objects.filter(campaign=campaign).count() == PEOPLE
    assert agree()


def test_resumed_whole_it_is_judged_by_what_leaves_later_and_by_what_was_seen(campaign, now):
    resume(campaign, None, now)

    work(now)
    outcomes(campaign, now, filtered)
    work(now)

    campaign.refresh_from_db()
    assert campaign.state == State.SENDING
    assert left(campaign) >= PEOPLE  # a colleague has seen that half of it fails


def test_it_stops_once_and_not_after_a_colleague_has_paused_it(campaign, now):
    assert CampaignStop.objects.count() == 1

    judged = breaker.JudgedKind("lasting", 40, 20, 0.05, 0.1)
    assert not breaker.stop_campaign(campaign, judged, 5, now)
    guarding.run(now)

    assert CampaignStop.objects.count() == 1


def test_silence_never_stops_a_campaign_nor_does_one_that_no_administrator_wants_stopped(
    account, monkeypatch, now
):
    small(monkeypatch)
    unguarded = launched(large_draft(now, breaker=False), now)
    work(now)
    silent = launched(large_draft(now), now)
    work(now)
    outcomes(unguarded, now, filtered)
    work(now + timedelta(minutes=5))

    for one in (unguarded, silent):
        one.refresh_from_db()
        assert one.state == State.SENDING


def test_what_is_usual_is_counted_from_campaigns_that_are_over_and_were_not_stopped(campaign, now):
    Campaign.objects.filter(pk=campaign.pk).update(state=State.CANCELED)

    assert failure_rates.refresh(now).usual("lasting", "sms", BAD) == pytest.approx(0.05)

    CampaignStop.objects.all().delete()
    rates = failure_rates.refresh(now)
    assert rates.usual("lasting", "sms", "Carrier A") < 0.1 < rates.usual("lasting", "sms", BAD) <= 0.15
    assert failure_rates.load() == rates


def test_looking_costs_the_same_for_one_campaign_and_for_many(account, django_assert_max_num_queries, now):
    for _ in range(3):
        launched(large_draft(now), now)
    fold_all()

    with django_assert_max_num_queries(6):
        guarding.run(now)
