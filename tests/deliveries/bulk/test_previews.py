"""What a bulk action would do, counted before it does it."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import Content
from contacts.consenting import record_opt_out
from contacts.suppressing import suppress
from deliveries.bulk import previewing
from deliveries.bulk.actions import run, start
from deliveries.bulk.previewing import preview
from deliveries.deciding.decide import HISTORY
from deliveries.models import Batch, Message
from deliveries.sending.dispatch import dispatch
from deliveries.wording import SKIPS
from tests.deliveries.bulk.batches import DONE, HOUR, outcomes, queue, these, world
from tests.engine import (
    DEAD,
    DELIVERED,
    SPAM,
    Fake,
    agree,
    consent,
    report,
    waiting,
    work,
)

pytestmark = pytest.mark.django_db


# ---- Preview ------------------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(campaign, failed, account, now):
    """One of everything that can stand in the way of a retry, and two that nothing stands in the way of."""
    fine, later = failed(), failed()
    later.address.contact.time_zone = "Pacific/Auckland"  # six in the morning
    later.address.contact.save()
    opted_out = failed()
    record_opt_out(value=opted_out.address.value, channel="sms", how="Reply", evidence="STOP", at=now)
    suppressed = failed()
    suppress(contact=suppressed.contact, reason="staff", origin="staff", now=now)
    lost_consent = failed()
    consent(lost_consent.contact, "sms", at=now, opted_in=False)
    dead, spam = failed(DEAD), failed(SPAM)
    arrived = failed()
    report(arrived, DELIVERED, now)
    under_way = waiting(campaign, account, now)
    dispatch(now, Fake())
    return [fine, later, opted_out, suppressed, lost_consent, dead, spam, arrived, under_way]


EXPECTED = {
    "opted_out": 2, "suppressed": 1, "permanent": 1, "ours_to_mend": 1, "delivered": 1,
    "under_way": 1,
}  # fmt: skip


@pytest.mark.parametrize("action", list(Batch.Action))
def test_a_preview_writes_nothing_and_locks_nothing(mixed, now, action):
    with CaptureQueriesContext(connection) as queries:
        preview(action, these(*mixed, now=now), {"channel": "email"}, now)

    statements = [query["sql"] for query in queries.captured_queries]
    assert statements
    assert not [sql for sql in statements if not sql.lstrip("(").startswith("SELECT") or "FOR UPDATE" in sql]


def test_a_preview_of_very_many_looks_at_the_first_and_says_so(failed, campaign, monkeypatch, now):
    monkeypatch.setattr(previewing, "PREVIEW_MOST", 4)
    monkeypatch.setattr(previewing, "PREVIEW_SLICE", 3)
    messages = [failed() for _ in range(5)]

    large = preview("retry", queue("retry", campaign, now), {}, now)
    exact = preview("retry", these(*messages[:4], now=now), {}, now)

    assert (large.total, large.will_act, large.more) == (4, 4, True)
    assert (exact.total, exact.will_act, exact.more) == (4, 4, False)


def test_the_preview_counts_what_then_acts(mixed, staff, now):
    chosen = these(*mixed, now=now)

    counted = preview(Batch.Action.RETRY, chosen, {}, now)
    batch = start(Batch.Action.RETRY, chosen, {}, staff, now)

    assert (counted.total, counted.will_act, counted.later) == (9, 2, 1)
    assert {skip.reason: skip.n for skip in counted.skipped} == EXPECTED
    assert counted.total == counted.will_act + sum(skip.n for skip in counted.skipped)
    assert all(skip.label != skip.reason for skip in counted.skipped)
    assert (batch.state, batch.total, batch.acted, batch.skipped) == (DONE, 9, 2, 7)
    assert outcomes(batch) == {
        ("acted", ""): 1, ("acted", "later"): 1, **{("skipped", reason): n for reason, n in EXPECTED.items()},
    }  # fmt: skip
    assert agree()


def test_a_preview_changes_nothing(mixed, now):
    before = world()

    preview(Batch.Action.RETRY, these(*mixed, now=now), {}, now)

    assert world() == before
    assert not Batch.objects.exists()


@pytest.mark.parametrize("action", ["retry", "correct", "suppress"])
def test_a_preview_asks_the_database_as_often_for_few_rows_as_for_many(failed, action, now):
    rows = [failed() for _ in range(6)]

    def queries(messages):
        with CaptureQueriesContext(connection) as asked:
            preview(action, these(*messages, now=now), {}, now)
        return len(asked)

    assert queries(rows[:2]) == queries(rows)


def test_a_batch_whose_filter_nobody_knows_any_more_ends_and_says_why(failed, staff, now):
    batch = start(Batch.Action.RETRY, these(failed(), now=now), {}, staff, now)
    selection = {"filter": {"campaign": None, "queue": "retry", "channel": "fax"}}
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.RUNNING, selection=selection)

    run(now)

    batch.refresh_from_db()
    assert batch.state == DONE
    assert "channel" in batch.options["stopped"]
    assert not Batch.objects.filter(state=Batch.State.RUNNING).exists()


def test_every_reason_has_words():
    assert all(label and label != reason for reason, label in SKIPS.items())


@pytest.mark.parametrize(
    ("channel", "reason"), [("sms", "same_channel"), ("voice", "no_route"), ("email", "")]
)
def test_moving_to_another_channel_needs_one_that_is_another_and_has_content(failed, channel, reason, now):
    counted = preview(Batch.Action.SWITCH, these(failed(), now=now), {"channel": channel}, now)

    assert [skip.reason for skip in counted.skipped] == ([reason] if reason else [])
    assert counted.will_act == (not reason)


@pytest.mark.parametrize(("action", "options"), [("retry", {}), ("switch", {"channel": "email"})])
def test_nothing_is_sent_any_more_for_what_is_two_weeks_old(failed, action, options, now):
    later = now + HISTORY

    counted = preview(action, these(failed(), now=later), options, later)

    assert [(skip.reason, skip.n) for skip in counted.skipped] == [("history", 1)]


@pytest.mark.parametrize(("action", "options"), [("retry", {}), ("switch", {"channel": "email"})])
@pytest.mark.parametrize("channel", ["sms", "email", "voice"])
def test_who_has_said_no_on_whichever_channel_is_skipped_and_the_preview_says_why(
    failed, staff, action, options, channel, now
):
    message = failed()
    consent(message.contact, channel, at=now + HOUR / 2, opted_in=False)
    selection = these(message, now=now + HOUR)

    shown = preview(action, selection, options, now + HOUR)
    batch = start(action, selection, options, staff, now + HOUR)

    assert [(one.reason, one.label) for one in shown.skipped] == [("opted_out", "The contact opted out")]
    assert outcomes(batch) == {("skipped", "opted_out"): 1}
    work(now + 2 * HOUR)
    assert not Message.objects.filter(follows=message).exists()


def test_who_has_opted_in_again_may_be_sent_to_by_hand(failed, now):
    message = failed()
    consent(message.contact, "voice", at=now + HOUR / 2, opted_in=False)
    consent(message.contact, "voice", at=now + HOUR, opted_in=True)

    assert preview("retry", these(message, now=now + HOUR), {}, now + HOUR).will_act == 1


def test_refused_content_is_retried_once_it_was_changed(failed, staff, now):
    spam = failed(SPAM)
    Content.objects.filter(campaign=spam.campaign_id, channel="sms").update(version=2)

    batch = start(Batch.Action.RETRY, these(spam, now=now), {}, staff, now)

    assert batch.acted == 1
    assert Message.objects.latest("pk").content_version == 2
