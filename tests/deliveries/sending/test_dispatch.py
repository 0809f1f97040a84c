"""Handing over: the promises of `deliveries/sending/dispatch.py`."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from campaigns.models import Campaign, Recipient
from contacts.consenting import record_opt_out
from contacts.models import Contact, Suppression
from deliveries.deciding.followup import follow_status_changes
from deliveries.models import Decision, Message, Outbox
from deliveries.providers.facts import SendResult
from deliveries.sending.circuit import OUTAGE_PAUSE
from deliveries.sending.dispatch import (
    dispatch,
    recover,
)
from deliveries.sending.transport import LEASE
from tests import factories
from tests.engine import TAKEN, Fake, agree, person, sending, waiting

pytestmark = pytest.mark.django_db


def test_a_due_message_is_handed_over_once_and_its_recipient_is_open(queued, now):
    message = queued()
    carriers = Fake()

    first, second = dispatch(now, carriers), dispatch(now, carriers)

    message.refresh_from_db()
    assert (first.handed_over, second.looked_at) == (1, 0)
    assert [out.ref for out in carriers.left] == [str(message.uuid)]
    assert (message.status, message.handed_over_at, message.provider_message_id) == (
        "sending",
        now,
        f"id-{message.pk}",
    )
    assert not Outbox.objects.exists()
    recipient = message.recipient
    assert (recipient.state, recipient.next_step) == ("open", "wait")
    assert recipient.next_step_at == now + timedelta(hours=24)
    assert agree()


def test_the_first_look_comes_when_the_playbook_first_has_something_to_say(queued, campaign, now):
    message = queued()
    campaign.playbook.switch_after_hours = 6
    campaign.playbook.save()

    dispatch(now, Fake())

    message.recipient.refresh_from_db()
    assert message.recipient.next_step_at == now + timedelta(hours=6)


def test_the_callback_address_carries_our_own_reference(queued, account, now):
    message = queued()
    carriers = Fake()

    dispatch(now, carriers)

    callback = carriers.left[0].callback
    assert f"/hooks/{account.token}/status?m={message.uuid}&c=sms" in callback


def test_an_opt_out_that_commits_before_the_handover_wins(queued, now):
    message = queued()
    record_opt_out(value=message.address.value, channel="sms", how="Reply", evidence="STOP", at=now)
    carriers = Fake()

    dispatch(now, carriers)
    follow_status_changes(now)

    message.refresh_from_db()
    assert carriers.left == []
    assert (message.status, message.reason_code) == ("canceled", "opted_out")
    assert (message.recipient.state, message.recipient.skip_reason) == ("skipped", "opted_out")
    said = Decision.objects.get(message_id=message.pk)
    assert (said.by, said.rule) == ("gate", "opted_out")
    assert said.reason.startswith("Not sent: the person opted out")
    assert agree()


def test_a_suppression_that_nobody_followed_stops_what_waits(queued, now):
    message = queued()
    Suppression.objects.create(contact=message.contact, reason="staff", origin="staff")
    carriers = Fake()

    assert dispatch(now, carriers).stopped == 1
    assert carriers.left == []


def test_quiet_hours_hold_a_message_until_they_open(queued, now):
    message = queued()
    night = now.replace(hour=9)  # three in the morning in Chicago
    Outbox.objects.update(due_at=night)
    carriers = Fake()

    result = dispatch(night, carriers)

    row = Outbox.objects.get()
    assert (result.held, carriers.left) == (1, [])
    assert (row.held, row.due_at) == ("quiet_hours", now.replace(hour=15))
    assert Message.objects.get().due_at == row.due_at  # so that its page says until when it waits
    assert dispatch(night, carriers).looked_at == 0
    assert dispatch(row.due_at, carriers).handed_over == 1
    assert message.pk == row.message_id


def test_a_paused_campaign_holds_its_messages_and_a_canceled_one_drops_them(queued, campaign, now):
    queued()
    Campaign.objects.update(state=Campaign.State.PAUSED)
    assert dispatch(now, Fake()).held == 1

    Campaign.objects.update(state=Campaign.State.CANCELED)
    later = now + timedelta(minutes=6)

    assert dispatch(later, Fake()).stopped == 1
    assert not Outbox.objects.exists()


def test_a_refusal_is_translated_like_a_receipt(campaign, now):
    account = factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})
    message = waiting(campaign, account, now)
    refused = SendResult(False, native_status="failed", native_code="21610", native_text="Unsubscribed")

    result = dispatch(now, Fake(refused))
    follow_status_changes(now)

    message.refresh_from_db()
    assert (result.refused, result.handed_over, result.in_doubt) == (1, 0, 0)
    assert (message.status, message.disposition, message.reason_code) == ("opted_out", "OPTOUT", "21610")
    assert message.recipient.state == "failed"
    assert agree()


def test_a_message_that_the_provider_did_not_take_waits_as_long_as_it_asks(queued, now):
    message = queued()

    result = dispatch(now, Fake(SendResult(False, retry_after=17.0)))

    row = Outbox.objects.get()
    message.refresh_from_db()
    assert result.put_off == 1
    assert (row.claimed_until, row.due_at, row.attempts) == (None, now + timedelta(seconds=17), 1)
    assert (message.status, message.handed_over_at) == ("queued", None)


def test_an_account_rests_after_five_failures_in_a_row_and_then_goes_on(queued, account, now):
    for _ in range(5):
        queued()
    dispatch(now, Fake(SendResult(False, retry_after=1.0)))
    account.refresh_from_db()
    assert account.paused_until == now + timedelta(seconds=60)
    carriers = Fake()

    resting = dispatch(now + timedelta(seconds=30), carriers)
    awake = dispatch(now + timedelta(seconds=61), carriers)

    assert (resting.looked_at, awake.handed_over) == (0, 5)


def test_an_account_that_takes_some_and_puts_off_others_is_busy_and_does_not_rest(queued, account, now):
    messages = [queued() for _ in range(8)]
    busy = {message.pk for message in messages[:6]}

    dispatch(now, Fake(lambda m: SendResult(False, retry_after=1.0) if m.pk in busy else TAKEN))

    account.refresh_from_db()
    assert (account.paused_until, account.failures) == (None, 0)


def test_an_account_switched_off_hands_nothing_over(queued, account, now):
    queued()
    account.active = False
    account.save()

    assert dispatch(now, Fake()).looked_at == 0
    assert Outbox.objects.count() == 1


def test_a_message_without_content_waits_and_does_not_hold_up_its_neighbours(queued, campaign, account, now):
    other = sending()
    bare = waiting(other, account, now)
    other.contents.all().delete()
    sound = queued()
    carriers = Fake()

    result = dispatch(now, carriers)

    assert (result.held, result.handed_over) == (1, 1)
    assert [out.ref for out in carriers.left] == [str(sound.uuid)]
    assert Outbox.objects.get().message_id == bare.pk


def test_a_message_that_cannot_be_put_together_does_not_hold_up_its_neighbours(campaign, account, now):
    broken, sound = waiting(campaign, account, now), waiting(campaign, account, now)
    Contact.objects.filter(pk=broken.contact_id).update(attributes=["no", "fields"])
    carriers = Fake()

    for minutes in (0, 4, 11):
        dispatch(now + timedelta(minutes=minutes), carriers)

    assert [out.ref for out in carriers.left] == [str(sound.uuid)]
    row = Outbox.objects.get()
    assert (row.message_id, row.held, row.claimed_until) == (broken.pk, "cannot_be_made", None)
    assert (row.attempts, row.due_at) == (2, now + timedelta(minutes=21))


def test_an_account_whose_answers_are_lost_rests_as_well(campaign, account, now):
    for _ in range(5):
        waiting(campaign, account, now)

    dispatch(now, Fake(None))

    account.refresh_from_db()
    assert account.paused_until == now + OUTAGE_PAUSE
    assert Outbox.objects.exclude(claimed_until=None).count() == 5


def test_a_lost_answer_is_never_sent_again_blindly(queued, now):
    message = queued()
    carriers = Fake(answer=None)

    result = dispatch(now, carriers)
    message.refresh_from_db()
    assert (message.status, Outbox.objects.get().claimed_until) == ("queued", now + LEASE)
    for hours in range(1, 80):
        dispatch(now + timedelta(hours=hours), carriers)
        recover(now + timedelta(hours=hours), carriers)

    message.refresh_from_db()
    assert (result.in_doubt, len(carriers.left)) == (1, 1)
    assert (message.status, message.handed_over_at) == ("sending", now)


def test_a_message_whose_answer_was_lost_on_the_way_there_is_sent_after_all(queued, now):
    message = queued()
    dispatch(now, Fake(answer=None))
    later = now + LEASE * 2

    recover(later, Fake(found=SendResult(False, native_status="never_received")))
    result = dispatch(later, Fake())

    message.refresh_from_db()
    assert (result.handed_over, message.status, message.handed_over_at) == (1, "sending", later)
    assert agree()


# ---- Several at once -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_dispatchers_at_once_never_hand_the_same_message_over_twice(campaign, account, now):
    messages = [waiting(campaign, account, now) for _ in range(60)]
    handed: Counter[str] = Counter()
    guard = threading.Lock()

    class Counting(Fake):
        def hand_over(self, claimed):
            with guard:
                handed.update(each.outgoing.ref for each in claimed)
            return super().hand_over(claimed)

    def work():
        try:
            while dispatch(now, Counting(), limit=7).looked_at:
                pass
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work) for _ in range(4)]:
            future.result()

    assert handed == Counter(str(message.uuid) for message in messages)
    assert not Outbox.objects.exists()
    assert set(Recipient.objects.values_list("state", flat=True)) == {"open"}
    assert agree()


@pytest.mark.parametrize(
    ("channel", "body", "answer", "parts"),
    [
        ("sms", "a" * 161, TAKEN, 2),
        ("sms", "ż" * 71, TAKEN, 2),
        ("sms", "a" * 161, SendResult(True, "id", segments=5), 5),
        ("sms", "a", SendResult(True, "id", segments=1), 1),
        ("email", "a" * 500, TAKEN, 1),
    ],
)
def test_segments_are_counted_as_the_provider_does_and_by_the_rules_where_it_does_not(
    channel, body, answer, parts, monkeypatch, now
):
    campaign, account = sending(channel), factories.account()
    campaign.contents.update(body=body)
    message = waiting(campaign, account, now, person(channel, at=now), channel=channel)
    carriers = Fake()
    monkeypatch.setattr(carriers, "answer_of", lambda claimed, told: answer)

    dispatch(now, carriers)

    message.refresh_from_db()
    assert message.segments == parts


def test_a_text_leaves_in_its_shortest_form(now):
    campaign = sending("sms")
    campaign.contents.update(body="Man\u0303ana")
    carriers = Fake()
    waiting(campaign, factories.account(), now)

    dispatch(now, carriers)

    assert [each.body for each in carriers.left] == ["Mañana"]


def test_a_call_listens_for_a_key_and_a_text_does_not(now):
    account = factories.account()
    carriers = Fake()
    for channel in ("voice", "sms"):
        waiting(sending(channel), account, now, person(channel, at=now), channel=channel)

    dispatch(now, carriers)

    assert {each.channel: each.extra.get("keys", "") for each in carriers.left} == {"voice": "1", "sms": ""}
