"""Acting on decisions: the promises of `deliveries/deciding/followup.py`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction

from campaigns.models import Campaign, Playbook, Recipient
from contacts.consenting import record_opt_out
from contacts.correcting import correct
from contacts.models import Address, AddressHealth, Consent, Suppression
from contacts.suppressing import release, suppress
from deliveries.deciding import followup as subject
from deliveries.deciding.decide import HISTORY
from deliveries.deciding.followup import follow_due, follow_status_changes, settle
from deliveries.deciding.staff import cancel_next_step, run_next_step_now
from deliveries.deciding.stopping import stop_paths
from deliveries.models import Cause, Decision, Message, Outbox, QueueEntry, StatusChange
from deliveries.providers.facts import SendResult
from deliveries.sending.dispatch import dispatch
from deliveries.statuses import FailureClass, Fault, Meaning, Status
from tests import factories
from tests.engine import (
    ABSENT,
    DEAD,
    DELAYED,
    DELIVERED,
    SENT,
    SPAM,
    Fake,
    agree,
    consent,
    person,
    report,
    sending,
    waiting,
    work,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
COMPLAINED = Meaning(Status.COMPLAINED, FailureClass.OPT_OUT, Fault.RECIPIENT)


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def campaign(account):
    """By text, and by email where that fails."""
    return sending("sms", "email")


@pytest.fixture
def first(campaign, account, now):
    """A text that was handed over at noon."""
    return handed_over(campaign, account, now)


def handed_over(campaign, account, now, contact=None):
    message = waiting(campaign, account, now, contact or person("sms", "email", at=now))
    dispatch(now, Fake())
    message.refresh_from_db()
    return message


def state(recipient=None):
    """Everything that deciding writes, to be compared with itself."""
    return (
        list(Recipient.objects.order_by("pk").values()),
        list(QueueEntry.objects.order_by("pk").values()),
        list(Message.objects.order_by("pk").values()),
        list(Decision.objects.order_by("pk").values()),
    )


def recipient_of(message):
    return Recipient.objects.get(pk=message.recipient_id)


def queue_of(message):
    return QueueEntry.objects.filter(pk=message.pk).values_list("queue", flat=True).first()


def last_of(message):
    return Message.objects.filter(recipient=message.recipient_id).latest("pk")


# ---- The course of things -------------------------------------------------------------------------------------


def fail(first, now, carriers, *, after):
    """The first attempt, and each that follows it, fails when so many hours have passed. Gives the last of them."""
    for hours in after:
        work(now + hours * HOUR, carriers)
        report(last_of(first), ABSENT, now + hours * HOUR)
        work(now + hours * HOUR, carriers)
    return last_of(first)


def test_a_temporary_failure_waits_for_its_retry_in_the_queue(first, now):
    report(first, ABSENT, now)

    work(now)

    assert (recipient_of(first).next_step, recipient_of(first).next_step_at) == ("retry", now + 4 * HOUR)
    assert queue_of(first) == "retry"
    assert agree()


@pytest.mark.parametrize(("attempt", "hours"), [(2, (0,)), (3, (0, 4))])
def test_a_temporary_failure_is_retried_twice(first, now, attempt, hours):
    fail(first, now, Fake(), after=hours)

    work(now + (hours[-1] + 4) * HOUR)

    retry = last_of(first)
    assert (retry.channel, retry.attempt, retry.cause) == ("sms", attempt, Cause.RETRY)
    assert QueueEntry.objects.count() == 0
    assert agree()


def test_after_two_retries_it_waits_for_a_switch(first, now):
    retry = fail(first, now, Fake(), after=(0, 4, 8))

    assert (recipient_of(first).next_step, recipient_of(first).next_step_at) == ("switch", now + 48 * HOUR)
    assert queue_of(retry) == "switch"


def test_after_two_retries_it_moves_to_email(first, now):
    carriers = Fake()
    retry = fail(first, now, carriers, after=(0, 4, 8))

    work(now + 48 * HOUR, carriers)

    mail = last_of(first)
    assert (mail.channel, mail.attempt, mail.cause, mail.follows_id) == ("email", 1, Cause.SWITCH, retry.pk)
    assert [out.channel for out in carriers.left] == ["sms", "sms", "email"]
    assert QueueEntry.objects.count() == 0
    assert agree()


def test_every_retry_and_switch_has_the_decision_it_was_made_by(first, now):
    fail(first, now, Fake(), after=(0, 4, 8))
    work(now + 48 * HOUR)

    made = Message.objects.exclude(cause=Cause.CAMPAIGN)

    assert made.count() == 3
    for each in made:
        assert Decision.objects.filter(message_id=each.follows_id, step=each.cause).exists()


def test_silence_is_at_risk_after_a_day_moves_to_email_after_two_and_both_count(first, now):
    work(now + 24 * HOUR)
    assert (queue_of(first), recipient_of(first).state) == ("watch", "open")

    work(now + 48 * HOUR)
    mail = last_of(first)
    assert mail.channel == "email"

    report(mail, DELIVERED, now + 49 * HOUR)
    work(now + 49 * HOUR)
    report(first, DELIVERED, now + 50 * HOUR)
    work(now + 50 * HOUR)

    recipient = recipient_of(first)
    assert (recipient.state, recipient.reached_by) == ("reached", "email")
    assert set(Message.objects.values_list("status", flat=True)) == {"delivered"}
    assert not QueueEntry.objects.exists()
    assert agree()


def test_silence_without_another_channel_is_unknown_after_three_days(account, now):
    message = handed_over(sending("sms"), account, now, person("sms", at=now))

    for hours in (24, 48, 72):
        work(now + hours * HOUR)
        assert agree()

    message.refresh_from_db()
    assert (message.status, message.disposition, message.evidence) == ("timed_out", "UNKNOWN", "clock")
    assert (recipient_of(message).state, queue_of(message)) == ("unknown", "watch")
    assert QueueEntry.objects.get().status == "timed_out"


def test_a_late_delivery_overrides_a_time_out(account, now):
    message = handed_over(sending("sms"), account, now, person("sms", at=now))
    work(now + 24 * HOUR)
    work(now + 72 * HOUR)

    report(message, DELIVERED, now + 80 * HOUR)
    work(now + 80 * HOUR)

    assert recipient_of(message).state == "reached"
    assert not QueueEntry.objects.exists()
    assert agree()


def test_an_urgent_message_moves_to_voice_as_soon_as_it_is_delayed(account, now):
    campaign = sending("sms", "voice", "rvm", "email", priority="urgent")
    message = handed_over(campaign, account, now, person("sms", "voice", "email", at=now))

    report(message, DELAYED, now)
    work(now)

    call = last_of(message)
    assert (call.channel, call.cause) == ("voice", Cause.SWITCH)
    assert agree()


def test_what_is_ours_to_mend_is_reviewed_and_never_counted_against_the_contact(first, now):
    report(first, SPAM, now)

    work(now)
    work(now + 100 * HOUR)

    assert (queue_of(first), recipient_of(first).state) == ("review", "failed")
    assert Message.objects.count() == 1
    assert not AddressHealth.objects.filter(hard_fails__gt=0).exists()
    assert agree()


def test_a_complaint_after_delivery_ends_every_path(first, now):
    report(first, DELIVERED, now)
    work(now)
    report(first, COMPLAINED, now + HOUR)

    work(now + HOUR)

    recipient = recipient_of(first)
    assert (recipient.state, recipient.next_step, recipient.reached_by) == ("failed", "none", "")
    assert agree()


# ---- Once and only once ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("meaning", [SENT, DELAYED, DELIVERED, ABSENT, DEAD, SPAM, COMPLAINED], ids=str)
@pytest.mark.parametrize("hours", [0, 4, 24, 48, 72])
def test_settling_twice_changes_nothing_the_second_time(first, meaning, hours, now):
    report(first, meaning, now)
    later = now + hours * HOUR
    with transaction.atomic():
        settle([first.recipient_id], later)
    follow_status_changes(later)
    before = state()

    with transaction.atomic():
        settle([first.recipient_id], later)
        settle([first.recipient_id], later)

    assert state() == before
    assert agree()


def test_a_due_step_is_taken_once_however_often_it_is_looked_at(first, now):
    report(first, ABSENT, now)
    work(now)

    for _ in range(3):
        with transaction.atomic():
            settle([first.recipient_id], now + 4 * HOUR)
        follow_due(now + 4 * HOUR)

    assert Message.objects.filter(follows=first).count() == 1
    assert Outbox.objects.count() == 1


SHORTCUTS = {
    "sent": [SENT],
    "delivered": [DELIVERED],
    "sent and delivered": [SENT, DELIVERED],
    "handset": [Meaning(Status.DELIVERED, evidence="handset")],
    "delayed": [DELAYED],
    "failed then delivered": [ABSENT, DELIVERED],
}


@pytest.mark.parametrize("story", SHORTCUTS.values(), ids=SHORTCUTS)
def test_the_short_cut_for_plain_arrivals_comes_to_what_settling_comes_to(first, story, now):
    results = []
    for shortcut in (True, False):
        with transaction.atomic():
            for meaning in story:
                report(first, meaning, now)
            if shortcut:
                follow_status_changes(now + HOUR)
            else:
                StatusChange.objects.all().delete()
                settle([first.recipient_id], now + HOUR)
            results.append((list(Recipient.objects.values()), list(QueueEntry.objects.values())))
            assert agree()
            transaction.set_rollback(True)

    assert results[0] == results[1]


@pytest.mark.django_db(transaction=True)
def test_the_short_cut_does_not_overwrite_what_changed_while_it_waited(first, monkeypatch, now):
    """A bounce recorded and decided upon between the look at the message and the lock of the recipient."""
    if connection.vendor == "sqlite":
        pytest.skip("one writer at a time: nothing can come between")
    from threading import Thread

    report(first, DELIVERED, now)
    honest = subject.rewrite

    def bounced_meanwhile(*args):
        monkeypatch.setattr(subject, "rewrite", honest)  # the bounce is followed up in the ordinary way

        def bounce():
            try:
                with transaction.atomic():
                    connection.cursor().execute("SET LOCAL lock_timeout = '300ms'")
                    report(first, Meaning(Status.BOUNCED, FailureClass.PERMANENT, Fault.RECIPIENT), now)
                    settle([first.recipient_id], now)
            except Exception:  # noqa: BLE001 - it has to wait, as it should
                waited.append(True)
            finally:
                connection.close()

        thread = Thread(target=bounce)
        thread.start()
        thread.join()
        return honest(*args)

    waited: list[bool] = []
    monkeypatch.setattr(subject, "rewrite", bounced_meanwhile)

    follow_status_changes(now)

    first.refresh_from_db()
    assert waited or first.status == "bounced"
    assert (recipient_of(first).state == "reached") == (first.status == "delivered")


# ---- Withdrawn before it left ---------------------------------------------------------------------------------


def test_a_switch_is_withdrawn_when_the_first_message_lands_before_it_leaves(first, now):
    follow_due(now + 24 * HOUR)
    follow_due(now + 48 * HOUR)
    mail = last_of(first)
    assert mail.channel == "email"
    carriers = Fake()

    report(first, DELIVERED, now + 48 * HOUR)
    work(now + 48 * HOUR, carriers)

    mail.refresh_from_db()
    assert (mail.status, mail.reason_code, carriers.left) == ("canceled", "superseded", [])
    assert (recipient_of(first).state, recipient_of(first).reached_by) == ("reached", "sms")
    assert agree()


def test_a_switch_that_left_before_the_first_message_landed_stays_as_overlap(first, now):
    work(now + 24 * HOUR)
    work(now + 48 * HOUR)
    mail = last_of(first)

    report(first, DELIVERED, now + 49 * HOUR)
    work(now + 49 * HOUR)
    report(mail, DELIVERED, now + 50 * HOUR)
    work(now + 50 * HOUR)

    recipient = recipient_of(first)
    assert (recipient.state, recipient.reached_by, recipient.reached_at) == (
        "reached",
        "sms",
        now + 49 * HOUR,
    )
    assert Message.objects.filter(disposition="DELIVERED", canceled_at=None).count() == 2
    assert agree()


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        ("replied STOP", "opted_out"),
        ("no longer agrees", "opted_out"),
        ("never agreed", "no_consent"),
        ("marked", "needs_correction"),
    ],
)
def test_a_recipient_whose_only_message_the_gate_withdrew_is_skipped_for_that_reason(
    campaign, account, happens, reason, now
):
    message = waiting(campaign, account, now, person("sms", "email", at=now))
    if happens == "replied STOP":
        record_opt_out(value=message.address.value, channel="sms", how="Reply", evidence="STOP", at=now)
    elif happens == "no longer agrees":
        consent(message.contact, "sms", at=now, opted_in=False)
    elif happens == "never agreed":
        Consent.objects.filter(contact=message.contact).delete()
    else:
        Address.objects.filter(pk=message.address_id).update(validity="needs_correction")

    work(now)

    assert (recipient_of(message).state, recipient_of(message).skip_reason) == ("skipped", reason)
    assert Message.objects.count() == 1
    assert agree()


def test_a_stop_withdraws_the_queued_retry_and_ends_the_path(first, now):
    report(first, ABSENT, now)
    work(now)
    follow_due(now + 4 * HOUR)
    retry = last_of(first)
    assert retry != first
    carriers = Fake()

    with transaction.atomic():
        record_opt_out(
            value=first.address.value, channel="sms", how="Reply", evidence="STOP", at=now + 4 * HOUR
        )
        stop_paths([first.address.value], now + 4 * HOUR)
    work(now + 4 * HOUR, carriers)
    work(now + 60 * HOUR, carriers)

    retry.refresh_from_db()
    assert (retry.status, retry.reason_code, carriers.left) == ("canceled", "opted_out", [])
    assert (recipient_of(first).state, recipient_of(first).next_step) == ("failed", "none")
    assert not QueueEntry.objects.exists()
    assert agree()


@pytest.mark.parametrize(
    ("channel", "words"),
    [("sms", "opted out: nothing"), ("email", "opted out of another channel since: nothing")],
)
def test_the_decision_says_whether_the_no_was_to_its_own_channel(first, now, channel, words):
    report(first, ABSENT, now)
    consent(first.contact, channel, at=now + HOUR, opted_in=False)

    work(now + 5 * HOUR)

    assert words in recipient_of(first).next_step_reason


def test_a_planned_switch_is_dropped_by_a_stop(first, now):
    report(first, ABSENT, now)
    work(now)

    with transaction.atomic():
        record_opt_out(value=first.address.value, channel="sms", how="Reply", evidence="STOP", at=now)
        stop_paths([first.address.value], now)
    work(now)

    assert (recipient_of(first).next_step, recipient_of(first).next_step_at) == ("none", None)
    assert queue_of(first) is None


@pytest.mark.parametrize("cause", ["suppressed", "no_consent"])
def test_a_retry_that_the_gate_refuses_at_handover_comes_to_an_end(first, cause, now):
    report(first, ABSENT, now)
    work(now)
    follow_due(now + 4 * HOUR)
    if cause == "suppressed":
        suppress(contact=first.contact, reason="staff", origin="staff", now=now)
    else:
        consent(first.contact, "sms", "email", at=now + HOUR, opted_in=False)
    carriers = Fake()

    for hours in (4, 5, 24, 48, 72, 100):
        work(now + hours * HOUR, carriers)

    assert carriers.left == []
    assert recipient_of(first).state == "failed"
    assert Message.objects.count() == 2
    assert agree()


def test_without_an_account_for_the_next_channel_it_is_for_review(first, account, now):
    report(first, ABSENT, now)
    work(now)
    account.active = False
    account.save()

    work(now + 4 * HOUR)

    assert (recipient_of(first).next_step, queue_of(first)) == ("review", "review")
    assert Message.objects.count() == 1
    assert agree()


# ---- Permanent failures ---------------------------------------------------------------------------------------


def test_a_dead_number_is_never_texted_again_and_email_takes_over_at_once(first, now):
    report(first, DEAD, now)

    work(now)

    assert last_of(first).channel == "email"
    assert queue_of(first) == "correct"
    assert AddressHealth.objects.get().hard_fails == 1
    assert agree()


def test_an_address_waiting_for_correction_keeps_its_own_reason_while_email_is_under_way(first, now):
    report(first, DEAD, now)
    work(now)
    said = QueueEntry.objects.get().reason

    mail = last_of(first)
    report(mail, DELAYED, now)
    work(now + 24 * HOUR)

    entry = QueueEntry.objects.get(pk=first.pk)
    assert (entry.queue, entry.reason) == ("correct", said)
    assert queue_of(mail) == "watch"
    assert agree()


def three_strikes(account, contact, now):
    """Three campaigns whose texts to the same number fail for good; the last message."""
    for _ in range(3):
        message = handed_over(sending("sms"), account, now, contact)
        report(message, DEAD, now, code="30005")
        work(now)
        yield message


def test_the_third_permanent_failure_in_a_row_suppresses_the_address_on_that_channel(account, now):
    contact = person("sms", at=now)

    messages = list(three_strikes(account, contact, now))

    assert [queue_of(message) for message in messages] == [None, None, "correct"]
    entry = Suppression.objects.get()
    assert (entry.value, entry.channel) == (messages[0].address.value, "sms")
    assert (entry.origin, entry.reason) == ("rule", "hard_fails")
    assert "30005" in entry.evidence
    assert recipient_of(messages[2]).next_step == "correct"
    assert agree()


def test_the_second_permanent_failure_in_a_row_stands_in_the_suppress_queue(account, now):
    strikes = three_strikes(account, person("sms", at=now), now)
    next(strikes)

    second = next(strikes)

    assert queue_of(second) == "suppress"


def test_a_delivery_ends_the_row_of_failures(account, now):
    contact = person("sms", at=now)
    strikes = three_strikes(account, contact, now)
    next(strikes), next(strikes)
    arrived = handed_over(sending("sms"), account, now, contact)
    report(arrived, DELIVERED, now)
    work(now)

    last = next(strikes)

    assert AddressHealth.objects.get().hard_fails == 1
    assert not Suppression.objects.exists()
    assert queue_of(last) == "correct"


def test_a_delivery_told_after_the_suppression_makes_the_recipient_reached(account, now):
    messages = list(three_strikes(account, person("sms", at=now), now))

    report(messages[2], DELIVERED, now + HOUR)
    work(now + HOUR)

    assert recipient_of(messages[2]).state == "reached"
    assert AddressHealth.objects.get().hard_fails == 0
    assert Suppression.objects.filter(released_at=None).exists()  # a person lifts it, no machine
    assert agree()


def test_failures_forgiven_by_a_release_do_not_come_back(account, make_user, now):
    messages = list(three_strikes(account, person("sms", at=now), now))
    entry = Suppression.objects.get()

    release(entry, by=make_user("admin"), note="A new phone", now=now + HOUR)
    with transaction.atomic():
        settle([message.recipient_id for message in messages], now + HOUR)

    entry.refresh_from_db()
    assert entry.released_at == now + HOUR
    assert not Suppression.objects.in_force(now + HOUR).exists()
    assert AddressHealth.objects.get().hard_fails == 0
    assert agree()


def test_an_earlier_failure_leaves_its_queue_once_its_address_is_suppressed(first, now):
    report(first, DEAD, now)
    work(now)
    assert queue_of(first) == "correct"

    suppress(contact=first.contact, value=first.address.value, reason="staff", origin="staff", now=now)
    with transaction.atomic():
        settle([first.recipient_id], now)

    assert queue_of(first) is None
    assert agree()


def test_a_corrected_number_waits_for_a_retry_by_hand(account, make_user, now):
    message = handed_over(sending("sms"), account, now, person("sms", at=now))
    report(message, DEAD, now)
    work(now)

    correct(message.contact, phone="+12125550177", region="US", by=make_user("support"))
    with transaction.atomic():
        settle([message.recipient_id], now)

    assert (queue_of(message), recipient_of(message).next_step) == ("retry", "retry")
    assert not Message.objects.filter(follows=message).exists()
    assert agree()


@pytest.mark.parametrize(("meaning", "queue"), [(ABSENT, "retry"), (SPAM, "review")])
def test_what_waits_for_a_person_leaves_its_queue_when_it_is_history(account, meaning, queue, now):
    Playbook.objects.update(retries=0)
    message = handed_over(sending("sms"), account, now, person("sms", at=now))
    report(message, meaning, now)
    work(now)
    before = queue_of(message)

    work(now + HISTORY)

    assert (before, queue_of(message)) == (queue, None)
    assert "two weeks ago" in recipient_of(message).next_step_reason
    assert recipient_of(message).next_step_at is None
    assert agree()


# ---- What people do -------------------------------------------------------------------------------------------


def test_a_planned_retry_can_be_made_at_once_and_only_once(first, make_user, now):
    report(first, ABSENT, now)
    work(now)
    recipient, by = recipient_of(first), make_user("support")

    assert run_next_step_now(recipient, by, now)
    assert not run_next_step_now(recipient, by, now)

    retry = last_of(first)
    assert (retry.cause, retry.follows_id) == (Cause.BULK_RETRY, first.pk)
    assert Message.objects.count() == 2
    assert (recipient_of(first).next_step, queue_of(first)) == ("wait", None)
    assert Decision.objects.filter(by="staff", message_id=first.pk).count() == 1
    assert agree()


def test_a_step_that_fell_away_meanwhile_is_not_made(first, make_user, now):
    report(first, ABSENT, now)
    work(now)
    report(first, DELIVERED, now)

    assert not run_next_step_now(recipient_of(first), make_user("support"), now)

    assert Message.objects.count() == 1
    assert recipient_of(first).state == "reached"


def test_the_automatic_steps_can_be_stopped_for_good(first, make_user, now):
    report(first, ABSENT, now)
    work(now)
    carriers = Fake()

    assert cancel_next_step(recipient_of(first), make_user("support"), now)
    for hours in (4, 24, 48, 72):
        work(now + hours * HOUR, carriers)

    assert (recipient_of(first).next_step, recipient_of(first).state) == ("none", "failed")
    assert (carriers.left, queue_of(first)) == ([], None)
    assert agree()


def test_stopping_takes_back_a_retry_that_has_not_left(first, make_user, now):
    report(first, ABSENT, now)
    work(now)
    follow_due(now + 4 * HOUR)
    carriers = Fake()

    cancel_next_step(recipient_of(first), make_user("support"), now + 4 * HOUR)
    work(now + 4 * HOUR, carriers)

    assert carriers.left == []
    assert last_of(first).status == "canceled"
    assert agree()


def test_a_recipient_stopped_before_anything_left_is_skipped(campaign, account, make_user, now):
    message = waiting(campaign, account, now)

    cancel_next_step(message.recipient, make_user("support"), now)
    work(now)

    assert (recipient_of(message).state, recipient_of(message).skip_reason) == ("skipped", "stopped")
    assert agree()


def test_a_canceled_campaign_takes_its_planned_steps_out_of_the_queues(first, make_user, now):
    from deliveries.sending.launching import cancel

    report(first, ABSENT, now)
    work(now)
    assert queue_of(first) == "retry"

    cancel(first.campaign, now)
    work(now)

    assert (queue_of(first), recipient_of(first).next_step) == (None, "none")
    assert Campaign.objects.get().state == "canceled"
    assert agree()


def test_a_late_answer_of_a_withdrawn_batch_does_not_confuse_the_books(first, now):
    """A retry is claimed, and the first message lands before the provider answers."""
    report(first, ABSENT, now)
    work(now)
    later = now + 4 * HOUR
    follow_due(later)
    retry = last_of(first)

    def landed():
        report(first, DELIVERED, later)
        follow_status_changes(later)

    dispatch(later, Fake(during=landed))

    retry.refresh_from_db()
    assert (retry.status, retry.canceled_at) == ("sending", None)
    assert recipient_of(first).state == "reached"
    assert agree()


def test_a_message_put_off_by_the_provider_keeps_its_place(campaign, account, now):
    message = waiting(campaign, account, now)

    dispatch(now, Fake(SendResult(False, retry_after=5.0)))
    follow_status_changes(now)

    assert recipient_of(message).state == "planned"
    assert agree()


# ---- What the person said at the provider's ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meaning", "reason"),
    [(COMPLAINED, "complaint"), (Meaning(Status.OPTED_OUT, FailureClass.OPT_OUT, Fault.RECIPIENT), "stop")],
)
def test_a_complaint_or_opt_out_that_the_provider_reports_blocks_the_address_once(
    first, now, meaning, reason
):
    report(first, meaning, now + HOUR)
    for _ in range(2):
        work(now + HOUR)
        settle([first.recipient_id], now + HOUR)

    block = Suppression.objects.get()
    assert (block.value, block.reason, block.origin) == (first.address.value, reason, "recipient")
    assert not Message.objects.filter(follows=first).exists()


def test_a_complaint_about_what_arrived_blocks_as_well(first, now):
    report(first, DELIVERED, now)
    report(first, COMPLAINED, now + HOUR)
    work(now + HOUR)

    assert Suppression.objects.get().reason == "complaint"


def test_a_mailbox_that_does_not_exist_is_blocked_at_once(account, now):
    campaign = sending("email")
    gone = handed_over(campaign, account, now, person("email", at=now))

    report(gone, Meaning(Status.BOUNCED, FailureClass.PERMANENT, Fault.RECIPIENT), now, code="5.1.1")
    work(now)

    block = Suppression.objects.get()
    assert (block.value, block.channel, block.reason) == (gone.address.value, "email", "hard_bounce")


def test_a_first_message_withdrawn_by_an_opt_out_has_its_decision(campaign, account, now):
    message = waiting(campaign, account, now, person("sms", "email", at=now))
    with transaction.atomic():
        record_opt_out(value=message.address.value, channel="sms", how="Reply", evidence="STOP", at=now)
        stop_paths([message.address.value], now)

    work(now)
    settle([message.recipient_id], now)

    assert (recipient_of(message).state, recipient_of(message).skip_reason) == ("skipped", "opted_out")
    decision = Decision.objects.get()
    assert (decision.message_id, decision.by, decision.reason) == (
        message.pk, "gate", "Not sent: the person opted out."
    )  # fmt: skip
