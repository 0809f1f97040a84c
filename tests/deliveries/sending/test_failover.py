"""What waits where nothing is handed over goes on by the next route, and the first one's failure stays to be seen."""

from __future__ import annotations

from datetime import time, timedelta

import pytest
from django.utils import timezone

from campaigns.models import Sender
from contacts.channels import Channel
from contacts.models import Suppression
from deliveries.deciding.followup import follow_status_changes
from deliveries.deciding.rests import REFUSALS, REFUSED_PAUSE
from deliveries.models import Account, Decision, Message, Outbox, Route, RouteAlarm
from deliveries.providers.facts import SendResult
from deliveries.sending import failover
from deliveries.sending.circuit import OUTAGE_FAILURES, OUTAGE_PAUSE
from deliveries.sending.dispatch import dispatch
from deliveries.sending.failover import pass_on
from deliveries.statuses import FailureClass, Fault, Meaning, Status
from tests import factories
from tests.engine import DELIVERED, TAKEN, Fake, agree, report, sending, waiting, work

pytestmark = pytest.mark.django_db

LATER = timedelta(minutes=5)  # PASS_ON_AFTER_MINUTES, unless set
NO_ACCESS = SendResult(False, native_status="rejected", native_code="UNAUTHORIZED")
BUSY = SendResult(False, retry_after=30.0)


@pytest.fixture
def first():
    return factories.account(name="First", rank=1)


@pytest.fixture
def second():
    return factories.account(name="Second", rank=2)


@pytest.fixture
def listed(first, second):
    """Both, in order, for every text message."""
    return [
        Route.objects.create(channel="sms", position=position, account=account)
        for position, account in enumerate((first, second), 1)
    ]


@pytest.fixture
def message(first, now):
    """`message()`: one that waits at the first account; urgent unless `priority` says otherwise."""

    def make(priority="urgent", account=first, campaign=None, **fields):
        made = waiting(campaign or sending(priority=priority), account, now, **fields)
        Outbox.objects.filter(pk=made.pk).update(urgent=priority == "urgent")
        return made

    return make


def rest(account, now, until=timedelta(hours=1)):
    Account.objects.filter(pk=account.pk).update(paused_until=now + until)


def account_of(message):
    message.refresh_from_db()
    row = Outbox.objects.get(pk=message.pk)
    assert (row.account_id, row.sender_id) == (message.account_id, message.sender_id)
    return message.account.name


def test_urgent_messages_go_on_at_once_and_others_after_a_while(listed, first, message, now):
    urgent, normal = message(), message("normal")
    rest(first, now)

    assert pass_on(now) == 1
    assert [account_of(urgent), account_of(normal)] == ["Second", "First"]
    assert pass_on(now + LATER - timedelta(seconds=1)) == 0

    assert pass_on(now + LATER) == 1
    assert account_of(normal) == "Second"
    assert agree()


def test_the_trail_says_why(listed, first, message, now):
    moved = message()
    rest(first, now)

    pass_on(now)

    decision = Decision.objects.get()
    assert (decision.message_id, decision.by, decision.rule) == (moved.pk, "route", "passed_on")
    assert decision.reason == "First rests since 4 Mar, 17:00 (UTC): passed on to Second."


def test_the_pages_of_message_and_contact_show_it(listed, first, message, login, now):
    moved = message()
    rest(first, now)
    pass_on(now)
    client = login("support")

    pages = [client.get(f"/deliveries/{moved.pk}/"), client.get(f"/contacts/{moved.contact_id}/")]

    for page in pages:
        assert "First rests since 4 Mar, 17:00 (UTC): passed on to Second." in page.content.decode()
        assert "Routes of the channel" in page.content.decode()


def test_what_has_moved_leaves_by_the_other_with_its_own_callback(listed, first, second, message, now):
    moved = message()
    rest(first, now)
    pass_on(now)
    carriers = Fake()

    dispatch(now, carriers)

    assert f"/hooks/{second.token}/status?m={moved.uuid}" in carriers.left[0].callback
    moved.refresh_from_db()
    assert (moved.account, moved.provider_message_id) == (second, f"id-{moved.pk}")
    assert agree()


def test_when_the_first_goes_on_what_moved_stays_and_new_messages_take_the_first(listed, first, message, now):
    moved = message()
    rest(first, now)
    pass_on(now)
    Account.objects.update(paused_until=None)

    new = message()
    pass_on(now)

    assert [account_of(moved), account_of(new)] == ["Second", "First"]


def test_what_is_claimed_or_in_doubt_stays(listed, first, message, now):
    under_way, in_doubt = message(), message()
    Outbox.objects.filter(pk=under_way.pk).update(claimed_until=now + timedelta(minutes=1))
    Outbox.objects.filter(pk=in_doubt.pk).update(claimed_until=now - timedelta(minutes=1))
    rest(first, now)

    assert pass_on(now) == 0


def test_what_is_not_due_waits_for_the_first(listed, first, message, now):
    message(due_at=now + timedelta(seconds=30))
    rest(first, now)

    assert pass_on(now) == 0


def test_what_the_first_put_off_need_not_wait_out_its_pause(listed, first, message, now):
    messages = [message() for _ in range(OUTAGE_FAILURES)]
    dispatch(now, Fake(BUSY))
    assert {row.due_at for row in Outbox.objects.all()} == {now + timedelta(seconds=30)}

    assert pass_on(now) == len(messages)

    carriers = Fake()
    dispatch(now, carriers)
    assert len(carriers.left) == len(messages)


def test_an_account_that_is_switched_off_passes_on_too(listed, first, message, now):
    moved = message()
    Account.objects.filter(pk=first.pk).update(active=False)

    pass_on(now)

    assert account_of(moved) == "Second"
    assert Decision.objects.get().reason == "First is switched off: passed on to Second."


def test_nothing_moves_without_a_list(first, second, message, now):
    waits = message()
    rest(first, now)

    assert pass_on(now) == 0
    assert account_of(waits) == "First"


def test_nothing_moves_where_the_next_rests_as_well(listed, first, second, message, now):
    message()
    rest(first, now)
    rest(second, now)

    assert pass_on(now) == 0


def test_nothing_moves_to_a_sender_that_may_not_send(first, second, message, now):
    Route.objects.create(channel="sms", position=1, account=first)
    suspended = factories.sender(state=Sender.State.SUSPENDED)
    Route.objects.create(channel="sms", position=2, account=second, sender=suspended)
    message()
    rest(first, now)

    assert pass_on(now) == 0


def test_it_follows_the_list_of_the_country(listed, first, second, message, now):
    third = factories.account(name="Third")
    Route.objects.create(channel="sms", country="GB", position=1, account=first)
    Route.objects.create(channel="sms", country="GB", position=2, account=third)
    home, abroad = message(), message(region="GB-LND")
    rest(first, now)

    assert pass_on(now) == 2
    assert [account_of(home), account_of(abroad)] == ["Second", "Third"]


def test_a_lane_in_which_nothing_can_move_starves_no_other(first, second, message, now, monkeypatch):
    """A list for one country alone: what waits for another stays, and holds up nobody."""
    monkeypatch.setattr(failover, "CHUNK", 2)
    third = factories.account(name="Third", rank=3)
    for position, account in enumerate((first, third, second), 1):
        Route.objects.create(channel="sms", country="GB", position=position, account=account)
    stuck = [message(region="US-TX") for _ in range(5)]
    free = message(account=third, region="GB")
    for account in (first, third):
        rest(account, now)

    assert pass_on(now) == 1
    assert account_of(free) == "Second"
    assert {account_of(each) for each in stuck} == {"First"}


def test_many_move_in_chunks(listed, first, message, now, monkeypatch):
    monkeypatch.setattr(failover, "CHUNK", 3)
    campaign = sending(priority="urgent")
    for _ in range(8):
        message(campaign=campaign)
    rest(first, now)

    assert pass_on(now) == 8
    assert {row.account_id for row in Outbox.objects.all()} == {Account.objects.get(name="Second").pk}
    assert agree()


# ---- Another sender ---------------------------------------------------------------------------------------------


@pytest.fixture
def other_sender(first, second):
    """The next route needs a sender of its own."""
    sender = factories.sender()
    Route.objects.create(channel="sms", position=1, account=first)
    Route.objects.create(channel="sms", position=2, account=second, sender=sender)
    return sender


def test_the_next_route_sends_from_its_own_sender(other_sender, first, message, now):
    message()
    rest(first, now)
    pass_on(now)
    carriers = Fake()

    dispatch(now, carriers)

    assert carriers.left[0].sender == other_sender.value
    assert Message.objects.get().sender == other_sender


@pytest.mark.parametrize("whose", ["the campaign's", "the other"])
def test_who_said_no_to_either_sender_is_not_written_to(other_sender, first, message, whose, now):
    stopped = message()
    value = stopped.sender.value if whose == "the campaign's" else other_sender.value
    Suppression.objects.create(
        contact=stopped.contact,
        reason="staff",
        origin="staff",
        channel="sms",
        scope="sender",
        scope_value=value,
    )
    rest(first, now)
    pass_on(now)
    carriers = Fake()

    result = dispatch(now, carriers)

    assert (result.stopped, carriers.left) == (1, [])


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
