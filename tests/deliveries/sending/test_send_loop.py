"""The process that sends: many calls under way, while answers are stored and the next messages claimed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import suppress as suppress_error
from datetime import time as clock
from datetime import timedelta
from unittest import mock

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.suppressing import suppress
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.models import Account, Message, Outbox
from deliveries.providers.facts import Busy, LostAnswer, SendResult
from deliveries.providers.sandbox.adapter import Sandbox
from deliveries.sending import answers, claiming, send_loop, transport
from deliveries.sending.answers import Dispatched, store_answers
from deliveries.sending.dispatch import claim
from deliveries.sending.send_loop import SendLoop, send
from deliveries.sending.transport import LEASE, NOT_BEGUN, Answered, Claimed, Transport
from tests import factories
from tests.engine import agree, person, sending, waiting

pytestmark = pytest.mark.django_db
PATIENCE = 20.0  # seconds


class Providers:
    """Takes every message, each account after its own seconds (`delay`, by secret); remembers what was under way."""

    def __init__(self):
        self.delay: dict[str, float] = {}
        self.fails: dict[str, Exception] = {}
        self.sent: list[str] = []
        self.asked: list[str] = []
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.stop = threading.Event()

    async def send(self, adapter, message, credentials, client):
        account = credentials["secret"]
        self.sent.append(message.ref)
        self.now[account] += 1
        self.most[account] = max(self.most[account], self.now[account])
        ends = time.monotonic() + self.delay.get(account, 0.02)
        while time.monotonic() < ends and not self.stop.is_set():
            await asyncio.sleep(0.01)
        self.now[account] -= 1
        if message.ref in self.fails:
            raise self.fails[message.ref]
        return SendResult(True, provider_message_id=f"id-{message.ref}")

    async def find(self, adapter, message, credentials, client):
        self.asked.append(message.ref)
        return SendResult(True, provider_message_id=f"id-{message.ref}")


@pytest.fixture
def providers(monkeypatch):
    played = Providers()
    monkeypatch.setattr(Sandbox, "send", lambda *call: played.send(*call))
    monkeypatch.setattr(Sandbox, "find", lambda *call: played.find(*call))
    yield played
    played.stop.set()


@pytest.fixture
def loop():
    with Transport() as transport:
        yield SendLoop(transport)


@pytest.fixture
def campaign():
    return around_the_clock()


def around_the_clock():
    """The loop goes by the real clock, whatever the hour."""
    return sending(window_start=clock(0), window_end=clock.max)


def account(name: str = "A", **fields):
    return factories.account(name=name, credentials={"secret": name}, **fields)


def queue(campaign, of, count=1, **fields):
    now = timezone.now()
    made = []
    for _ in range(count):
        message = waiting(campaign, of, now, **fields)
        made.append(message)
    return made


def go_round(loop, until, *, although=()):
    """Turns until that is true, whatever of `although` they raise."""
    ends = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < ends, "It never came to that."
        with suppress_error(*although):
            loop.recover(timezone.now())
            loop.turn(timezone.now())


def left(of) -> int:
    return Outbox.objects.filter(account_id=of.pk).count()


def test_as_many_calls_are_under_way_as_the_account_allows_and_no_more(campaign, loop, providers):
    mine = account(at_a_time=7)
    providers.delay["A"] = 0.1
    messages = queue(campaign, mine, 20)

    go_round(loop, lambda: not Outbox.objects.exists())

    assert providers.most == {"A": 7}
    assert Counter(providers.sent) == Counter(str(message.uuid) for message in messages)
    assert set(Message.objects.values_list("status", flat=True)) == {"sending"}
    assert not loop.transport.calls
    assert agree()


def test_a_slow_account_holds_up_nobody(campaign, loop, providers):
    slow, quick = account("slow", at_a_time=3), account("quick", at_a_time=3)
    providers.delay["slow"] = PATIENCE
    queue(campaign, slow, 9)
    queue(campaign, quick, 9)

    go_round(loop, lambda: not left(quick))

    assert left(slow) == 9
    assert loop.transport.calls == {slow.pk: 3}


def test_a_sender_with_a_backlog_holds_up_no_other_of_the_same_account(campaign, loop, providers):
    mine, other = account(at_a_time=4), around_the_clock()
    queue(campaign, mine, 12)
    [late] = queue(other, mine)
    assert late.sender_id != campaign.contents.get().sender_id

    go_round(loop, lambda: str(late.uuid) in providers.sent)

    assert str(late.uuid) in providers.sent[:4]


def test_what_is_urgent_overtakes(campaign, loop, providers):
    mine = account(at_a_time=1)
    queue(campaign, mine, 3)
    [urgent] = queue(campaign, mine)
    Outbox.objects.filter(pk=urgent.pk).update(urgent=True)

    go_round(loop, lambda: not Outbox.objects.exists())

    assert providers.sent[0] == str(urgent.uuid)


def test_nothing_is_claimed_before_its_call_can_begin(campaign, loop, providers):
    mine = account(at_a_time=2)
    providers.delay["A"] = PATIENCE
    queue(campaign, mine, 5)

    go_round(loop, lambda: len(providers.sent) == 2)
    loop.turn(timezone.now())

    assert Outbox.objects.exclude(claimed_until=None).count() == 2


def test_as_many_are_claimed_ahead_as_places_become_free_in_every_turn(campaign, loop, providers):
    mine = account(at_a_time=4)
    queue(campaign, mine, 40)
    loop.recover(timezone.now())
    claimed = []
    while Outbox.objects.exists():
        loop.turn(timezone.now())
        claimed.append(loop.transport.calls[mine.pk])

    assert max(claimed) > 4  # while batches were claimed, others of theirs were answered
    assert max(claimed) <= 8
    assert providers.most == {"A": 4}
    assert len(set(providers.sent)) == len(providers.sent) == 40


def test_nothing_is_claimed_ahead_at_an_account_that_answers_now_and_then(campaign, loop, monkeypatch):
    mine, begun = account(at_a_time=3), []
    answered = Answered(Claimed(None, None, mine, timezone.now()), SendResult(True))
    turns = iter([[answered], [], [answered], []])
    monkeypatch.setattr(loop.transport, "answers", lambda *words: next(turns))
    monkeypatch.setattr(loop.transport, "begin", begun.extend)
    monkeypatch.setattr(send_loop, "store_answers", lambda *words, **more: [])
    queue(campaign, mine, 9)
    loop.recover(timezone.now())
    loop.transport.calls.update({mine.pk: 3})

    for _ in range(4):
        loop.turn(timezone.now())

    assert begun == []


def test_calls_that_find_no_place_wait_in_line_and_are_made_in_their_turn(providers):
    mine = account(at_a_time=2)
    claimed = [Claimed(factories.message(), mock.Mock(ref=str(n)), mine, timezone.now()) for n in range(6)]
    with Transport() as transport:
        transport.begin(claimed)
        answers = transport.answers(PATIENCE, 6)

    assert len(answers) == 6
    assert providers.most == {"A": 2}
    assert providers.sent == [str(n) for n in range(6)]


def test_what_waits_in_line_for_too_long_is_given_back(providers, monkeypatch):
    monkeypatch.setattr(transport, "IN_LINE", 0.05)
    mine = account(at_a_time=1)
    providers.delay["A"] = 0.3
    claimed = [Claimed(factories.message(), mock.Mock(ref=str(n)), mine, timezone.now()) for n in range(3)]
    with Transport() as calls:
        calls.begin(claimed)
        answers = {answered.claimed.outgoing.ref: answered.answer for answered in calls.answers(PATIENCE, 3)}

    assert providers.sent == ["0"]
    assert [answers[str(n)] is NOT_BEGUN for n in range(3)] == [False, True, True]


def test_who_says_no_while_others_are_under_way_is_not_written_to(campaign, loop, providers):
    mine = account(at_a_time=1)
    providers.delay["A"] = 0.2
    _, second = queue(campaign, mine, 2)
    go_round(loop, lambda: len(providers.sent) == 1)

    suppress(value=second.address.value, reason="staff", origin="staff", now=timezone.now())
    go_round(loop, lambda: not Outbox.objects.exists())

    assert str(second.uuid) not in providers.sent
    second.refresh_from_db()
    assert second.status == "canceled"


def test_answers_wait_while_the_database_is_away(campaign, loop, providers, monkeypatch):
    mine = account()
    queue(campaign, mine, 3)
    real, tries = send_loop.store_answers, []

    def away(*words, **more):
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("gone")
        return real(*words, **more)

    monkeypatch.setattr(send_loop, "store_answers", away)
    go_round(loop, lambda: not Outbox.objects.exists(), although=[OperationalError])

    assert len(providers.sent) == 3
    assert not providers.asked


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no single row")
@pytest.mark.django_db(transaction=True)
def test_a_recipient_that_somebody_keeps_locked_holds_up_no_other_answer(loop, providers, monkeypatch):
    monkeypatch.setattr(send_loop, "REFRESH", 0.1)
    locked, *others = queue(around_the_clock(), account(), 5)
    stored = Message.objects.exclude(handed_over_at=None)

    with psycopg.connect(**connection.get_connection_params()) as somebody:
        somebody.execute("SELECT 1 FROM campaigns_recipient WHERE id = %s FOR UPDATE", [locked.recipient_id])
        go_round(loop, lambda: len(providers.sent) == 5 and stored.count() == len(others))
        assert set(stored.all()) == set(others)
        somebody.rollback()
    go_round(loop, lambda: not Outbox.objects.exists())

    assert stored.all().count() == 5


def test_a_locked_answer_is_tried_again_whatever_is_locked_after_it(loop, monkeypatch):
    now = [10.0]
    monkeypatch.setattr(send_loop, "time", mock.Mock(monotonic=lambda: now[0]))
    monkeypatch.setattr(send_loop, "store_answers", lambda answers, *given, **named: list(answers))

    for answer in ("first", "second"):
        loop._unstored = [answer]
        loop._store(timezone.now(), Dispatched())
        now[0] += 0.6

    assert loop._unlocked() == ["first", "second"]


def test_whose_answer_waits_for_a_lock_is_not_looked_up_when_its_claim_runs_out(campaign, loop, providers):
    mine = account()
    locked, doubtful = queue(campaign, mine, 2)
    ended = timezone.now() - timedelta(seconds=1)
    Outbox.objects.update(claimed_until=ended, attempts=1)
    refused = Answered(Claimed(locked, mock.Mock(), mine, ended), SendResult(False, native_status="rejected"))
    loop._locked, loop._locked_until = [refused], float("inf")

    assert loop.recover(timezone.now()) == 1
    go_round(loop, lambda: providers.asked == [str(doubtful.uuid)])

    assert Outbox.objects.get(pk=locked.pk).claimed_until == ended  # the answer still counts


def test_a_rest_begins_once_though_its_answer_stays_locked(campaign, monkeypatch):
    mine, begun = account(), []
    (row,) = queue(campaign, mine, 1)
    claimed = Claimed(row, None, mine, timezone.now())
    answered = Answered(claimed, SendResult(False, retry_after=7.0, busy=Busy.ACCOUNT))
    monkeypatch.setattr(answers, "rest", begun.append)
    monkeypatch.setattr(answers, "_locked", lambda given, facts: list(given))

    kept = store_answers([answered], timezone.now(), Dispatched(), wait=False)

    assert kept == [answered]
    assert begun == []


def test_a_call_that_fails_is_in_doubt_and_its_neighbours_are_not(campaign, loop, providers):
    mine = account()
    lost, broken, _ = queue(campaign, mine, 3)
    providers.fails = {str(lost.uuid): LostAnswer("gone"), str(broken.uuid): ValueError("a mistake of ours")}

    go_round(loop, lambda: len(providers.sent) == 3 and not loop.transport.calls)

    assert set(Outbox.objects.values_list("message_id", "held")) == {
        (lost.pk, "answer_lost"), (broken.pk, "answer_lost"),
    }  # fmt: skip


def test_an_account_whose_credentials_cannot_be_read_keeps_no_place_and_loses_nothing(
    campaign, loop, providers
):
    broken, fine = account("broken"), account("fine")
    queue(campaign, broken, 2)
    queue(campaign, fine, 2)
    Account.objects.filter(pk=broken.pk).update(credentials="encrypted with another key")

    go_round(loop, lambda: not left(fine))
    go_round(loop, lambda: not loop.transport.calls)

    assert left(broken) == 2
    assert not Outbox.objects.exclude(claimed_until=None).exists()


def test_what_is_in_doubt_is_looked_up_and_not_sent_again(campaign, loop, providers):
    mine = account()
    [message] = queue(campaign, mine)
    Outbox.objects.update(claimed_until=timezone.now() - timedelta(seconds=1), held="answer_lost")

    go_round(loop, lambda: not Outbox.objects.exists())

    assert (providers.sent, providers.asked) == ([], [str(message.uuid)])
    message.refresh_from_db()
    assert message.provider_message_id == f"id-{message.uuid}"


def test_a_message_that_may_end_its_process_goes_when_nothing_else_is_under_way(campaign, loop, providers):
    mine, other = account(), account("B")
    providers.delay["B"] = 0.3
    queue(campaign, other, 3)
    go_round(loop, lambda: len(providers.sent) == 3)
    [suspect] = queue(campaign, mine)
    for _ in range(2):
        quarantine.count(Kind.HAND_OVER, [suspect.pk], timezone.now())

    go_round(loop, lambda: str(suspect.uuid) in providers.sent)

    assert not loop.transport.calls[other.pk]
    assert not left(other)


def test_whoever_ends_it_waits_for_what_is_under_way(campaign, providers):
    mine = account()
    providers.delay["A"] = 0.3
    queue(campaign, mine, 3)
    with Transport() as transport:
        loop = SendLoop(transport)
        go_round(loop, lambda: len(providers.sent) == 3)
        loop.finish()

    assert not Outbox.objects.exists()


def test_what_is_under_way_for_too_long_when_it_ends_is_in_doubt(campaign, providers, monkeypatch):
    monkeypatch.setattr(send_loop, "GRACE", 0.1)
    mine, now = account(), timezone.now()
    providers.delay["A"] = PATIENCE
    queue(campaign, mine, 3)
    with Transport() as transport:
        loop = SendLoop(transport)
        go_round(loop, lambda: len(providers.sent) == 3)
        loop.finish()

    assert all(
        claimed >= now + LEASE / 2 for claimed in Outbox.objects.values_list("claimed_until", flat=True)
    )


def test_one_process_that_does_all_the_work_sends_what_is_due_and_comes_back(campaign, providers):
    mine = account()
    queue(campaign, mine, 3)
    later = person(campaign.channel, at=timezone.now())
    waiting(campaign, mine, timezone.now(), contact=later, due_at=timezone.now() + timedelta(hours=1))

    assert send(timezone.now()) == 3
    assert left(mine) == 1
    assert send(timezone.now()) == 0


def test_answers_are_stored_although_the_database_fails_in_between(campaign, providers, monkeypatch):
    mine = account()
    queue(campaign, mine, 3)
    real, failed = send_loop.claim, []

    def claim(*words, **more):
        if providers.sent and not failed:
            failed.append(1)
            raise OperationalError("gone")
        return real(*words, **more)

    monkeypatch.setattr(send_loop, "claim", claim)
    with pytest.raises(OperationalError):
        send(timezone.now())

    assert len(providers.sent) == 3
    assert not Outbox.objects.exists()


def test_what_is_answered_is_not_looked_up_while_it_waits_to_be_stored(
    campaign, loop, providers, monkeypatch
):
    queue(campaign, account(), 3)
    real = send_loop.store_answers
    monkeypatch.setattr(send_loop, "store_answers", mock.Mock(side_effect=OperationalError("gone")))
    go_round(loop, lambda: len(providers.sent) == 3 and loop._unstored, although=[OperationalError])
    Outbox.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))

    monkeypatch.setattr(send_loop, "store_answers", real)
    go_round(loop, lambda: not Outbox.objects.exists())

    assert providers.asked == []


def test_nothing_is_claimed_where_what_a_handover_needs_cannot_be_loaded(
    campaign, loop, providers, monkeypatch
):
    queue(campaign, account(), 3)
    loop.recover(timezone.now())
    monkeypatch.setattr(claiming, "contents_of", mock.Mock(side_effect=OperationalError("gone")))

    with pytest.raises(OperationalError):
        loop.turn(timezone.now())

    assert not Outbox.objects.exclude(claimed_until=None).exists()


def test_handing_over_takes_as_many_statements_for_few_messages_as_for_many(campaign):
    """A column that was not loaded with the others is read for each message alone."""
    of = account()

    def statements(count: int) -> int:
        made, result = queue(campaign, of, count), Dispatched()
        now = timezone.now()
        with CaptureQueriesContext(connection) as sent:
            claimed = claim(now, {of.pk: count}, result)
            taken = [Answered(each, SendResult(True, f"id-{each.message.pk}")) for each in claimed]
            store_answers(taken, now, result)
        assert result.handed_over == len(made)
        return len(sent)

    few = statements(2)  # the first one fills what is kept in memory
    assert statements(12) <= few
