"""An account whose provider takes no more for a while (429, Retry-After): what waits there goes by the next route."""

from __future__ import annotations

from datetime import timedelta

import pytest

from deliveries.models import Decision, Message, Outbox, Route, RouteAlarm
from deliveries.providers.facts import Busy, SendResult
from deliveries.sending.dispatch import dispatch
from deliveries.sending.failover import pass_on
from tests import factories
from tests.engine import TAKEN, Fake, agree, sending, waiting

pytestmark = pytest.mark.django_db

LATER = timedelta(minutes=5)  # PASS_ON_AFTER_MINUTES, unless set
A_SECOND = timedelta(seconds=1)


@pytest.fixture
def accounts():
    """Two, listed in order for every text message."""
    made = [factories.account(name=name, rank=rank) for rank, name in enumerate(("First", "Second"), 1)]
    for position, account in enumerate(made, 1):
        Route.objects.create(channel="sms", position=position, account=account)
    return made


@pytest.fixture
def told_to_wait(accounts, now):
    """`told_to_wait(60, "urgent", "normal")`: messages of the first account, busy for so many seconds."""

    def make(seconds, *priorities):
        messages = []
        for priority in priorities:
            message = waiting(sending(priority=priority), accounts[0], now)
            Outbox.objects.filter(pk=message.pk).update(urgent=priority == "urgent")
            messages.append(message)
        dispatch(now, Fake(SendResult(False, retry_after=seconds, busy=Busy.ACCOUNT)))
        return messages

    return make


def where() -> list[str]:
    return list(Message.objects.order_by("pk").values_list("account__name", flat=True))


def test_urgent_messages_go_on_at_once_and_others_after_a_while(told_to_wait, now):
    told_to_wait(900, "urgent", "normal")

    assert pass_on(now + A_SECOND) == 1
    assert where() == ["Second", "First"]
    assert pass_on(now + LATER) == 0
    assert pass_on(now + LATER + A_SECOND) == 1

    assert where() == ["Second", "Second"]
    assert agree()


def test_what_was_passed_on_leaves_at_once(told_to_wait, now):
    [message] = told_to_wait(900, "urgent")
    pass_on(now + A_SECOND)

    carriers = Fake()
    dispatch(now + A_SECOND, carriers)

    assert [out.ref for out in carriers.left] == [str(message.uuid)]
    assert Decision.objects.get().reason.endswith("passed on to Second.")


def test_the_alarm_says_what_is_wrong_and_closes_when_the_account_takes_messages_again(told_to_wait, now):
    told_to_wait(60, "normal")
    pass_on(now + A_SECOND)
    alarm = RouteAlarm.objects.get()
    assert alarm.sentence == "First takes no more for the moment: it reached a limit of its provider."
    assert alarm.until == now + timedelta(seconds=60)

    dispatch(now + timedelta(seconds=61), Fake(TAKEN))
    pass_on(now + timedelta(seconds=62))

    alarm.refresh_from_db()
    assert alarm.closed_at
    assert where() == ["First"]


def test_a_short_wait_moves_nothing(told_to_wait, now):
    told_to_wait(4, "urgent")

    assert pass_on(now + A_SECOND) == 0
    assert where() == ["First"]
    assert not RouteAlarm.objects.exists()


def test_a_sender_that_keeps_to_its_own_rate_is_no_limit_of_the_account(accounts, now):
    message = waiting(sending(priority="urgent"), accounts[0], now)
    Outbox.objects.filter(pk=message.pk).update(urgent=True)
    dispatch(now, Fake(SendResult(False, retry_after=60.0, busy=Busy.SENDER)))

    assert pass_on(now + A_SECOND) == 0
    assert where() == ["First"]
