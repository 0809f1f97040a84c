"""Senders that keep to a rate and to a number a day: the promises of `deliveries/sending/pacing.py`."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection, transaction

from campaigns.models import Content, Pace, Sender
from contacts.models import Suppression
from deliveries.models import Message, Outbox
from deliveries.providers.facts import Busy, SendResult
from deliveries.running.waiting import oldest_due
from deliveries.sending import pacing
from deliveries.sending.dispatch import dispatch
from deliveries.sending.lanes import Lane
from deliveries.sending.pacing import JITTER, LEAD, limits_of
from deliveries.sending.transport import NOT_BEGUN
from tests import factories
from tests.engine import Fake, sending, waiting

pytestmark = pytest.mark.django_db


class Noted(Fake):
    """Remembers when each call was to begin, on the monotonic clock, 0 for at once."""

    def __init__(self, *answers) -> None:
        super().__init__(*answers)
        self.begins: list[float] = []

    def hand_over(self, claimed):
        self.begins += [each.begin_at for each in claimed]
        return super().hand_over(claimed)


@pytest.fixture(autouse=True)
def clock_stands_still(monkeypatch):
    """A test says when it is; what its statements take does not count."""
    monkeypatch.setattr(pacing.time, "monotonic", lambda: 1_000.0)


@pytest.fixture
def campaign():
    return sending()


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def queued(campaign, account, now):
    """`queued(5)`: so many messages that wait for their handover."""

    return lambda count: [waiting(campaign, account, now) for _ in range(count)]


def allow(**limits) -> None:
    Sender.objects.update(**limits)


def test_a_sender_without_a_limit_has_no_row_and_its_messages_go_at_once(queued, now):
    queued(5)
    carriers = Noted()

    assert dispatch(now, carriers).handed_over == 5

    assert carriers.begins == [0.0] * 5
    assert not Pace.objects.exists()


def test_no_more_are_claimed_than_may_begin_within_a_moment_and_each_has_its_own_time(queued, now):
    queued(10)
    allow(per_second=20)
    carriers = Noted()

    handed_over = dispatch(now, carriers).handed_over

    gap = (1 + JITTER) / 20  # 57 ms: of the time from 0.1 s to 0.5 s ahead
    assert handed_over == 7
    assert [at - 1_000.0 for at in carriers.begins] == pytest.approx([LEAD + n * gap for n in range(7)])
    assert Pace.objects.get().next_at - now == pytest.approx(
        timedelta(seconds=LEAD + 7 * gap), abs=timedelta(milliseconds=1)
    )
    assert Outbox.objects.filter(claimed_until=None).count() == 3


def test_over_many_turns_a_sender_keeps_to_its_rate_and_uses_it(queued, now, monkeypatch):
    queued(30)
    allow(per_second=10)
    carriers = Noted()
    began: list[float] = []
    for step in range(100):  # two seconds
        at = step * 0.02
        monkeypatch.setattr(pacing.time, "monotonic", lambda at=at: 1_000.0 + at)
        carriers.begins.clear()
        dispatch(now + timedelta(seconds=at), carriers)
        began += carriers.begins

    gaps = [later - earlier for earlier, later in pairwise(began)]
    assert min(gaps) >= 0.115 - 1e-5
    assert max(gaps) <= 0.135  # none was left out
    assert all(sum(at <= other <= at + 1 for other in began) <= 10 for at in began)


def test_a_text_of_three_segments_takes_three_turns(queued, now):
    queued(3)
    Content.objects.update(body="Long " * 80)  # 400 characters
    allow(per_second=30)
    carriers = Noted()

    dispatch(now, carriers)

    first, second = carriers.begins[:2]
    assert second - first == pytest.approx(3 * (1 + JITTER) / 30)


def test_segments_are_counted_with_the_persons_details_in_the_text(queued, now):
    messages = queued(2)
    Content.objects.update(body="{name} " + "x" * 150)
    for message in messages:
        message.contact.name = "A name of some length"
        message.contact.save()
    allow(per_second=20)
    carriers = Noted()

    dispatch(now, carriers)

    first, second = carriers.begins
    assert second - first == pytest.approx(2 * (1 + JITTER) / 20)


def test_the_last_of_a_day_leave_though_they_are_fewer_than_a_turn_takes(queued, now):
    queued(4)
    allow(per_second=75, per_day=3)

    assert dispatch(now, Noted()).handed_over == 3
    dispatch(now, Noted())

    assert Outbox.objects.get().held == "daily_limit"


def test_who_sends_one_message_in_many_seconds_has_time_to_connect_for_each(queued, now):
    queued(1)
    allow(per_second=0.1)
    late = []

    class Patient(Noted):
        def hand_over(self, claimed):
            late.extend(each.late for each in claimed)
            return super().hand_over(claimed)

    dispatch(now, Patient())

    assert late == [pytest.approx(0.09 * 10 * (1 + JITTER))]


def test_a_mail_domain_has_no_limit_before_the_first_day_of_its_warm_up(now):
    mail = sending("email")
    account = factories.account()
    for _ in range(3):
        waiting(mail, account, now)
    allow(warm_up_from=now.date() + timedelta(days=7))

    assert dispatch(now, Noted()).handed_over == 3
    assert not Pace.objects.exists()


def test_a_call_that_was_not_begun_keeps_its_place(queued, now):
    messages = queued(2)
    Outbox.objects.filter(pk=messages[0].pk).update(due_at=now - timedelta(minutes=5))

    dispatch(now, Noted(NOT_BEGUN))

    assert Outbox.objects.get(pk=messages[0].pk).due_at == now - timedelta(minutes=5)


def test_what_the_gate_stops_takes_no_turn(queued, now):
    messages = queued(8)
    for message in messages[:6]:
        Suppression.objects.create(contact=message.contact, reason="staff", origin="staff")
    allow(per_second=5)

    result = dispatch(now, Noted())

    assert (result.stopped, result.handed_over) == (6, 2)
    assert Pace.objects.get().used == 2


def test_urgent_messages_have_the_first_turns(queued, now):
    ordinary = queued(3)
    urgent = queued(1)
    Outbox.objects.filter(message__in=urgent).update(urgent=True)
    allow(per_second=1)
    carriers = Noted()

    dispatch(now, carriers)

    assert [out.ref for out in carriers.left] == [str(urgent[0].uuid)]
    assert Outbox.objects.count() == len(ordinary)


def test_senders_of_one_account_share_what_it_allows(account, now):
    account.per_second = 10
    account.save()
    for campaign in (sending(), sending()):
        for _ in range(4):
            waiting(campaign, account, now)
    carriers = Noted()

    dispatch(now, carriers)

    gaps = [later - earlier for earlier, later in pairwise(sorted(carriers.begins))]
    assert gaps == pytest.approx([0.115] * 3)
    assert Pace.objects.get().key == f"account:{account.pk}:sms"


def test_a_sender_whose_day_is_used_up_waits_for_the_next_one_and_says_so(queued, now):
    queued(5)
    allow(per_day=2)

    first = dispatch(now, Noted())
    again = dispatch(now + timedelta(seconds=1), Noted())

    assert (first.handed_over, first.held + again.held) == (2, 3)
    midnight = datetime(2026, 3, 5, tzinfo=UTC)  # in the installation's own zone
    assert {(row.held, row.due_at) for row in Outbox.objects.all()} == {("daily_limit", midnight)}
    assert set(Message.objects.filter(handed_over_at=None).values_list("due_at", flat=True)) == {midnight}
    morning = datetime(2026, 3, 5, 15, 0, tzinfo=UTC)
    assert dispatch(morning, Noted()).handed_over == 2
    assert Pace.objects.get().used == 2


def test_the_day_of_a_10dlc_number_ends_at_midnight_pacific(queued, now):
    queued(1)
    allow(registered_as="10dlc_t")
    lane = Lane(*Outbox.objects.values_list("account_id", "sender_id").get())

    (limit,) = limits_of([lane], now)[lane]

    assert (limit.rate.per_second, limit.rate.per_day) == (1.25, 2_000)
    assert limit.next_day(now) == datetime(2026, 3, 5, 8, 0, tzinfo=UTC)


def test_a_text_that_does_not_fit_into_what_is_left_of_the_day_waits_for_the_next(queued, now):
    queued(2)
    Content.objects.update(body="Long " * 80)
    allow(per_day=4)

    result = dispatch(now, Noted())

    assert (result.handed_over, result.held) == (1, 1)
    assert Outbox.objects.get().held == "daily_limit"


def test_all_senders_of_a_new_mail_domain_share_its_warm_up(now):
    account = factories.account()
    campaigns = [sending("email"), sending("email")]
    Sender.objects.filter(pk=Sender.objects.first().pk).update(warm_up_from=date(2026, 3, 4))
    for campaign in campaigns:
        for _ in range(30):
            waiting(campaign, account, now)

    handed_over = sum(dispatch(now, Noted()).handed_over for _ in range(3))

    assert handed_over == 50  # on the first day
    assert Pace.objects.get().key == "domain:example.com"
    assert set(Outbox.objects.values_list("held", flat=True)) == {"daily_limit"}


def test_a_domain_whose_warm_up_is_over_has_no_limit(now):
    account, campaign = factories.account(), sending("email")
    allow(warm_up_from=date(2026, 2, 1))
    for _ in range(3):
        waiting(campaign, account, now)

    assert dispatch(now, Noted()).handed_over == 3
    assert not Pace.objects.exists()


def test_a_sender_that_is_busy_rests_and_the_accounts_other_senders_do_not(account, now):
    busy, other = sending(), sending()
    for _ in range(60):
        waiting(busy, account, now)
    waiting(other, account, now)
    its_sender = busy.contents.get().sender_id

    def answer(message):
        if message.sender_id == its_sender:
            return SendResult(False, retry_after=7.0, busy=Busy.SENDER)
        return SendResult(True, provider_message_id="id")

    first = dispatch(now, Noted(answer))
    second = dispatch(now + timedelta(seconds=2), Noted(answer))
    later = dispatch(now + timedelta(seconds=7), Noted())

    assert (first.handed_over, first.put_off, second.looked_at) == (1, 49, 0)
    assert later.handed_over == 50


def test_an_account_that_is_busy_rests_as_a_whole_and_is_not_taken_for_away(account, now):
    for campaign in (sending(), sending()):
        for _ in range(6):
            waiting(campaign, account, now)
    busy = SendResult(False, retry_after=7.0, busy=Busy.ACCOUNT)

    put_off = dispatch(now, Noted(busy)).put_off
    waiting(sending(), account, now)

    assert put_off == 12
    assert dispatch(now + timedelta(seconds=2), Noted()).looked_at == 0
    account.refresh_from_db()
    assert (account.failures, account.paused_until) == (0, None)
    assert set(Outbox.objects.values_list("attempts", flat=True)) == {0}  # none of them was one
    assert dispatch(now + timedelta(seconds=7), Noted()).handed_over == 13


def test_an_account_that_is_resumed_waits_no_longer(queued, account, now):
    queued(1)
    dispatch(now, Noted(SendResult(False, retry_after=600.0, busy=Busy.ACCOUNT)))
    Outbox.objects.update(due_at=now)

    assert dispatch(now, Noted()).looked_at == 0
    account.resume()
    assert dispatch(now, Noted()).handed_over == 1


def test_a_call_that_came_too_late_for_its_moment_is_no_attempt_and_takes_another_turn(queued, now):
    queued(1)
    allow(per_second=20)

    for _ in range(5):
        assert dispatch(now, Noted(NOT_BEGUN)).put_off == 1

    row = Outbox.objects.get()
    assert (row.attempts, row.due_at, row.claimed_until) == (0, now, None)
    assert Pace.objects.get().used == 5  # what is left of the day is reckoned too low rather than too high


def test_a_limit_costs_those_without_one_a_fixed_number_of_queries(
    account, now, django_assert_max_num_queries
):
    def of(count: int) -> int:
        for _ in range(count):
            waiting(sending(), account, now)
        with django_assert_max_num_queries(1_000) as found:
            dispatch(now, Noted())
        tables = ("campaigns_pace", "campaigns_sender")
        return sum(any(f'FROM "{table}"' in query["sql"] for table in tables) for query in found)

    assert of(2) == of(6) == 3  # limits, their state, and what senders are called


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_a_sender_that_another_process_claims_for_is_passed_over(queued, now):
    queued(3)
    allow(per_second=20)
    Pace.objects.create(key=f"sender:{Sender.objects.get().pk}", next_at=now)
    locked, done = threading.Event(), threading.Event()

    def other() -> None:
        with transaction.atomic():
            Pace.objects.select_for_update().get()
            locked.set()
            done.wait(10)
        connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    locked.wait(10)
    try:
        assert dispatch(now, Noted()).looked_at == 0
    finally:
        done.set()
        thread.join()
    assert dispatch(now, Noted()).handed_over == 3


def test_what_waits_for_its_turn_is_no_sign_of_a_process_that_hangs(queued, account, now):
    queued(5)
    allow(per_second=1)
    dispatch(now, Noted())

    assert oldest_due(now + timedelta(seconds=30)) is None
    assert oldest_due(now + timedelta(hours=1)) == now
