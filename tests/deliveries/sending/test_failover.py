"""What waits where nothing is handed over goes on by the next route, and the first one's failure stays to be seen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import Sender
from contacts.models import Suppression
from deliveries.models import Account, Decision, Message, Outbox, Route, RouteMove
from deliveries.providers.facts import SendResult
from deliveries.sending import failover
from deliveries.sending.circuit import OUTAGE_FAILURES
from deliveries.sending.dispatch import dispatch
from deliveries.sending.failover import pass_on
from tests import factories
from tests.deliveries.sending.resting import LATER, rest
from tests.engine import Fake, agree, sending

pytestmark = pytest.mark.django_db


BUSY = SendResult(False, retry_after=30.0)


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


def test_a_line_of_the_moves_says_how_many_went_where_and_why(listed, first, second, message, now):
    message(), message()
    rest(first, now)
    pass_on(now)
    message()
    pass_on(now + timedelta(seconds=30))

    move = RouteMove.objects.get()
    assert (move.away_from, move.account, move.channel, move.at) == (first, second, "sms", now)
    assert (move.messages, move.reason) == (3, "First rests since 4 Mar, 17:00 (UTC).")


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
    monkeypatch.setattr(failover, "SECONDS", 60)  # a slow machine moves fewer in one turn
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
