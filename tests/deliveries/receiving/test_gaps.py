"""Accounts that fall silent: noticed, written down, and nothing is concluded from the silence meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deliveries.deciding.followup import settle
from deliveries.ledger.receiver_counts import HANDED_OVER, slot_of
from deliveries.models import Account, Alert, PendingReceipt, ReceiptGap, ReceiptRetry, ReceiverCount
from deliveries.receiving import dead_letters, gaps
from deliveries.receiving.recording import record
from deliveries.running import alerts
from tests import factories

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
SLOTS_A_DAY = 24 * 12


def counted(account, at, *, left, came):
    slot = slot_of(at)
    for what, n in ((HANDED_OVER, left), (1, came)):
        if n:
            ReceiverCount.objects.create(slot=slot, account_id=account.pk, what=what, n=n)


@pytest.fixture
def account(now):
    """Twenty messages in five minutes for six hours, two receipts for each; the last receipt came at `now`."""
    made = factories.account(name="Acme", receipt_at=now)
    for n in range(1, 73):
        counted(made, now - n * 5 * MINUTE, left=20, came=40)
    return made


def silent(account, now, minutes, left=20):
    """So long messages leave, and no receipt comes."""
    for n in range(minutes // 5):
        counted(account, now + n * 5 * MINUTE, left=left, came=0)
    return now + minutes * MINUTE


def test_an_account_that_falls_silent_is_noticed_within_twenty_minutes(account, now):
    later = silent(account, now, 20)

    assert gaps.watch(later) == 1

    gap = ReceiptGap.objects.get()
    assert (gap.began_at, gap.ended_at, gap.handed_over) == (now, None, 40)
    assert 400 < gap.per_hour < 560
    assert gaps.watch(later + MINUTE) == 0  # one for each account


def test_one_by_which_a_campaign_leaves_once_a_week_is_silent_from_its_first_message_on(account, now):
    week_later = now + timedelta(days=7)
    later = silent(account, week_later, 20)

    assert gaps.watch(later) == 1

    gap = ReceiptGap.objects.get()
    assert (gap.began_at, gap.handed_over) == (slot_of(week_later), 40)
    assert 400 < gap.per_hour < 560


def test_an_account_by_which_nothing_leaves_is_not_silent(account, now):
    assert gaps.watch(now + timedelta(hours=8)) == 0


def test_a_few_messages_without_receipts_say_nothing(account, now):
    later = silent(account, now, 30, left=2)

    assert gaps.watch(later) == 0


def test_receipts_that_wait_to_be_recorded_have_come(account, now):
    later = silent(account, now, 60)
    Account.objects.filter(pk=account.pk).update(receipt_at=later - MINUTE)

    assert gaps.watch(later) == 0


def test_an_account_without_a_past_is_not_judged(now):
    later = silent(factories.account(receipt_at=None), now, 60)

    assert gaps.watch(later) == 0


def test_a_gap_ends_when_receipts_come_again(account, now):
    later = silent(account, now, 60)
    gaps.watch(later)
    counted(account, later, left=20, came=1)

    assert gaps.watch(later + 5 * MINUTE) == 1

    assert ReceiptGap.objects.get().ended_at == slot_of(later)


def test_it_is_an_alert_with_its_figures_as_long_as_it_lasts(account, now):
    later = silent(account, now, 25)
    gaps.watch(later)
    alerts.run(later)

    alert = Alert.objects.get(kind="receiver_silent")
    assert alert.sentence.startswith("Acme: expected about 467 receipts an hour, got 0 since 4 Mar, ")
    assert alert.numbers == [["messages without evidence", 60, ""]]

    ReceiptGap.objects.update(ended_at=later)
    alerts.run(later + 20 * MINUTE)
    alert.refresh_from_db()
    assert alert.closed_at


@pytest.fixture
def urgent(account, now):
    """An urgent message of that account, silent for so long that it would move to another channel."""
    campaign = factories.campaign(state="sending", priority="urgent")
    message = factories.message(campaign=campaign, account=account, created_at=now + MINUTE)
    factories.content(campaign, "email")
    email = factories.email(message.contact)
    from tests.engine import consent

    consent(message.contact, "email", at=now)
    consent(message.contact, "sms", at=now)
    assert email.contact == message.contact
    return message


def test_automatic_steps_wait_while_evidence_is_missing(urgent, account, now):
    gaps.watch(silent(account, now, 60))
    much_later = now + timedelta(days=5)

    settle([urgent.recipient_id], much_later)

    urgent.recipient.refresh_from_db()
    urgent.refresh_from_db()
    assert urgent.recipient.next_step_reason.startswith("Evidence missing")
    assert urgent.recipient.next_step_at == much_later + 15 * MINUTE
    assert urgent.status == "sent"
    assert not urgent.followers.exists()


def test_they_go_on_once_an_administrator_lets_them_go(urgent, account, now):
    gaps.watch(silent(account, now, 60))
    admin = factories.user("admin")
    much_later = now + timedelta(days=5)

    assert gaps.release(ReceiptGap.objects.get().pk, admin, "They say it is repaired", much_later)
    settle([urgent.recipient_id], much_later)

    urgent.recipient.refresh_from_db()
    assert not urgent.recipient.next_step_reason.startswith("Evidence missing")
    assert not gaps.release(ReceiptGap.objects.get().pk, admin, "Once more", much_later)


def test_a_message_that_left_long_before_is_judged_as_ever(urgent, account, now):
    gaps.watch(silent(account, now, 60))
    type(urgent).objects.filter(pk=urgent.pk).update(handed_over_at=now - timedelta(hours=2))

    settle([urgent.recipient_id], now + timedelta(days=5))

    urgent.recipient.refresh_from_db()
    assert not urgent.recipient.next_step_reason.startswith("Evidence missing")


def test_each_receipt_is_counted_once_with_how_long_it_waited(now):
    account = factories.account()
    factories.receipt(account, received_at=now - timedelta(seconds=3))

    record(now)
    record(now + timedelta(seconds=5))  # it is parked, and tried again

    counts = ReceiverCount.objects.filter(account_id=account.pk).values_list("slot", "what", "n")
    assert list(counts) == [(slot_of(now - timedelta(seconds=3)), 1, 1)]


def test_who_had_dead_letters_tried_again_is_kept(now):
    admin = factories.user("admin")
    dead, parked = (factories.receipt(state=state) for state in ("dead", "parked"))

    assert dead_letters.try_again([dead.pk, parked.pk], admin, now, note="Fixed") == 1

    assert PendingReceipt.objects.get(pk=dead.pk).state == "new"
    assert PendingReceipt.objects.get(pk=parked.pk).state == "parked"
    kept = ReceiptRetry.objects.get()
    assert (kept.by, kept.at, kept.n, kept.note) == (admin, now, 1, "Fixed")
