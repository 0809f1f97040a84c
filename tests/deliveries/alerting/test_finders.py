"""What is looked for, on rows as the live code leaves them: each alert with its numbers, and silence on too few."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Campaign, Registration
from deliveries.alerting.kinds import kinds
from deliveries.ledger import failure_index
from deliveries.models import (
    Account,
    Alert,
    CampaignStop,
    CarrierTally,
    CodeAlarm,
    Message,
    Outbox,
    PendingReceipt,
    ReceiptGap,
    RecipientTally,
    RouteAlarm,
)
from deliveries.outcomes import causes_step
from deliveries.running import alerts
from deliveries.running.drain import ROLES, STEPS
from tests import factories, reporting_rows
from tests.deliveries.outcomes import failing
from tests.engine import ABSENT, DELIVERED, SENT, SPAM, rebuild

pytestmark = pytest.mark.django_db
ARRIVED, TEMPORARY, DEAD, PENDING, REFUSED, NO, SILENT = range(7)


def found(now):
    """Kind -> sentence of what is open after a look; the second look is for kinds that wait."""
    alerts.run(now)
    alerts.run(now + timedelta(minutes=11))
    raised = Alert.objects.filter(closed_at=None, raised_at__isnull=False)
    return dict(raised.values_list("kind", "sentence"))


def tallied(campaign, n, **cell):
    cell = {"channel": "email", "carrier": "", "failure_class": "none", **cell}
    CarrierTally.objects.create(campaign_id=campaign.pk, n=n, **cell)


def test_a_rate_surely_below_a_mark_is_one_alert_that_opens_its_rows(now, login):
    campaign = reporting_rows.campaign([ARRIVED] * 60 + [DEAD] * 30, name="Spring sale", at=now)

    assert "66.7% of 90 messages" in found(now)["rate_poor"]
    (label, n, url), *_ = Alert.objects.get(kind="rate_poor").numbers
    page = login("marketer").get(url).content.decode()
    assert (label, n) == ("Can't be delivered", 30)
    assert "30 messages" in " ".join(page.split())
    assert Alert.objects.get(kind="rate_poor").campaign == campaign


@pytest.mark.parametrize(
    "outcomes",
    [
        pytest.param([ARRIVED] * 20 + [DEAD] * 2, id="too few to say"),
        pytest.param([ARRIVED] * 97 + [DEAD] * 3, id="on target"),
        pytest.param([ARRIVED] * 10 + [DEAD] * 4 + [PENDING] * 86, id="mostly on its way"),
    ],
)
def test_no_rate_alert_where_nothing_is_sure(now, outcomes):
    reporting_rows.campaign(outcomes, at=now)

    assert not {"rate_poor", "rate_watch"} & found(now).keys()


def test_no_rate_alert_where_later_attempts_reached_the_people(now):
    campaign = reporting_rows.campaign([ARRIVED] * 60 + [DEAD] * 30, at=now)
    people(campaign, reached=88, failed=2)

    assert not {"rate_poor", "rate_watch"} & found(now).keys()


def people(campaign, **states):
    """Have it these people, and no others."""
    RecipientTally.objects.filter(campaign_id=campaign.pk).delete()
    for state, n in states.items():
        RecipientTally.objects.create(campaign_id=campaign.pk, state=state, skip_reason="", n=n)


def test_people_of_whom_nothing_is_known_are_not_reached(now):
    campaign = reporting_rows.campaign([ARRIVED] * 50 + [SILENT] * 50, at=now)
    people(campaign, reached=50, unknown=50)

    assert "50.0% of 100 messages" in found(now)["rate_poor"]


def test_people_who_wait_for_another_attempt_are_not_reached(now):
    campaign = reporting_rows.campaign([ARRIVED] * 50 + [TEMPORARY] * 50, at=now)
    people(campaign, reached=50, open=50)

    assert "50.0% of 100 messages" in found(now)["rate_poor"]


def test_a_few_who_wait_for_another_attempt_are_as_usual(now):
    campaign = reporting_rows.campaign([ARRIVED] * 181 + [TEMPORARY] * 19, at=now)
    people(campaign, reached=181, open=19)

    assert not {"rate_poor", "rate_watch"} & found(now).keys()


def test_failures_are_judged_as_the_circuit_breaker_judges_them(now):
    reporting_rows.campaign([ARRIVED] * 40 + [DEAD] * 40, at=now)

    assert "40 of 80 messages failed for good (50.0%)" in found(now)["failures"]


def test_a_stop_is_one_alert_and_not_a_jump_beside_it(now):
    campaign = reporting_rows.campaign([ARRIVED] * 40 + [DEAD] * 40, at=now, state="paused", name="Sale")
    CampaignStop.objects.create(
        campaign=campaign, at=now, kind="lasting", sent=80, failed=40, usual=0.05, tolerated=0.1, waiting=7
    )

    open_kinds = found(now)
    assert open_kinds["stopped"].startswith("Sale stopped by itself: 40 of 80 messages failed for good")
    assert "failures" not in open_kinds


def test_refusals_by_one_code_are_a_cluster(now, login):
    reporting_rows.campaign([ARRIVED] * 60 + [REFUSED] * 12, at=now)

    assert "12 of 72 messages were refused" in found(now)["rejected"]
    (_, n, url), *_ = Alert.objects.get(kind="rejected").numbers
    assert f"{n} messages" in " ".join(login("marketer").get(url).content.decode().split())


def caused(now, meaning_of, n):
    """A campaign whose causes were counted; its messages by their place, carrier and region."""
    campaign = failing.linked(name="Lens week", launched_at=now)
    failing.messages(campaign, factories.account(name="Acme"), now, meaning_of, n)
    causes_step.count(causes_step.ask(campaign, None, now), now)
    return campaign


def test_an_alert_names_the_worst_cause_and_no_weaker_one_stands_beside_it(now):
    caused(
        now, lambda place, carrier, region: SPAM if carrier == "Carrier B" and place % 4 else DELIVERED, 240
    )

    there = found(now)

    for kind in ("rejected", "failures"):
        assert there[kind].endswith(" more failures than usual: Carrier Carrier B × links to c.example.")
    assert "part_fails" not in there


def test_a_part_that_fails_is_an_alert_where_the_whole_does_well(now, login):
    bad = ("Carrier B", "US-NY")
    caused(now, lambda place, *part: ABSENT if part == bad and place % 5 < 2 else DELIVERED, 300)

    there = found(now)

    assert not {"failures", "rejected", "rate_poor", "rate_watch"} & there.keys()
    assert "Carrier Carrier B × Region US-NY. 20 of 50 failed (40.0%); 10.0% is usual." in there["part_fails"]
    [(label, n, url)] = Alert.objects.get(kind="part_fails").numbers
    assert (label, n) == ("failed", 20)
    assert "20 messages" in " ".join(login("marketer").get(url).content.decode().split())


def test_silence_of_a_part_is_an_alert_unless_its_account_is_known_to_be_silent(now):
    caused(now, lambda place, carrier, _: SENT if carrier == "Carrier B" else DELIVERED, 120)
    assert "Carrier Carrier B. 40 of 40 had no report" in found(now)["part_silent"]

    ReceiptGap.objects.create(
        account=Account.objects.get(name="Acme"), began_at=now, noticed_at=now, per_hour=20, handed_over=40
    )

    assert "part_silent" not in found(now + timedelta(hours=1))


def came_in(**which):
    """What had no report was delivered, as it now turns out."""
    Message.objects.filter(status=SENT.status, **which).update(
        status=DELIVERED.status, disposition="DELIVERED"
    )
    rebuild()


def test_an_alert_of_a_silent_part_closes_by_itself_once_its_reports_came(now):
    caused(now, lambda place, carrier, _: SENT if carrier == "Carrier B" else DELIVERED, 120)
    assert "part_silent" in found(now)
    causes_step.run(now + timedelta(hours=1))
    assert "part_silent" in found(now + timedelta(hours=1))

    came_in()
    assert causes_step.run(now + timedelta(hours=1, minutes=20)) == 1

    assert "part_silent" not in found(now + timedelta(hours=1, minutes=21))


def test_an_alert_of_a_part_that_fails_closes_by_itself_once_its_retries_arrived(now):
    bad = ("Carrier B", "US-NY")
    caused(now, lambda place, *part: ABSENT if part == bad and place % 5 < 2 else DELIVERED, 300)
    assert "part_fails" in found(now)

    Message.objects.filter(status=ABSENT.status).update(
        status=DELIVERED.status, disposition="DELIVERED", failure_class="none", fault="none"
    )
    failure_index.repair(list(Message.objects.values_list("pk", flat=True)))
    rebuild()
    assert causes_step.run(now + timedelta(minutes=14)) == 0
    assert causes_step.run(now + timedelta(minutes=16)) == 1

    assert "part_fails" not in found(now + timedelta(minutes=20))


def test_the_causes_of_all_campaigns_are_read_once_a_look(now):
    caused(now, lambda place, carrier, _: SPAM if carrier == "Carrier B" else DELIVERED, 120)

    with CaptureQueriesContext(connection) as queries:
        alerts.run(now)

    assert sum("deliveries_causereport" in one["sql"] for one in queries) == 1


def test_silence_of_a_part_is_an_alert_while_an_account_that_it_did_not_use_is_silent(now):
    caused(now, lambda place, carrier, _: SENT if carrier == "Carrier B" else DELIVERED, 120)
    ReceiptGap.objects.create(
        account=factories.account(name="Other"), began_at=now, noticed_at=now, per_hour=20, handed_over=40
    )

    there = found(now)

    assert {"receiver_silent", "part_silent"} <= there.keys()


@pytest.mark.parametrize(
    ("complained", "kind"), [(2, None), (30, "complaints_watch"), (60, "complaints_poor")]
)
def test_complaints_are_held_against_both_lines(now, complained, kind):
    campaign = factories.campaign(state="sending", channel="email")
    tallied(campaign, 15_000, status="delivered", disposition="DELIVERED")
    tallied(campaign, complained, status="complained", disposition="OPTOUT")

    assert {"complaints_watch", "complaints_poor"} & found(now).keys() == ({kind} if kind else set())


def test_more_opt_outs_than_usual(now):
    reporting_rows.campaign([ARRIVED] * 80 + [NO] * 20, at=now)

    assert "20 of 100 messages were answered with a no" in found(now)["opt_outs"]


def test_people_that_do_not_add_up_are_said_only_once_that_lasts(now):
    campaign = reporting_rows.campaign([ARRIVED] * 30, at=now)
    RecipientTally.objects.filter(campaign_id=campaign.pk).update(n=28)

    alerts.run(now)

    assert Alert.objects.get(kind="reconciliation").raised_at is None
    assert "2 are missing" in found(now + timedelta(minutes=2))["reconciliation"]


def test_a_campaign_that_is_finished_is_told_for_a_day(now):
    campaign = reporting_rows.campaign([ARRIVED] * 30, at=now)
    Campaign.objects.filter(pk=campaign.pk).update(state="completed", completed_at=now)

    assert "is finished: 100% of 30 messages" in found(now)["finished"]

    alerts.run(now + timedelta(hours=25))
    assert not Alert.objects.filter(kind="finished", closed_at=None).exists()


def test_what_other_steps_noticed_is_taken_over(now):
    account = factories.account(name="Acme")
    place = {"account": account, "channel": "sms", "raised_at": now}
    RouteAlarm.objects.create(kind="slow", sentence="Acme is slow: a median of 41 s", **place)
    RouteAlarm.objects.create(kind="refuses", sentence="Acme refuses SMS: 20003", **place)
    words = {"account_id": account.pk, "channel": "sms", "raised_at": now}
    CodeAlarm.objects.create(kind="unknown", code="LK-1", sentence="?", **words)
    CodeAlarm.objects.create(kind="unknown", code="LK-2", sentence="?", **words)
    CodeAlarm.objects.create(kind="share", code="30003", sentence="Acme: its share doubled.", **words)

    assert found(now) == {
        "latency": "Acme is slow: a median of 41 s.",
        "route": "Acme refuses SMS: 20003.",
        "codes": "Acme reported “LK-2” and 1 more, which no code table lists.",
        "code_changes": "Acme: its share doubled.",
    }


def test_dead_letters_close_by_themselves_once_none_is_left(now):
    receipt = factories.receipt(state=PendingReceipt.State.DEAD)
    PendingReceipt.objects.filter(pk=receipt.pk).update(reason="No message with this reference.")

    assert found(now)["dead_letters"] == "1 receipt is not processed: No message with this reference (1)."

    PendingReceipt.objects.all().delete()
    alerts.run(now + timedelta(minutes=30))
    assert not Alert.objects.filter(closed_at=None).exists()


def test_numbers_in_what_a_provider_reported_are_masked(now):
    receipt = factories.receipt(state=PendingReceipt.State.DEAD)
    PendingReceipt.objects.filter(pk=receipt.pk).update(
        reason="From: '+12125550123' is not a channel of ours."
    )
    account = factories.account(name="Acme")
    CodeAlarm.objects.create(
        kind="unknown", code="to ann@example.com", account_id=account.pk, channel="sms", raised_at=now,
        sentence="?",
    )  # fmt: skip

    said = found(now)

    assert "•••0123" in said["dead_letters"]
    assert "2125550123" not in said["dead_letters"]
    assert "ann@example.com" not in said["codes"]


def test_an_approval_that_ends_soon(now):
    sender = factories.sender(value="+12125550123")
    sender.registrations.filter(state=Registration.State.APPROVED).update(
        expires_on=now.date() + timedelta(days=9)
    )

    assert "+12125550123 ends on 13 Mar 2026" in found(now)["registration"]


def test_messages_that_wait_for_no_reason_are_a_backlog(now):
    message = factories.message(status="queued", disposition="PENDING")
    Outbox.objects.create(
        message=message, campaign_id=message.campaign_id, account_id=message.account_id,
        sender_id=message.sender_id, due_at=now - timedelta(minutes=25),
    )  # fmt: skip

    assert found(now)["backlog"] == "Messages wait to be handed over, the oldest for 36 minutes."


def test_looking_costs_the_same_however_many_campaigns_there_are(now, django_assert_max_num_queries):
    reporting_rows.campaign([ARRIVED] * 30 + [REFUSED] * 12, at=now)
    with django_assert_max_num_queries(75) as few:
        alerts.run(now)
    for _ in range(4):
        reporting_rows.campaign([ARRIVED] * 30 + [REFUSED] * 12, at=now)

    with django_assert_max_num_queries(len(few.captured_queries)):
        alerts.run(now + timedelta(minutes=2))


def test_the_worker_looks(now):
    assert "alerts" in STEPS
    assert sum("alerts" in steps for steps in ROLES.values()) == 1


def test_every_kind_that_a_finder_names_has_a_row_and_the_other_way_round(now):
    assert sorted(kind for finder in alerts.finders(now) for kind in finder.kinds) == sorted(kinds())
