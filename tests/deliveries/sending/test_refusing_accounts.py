"""Accounts and senders that are refused message after message: they rest, raise one alarm, and are tried again."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.utils import timezone

from contacts.channels import Channel
from deliveries.deciding.followup import follow_status_changes
from deliveries.deciding.rests import REFUSALS, REFUSED_PAUSE
from deliveries.models import Account, Decision, Outbox, RouteAlarm
from deliveries.providers.facts import SendResult
from deliveries.sending import failover
from deliveries.sending.circuit import OUTAGE_PAUSE
from deliveries.sending.dispatch import dispatch
from deliveries.sending.failover import pass_on
from deliveries.statuses import FailureClass, Fault, Meaning, Status
from tests import factories
from tests.deliveries.sending.resting import LATER, rest
from tests.engine import DELIVERED, TAKEN, Fake, agree, report, sending, waiting, work

pytestmark = pytest.mark.django_db


NO_ACCESS = SendResult(False, native_status="rejected", native_code="UNAUTHORIZED")


# ---- Refusals -----------------------------------------------------------------------------------------------------


def refuse(message, now, times=REFUSALS, answer=NO_ACCESS, **fields):
    """So many messages refused one after the other."""
    made = []
    for _ in range(times):
        made.append(message(**fields))
        dispatch(now, Fake(answer))
    return made


def test_an_account_that_refuses_rests_for_its_channel_instead_of_failing_one_after_the_other(
    first, message, now
):
    refuse(message, now)
    waits, mail = message(), message(campaign=sending(Channel.EMAIL, priority="urgent"))
    carriers = Fake()

    dispatch(now, carriers)

    assert [out.ref for out in carriers.left] == [str(mail.uuid)]
    assert Outbox.objects.get().message_id == waits.pk
    alarm = RouteAlarm.objects.get()
    assert (alarm.kind, alarm.channel, alarm.until) == ("refuses", "sms", now + REFUSED_PAUSE)
    assert alarm.sentence.startswith("First refuses SMS: UNAUTHORIZED")


def test_what_waits_there_is_passed_on_with_the_reason(listed, message, now):
    refused = refuse(message, now)
    waits = message()

    pass_on(now)
    work(now, carriers := Fake())

    waits.refresh_from_db()
    assert waits.account.name == "Second"
    assert "First refuses SMS: UNAUTHORIZED: passed on to Second." in Decision.objects.values_list(
        "reason", flat=True
    )
    again = {one.followers.get().account.name for one in refused}
    assert again == {"Second"}
    assert len(carriers.left) == REFUSALS + 1
    assert agree()


def test_a_sender_that_is_refused_rests_alone(now):
    account = factories.account("twilio", name="Twilio")
    refused, other = sending(), sending()
    for second in range(REFUSALS):
        waiting(refused, account, now)
        answer = SendResult(False, native_status="rejected", native_code="21606")
        dispatch(now + timedelta(seconds=10 * second), Fake(answer))
    waits, goes = waiting(refused, account, now), waiting(other, account, now)

    dispatch(now + timedelta(seconds=10 * REFUSALS), carriers := Fake())

    assert [out.ref for out in carriers.left] == [str(goes.uuid)]
    assert Outbox.objects.get().message_id == waits.pk
    value = refused.contents.get().sender.value
    assert RouteAlarm.objects.get().sentence.startswith(f"Twilio refuses SMS from {value}: 21606")


def test_refusals_between_which_others_are_taken_are_about_their_messages(first, message, now):
    for _ in range(REFUSALS):
        refuse(message, now, times=REFUSALS - 1)
        message()
        dispatch(now, Fake())

    assert not RouteAlarm.objects.exists()


def test_in_one_batch_with_others_that_are_taken_they_count_for_nothing(first, message, now):
    messages = [message() for _ in range(REFUSALS + 1)]

    dispatch(now, Fake(lambda one: TAKEN if one.pk == messages[0].pk else NO_ACCESS))

    assert not RouteAlarm.objects.exists()


def test_after_its_rest_one_message_asks_and_a_yes_ends_it(first, message, now):
    refuse(message, now)
    campaign = sending(priority="urgent")
    for _ in range(4):
        message(campaign=campaign)
    then = now + REFUSED_PAUSE

    assert dispatch(then, Fake()).handed_over == 1
    assert RouteAlarm.objects.get().closed_at == then
    assert dispatch(then, Fake()).handed_over == 3


def test_after_its_rest_one_no_makes_it_rest_again_under_the_same_alarm(first, message, now):
    refuse(message, now)
    for _ in range(4):
        message()
    then = now + REFUSED_PAUSE

    assert dispatch(then, Fake(NO_ACCESS)).refused == 1
    assert dispatch(then, Fake(NO_ACCESS)).refused == 0
    alarm = RouteAlarm.objects.get()
    assert (alarm.raised_at, alarm.until, alarm.closed_at) == (now, then + REFUSED_PAUSE, None)


def test_the_next_one_asks_when_the_last_was_answered(first, message, now):
    refuse(message, now)
    messages = [message() for _ in range(3)]
    after = now + REFUSED_PAUSE + timedelta(seconds=1)
    Outbox.objects.filter(pk=messages[0].pk).update(claimed_until=after + timedelta(minutes=1))

    carriers = Fake()
    dispatch(after, carriers)
    assert carriers.left == []

    Outbox.objects.filter(pk=messages[0].pk).delete()
    dispatch(after, carriers)
    assert len(carriers.left) == 1


def test_resuming_the_account_tries_it_with_one_message(first, message):
    now = timezone.now()
    campaign = sending(priority="urgent", window_start=time(0), window_end=time(23, 59))
    refuse(message, now, campaign=campaign)
    message(campaign=campaign)
    message(campaign=campaign)

    first.resume()

    assert dispatch(timezone.now(), Fake()).handed_over == 1


# ---- Alarms -------------------------------------------------------------------------------------------------------


def opened():
    return list(RouteAlarm.objects.filter(closed_at=None).values_list("kind", "account__name"))


def test_a_working_fallback_does_not_hide_that_the_first_rests(listed, first, message, now):
    message()
    rest(first, now)
    pass_on(now)
    dispatch(now, Fake())

    pass_on(now + timedelta(seconds=1))
    assert opened() == [("rests", "First")]


def test_it_is_over_when_the_first_takes_a_message_again_and_not_before(listed, first, message, now):
    message()
    rest(first, now, OUTAGE_PAUSE)
    pass_on(now)
    dispatch(now, Fake())
    then = now + OUTAGE_PAUSE
    pass_on(then)
    assert opened() == [("rests", "First")]  # nobody has tried it yet

    message()
    dispatch(then, Fake())

    assert opened() == []


def test_one_outage_is_one_alarm_however_often_the_account_rests(listed, first, message, now):
    message("normal")
    for minute in range(3):
        rest(first, now + timedelta(minutes=minute), OUTAGE_PAUSE)
        pass_on(now + timedelta(minutes=minute))

    alarm = RouteAlarm.objects.get()
    assert (alarm.raised_at, alarm.until) == (now, now + timedelta(minutes=3))
    assert pass_on(now + LATER) == 0  # by then it rests no more: the message leaves by itself


def test_without_anything_to_send_it_closes_after_a_while(listed, first, now):
    rest(first, now, OUTAGE_PAUSE)
    pass_on(now)

    pass_on(now + OUTAGE_PAUSE + failover.CALM)

    assert opened() == []


def test_a_refusal_closes_after_a_while_where_nothing_waits_any_more(first, message, now):
    refuse(message, now)
    assert RouteAlarm.objects.filter(kind="refuses", closed_at=None, raised_at__isnull=False).exists()
    Outbox.objects.all().delete()

    over = now + REFUSED_PAUSE + failover.CALM
    pass_on(over - timedelta(seconds=1))
    assert RouteAlarm.objects.filter(kind="refuses", closed_at=None).exists()
    pass_on(over + timedelta(seconds=1))
    assert not RouteAlarm.objects.filter(kind="refuses", closed_at=None).exists()


def test_an_account_that_is_switched_off_is_an_alarm_only_while_messages_wait_there(first, message, now):
    Account.objects.update(active=False)
    pass_on(now)
    assert opened() == []

    waits = message("normal")
    pass_on(now)
    assert opened() == [("off", "First")]

    Outbox.objects.filter(pk=waits.pk).delete()
    pass_on(now)
    assert opened() == []


# ---- What receipts report -----------------------------------------------------------------------------------------

UNREGISTERED = Meaning(Status.BLOCKED, FailureClass.COMPLIANCE, Fault.SENDER)


def reported(campaign, account, meanings, now):
    """Messages that were taken, and receipts about all of them, looked at together."""
    made = [waiting(campaign, account, now) for _ in meanings]
    dispatch(now, Fake())
    for message, meaning in zip(made, meanings, strict=True):
        message.refresh_from_db()
        report(message, meaning, now, code="30034")
    follow_status_changes(now)


def test_a_sender_that_is_not_registered_by_its_receipts_rests_too(first, second, now):
    campaign, other = sending(), sending()
    reported(campaign, first, [UNREGISTERED] * REFUSALS, now)
    waits, goes = waiting(campaign, first, now), waiting(other, first, now)

    dispatch(now, carriers := Fake())

    assert [out.ref for out in carriers.left] == [str(goes.uuid)]
    assert Outbox.objects.get().message_id == waits.pk
    sender = campaign.contents.get().sender.value
    assert RouteAlarm.objects.get().sentence == f"First refuses SMS from {sender}: 30034"


@pytest.mark.parametrize(
    "meanings",
    [
        [UNREGISTERED] * (REFUSALS - 1),
        [*[UNREGISTERED] * REFUSALS, DELIVERED],
        [Meaning(Status.BLOCKED, FailureClass.CONTENT, Fault.CONTENT)] * REFUSALS,
        [Meaning(Status.FAILED, FailureClass.TEMPORARY, Fault.SENDER)] * REFUSALS,
    ],
    ids=["few", "another arrived", "the content", "for a moment"],
)
def test_receipts_that_prove_nothing_make_nothing_rest(first, meanings, now):
    reported(sending(), first, meanings, now)

    assert not RouteAlarm.objects.filter(raised_at__isnull=False).exists()
