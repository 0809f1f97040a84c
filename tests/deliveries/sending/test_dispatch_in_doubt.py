"""Messages of which nobody knows whether they left, and answers that come late or cannot be stored."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import DataError, OperationalError

from campaigns.models import Recipient
from deliveries.deciding.followup import follow_status_changes
from deliveries.ledger import quarantine
from deliveries.ledger.quarantine import Kind
from deliveries.models import Account, Message, Outbox, Quarantined
from deliveries.models.work import NOT_NOW
from deliveries.providers import PROVIDERS
from deliveries.providers.facts import SendResult
from deliveries.providers.sandbox.adapter import Sandbox
from deliveries.running import again
from deliveries.sending import answers, transport
from deliveries.sending.claiming import ANSWER_LOST, MOST_ENDINGS, SET_ASIDE
from deliveries.sending.dispatch import (
    dispatch,
    recover,
)
from deliveries.sending.transport import LEASE
from tests import factories
from tests.engine import ABSENT, DELIVERED, TAKEN, Fake, agree, report, waiting

pytestmark = pytest.mark.django_db


# ---- A process that died --------------------------------------------------------------------------------------


@pytest.fixture
def in_doubt(queued, now):
    """A message whose process died while it handed it over."""
    message = queued()

    def die():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dispatch(now, Fake(during=die))
    return message


def test_a_claim_is_left_alone_until_its_lease_is_over(in_doubt, now):
    carriers = Fake()

    assert recover(now + LEASE - timedelta(seconds=1), carriers).looked_at == 0
    assert dispatch(now + LEASE * 2, carriers).looked_at == 0
    assert carriers.left == []


def test_a_message_in_doubt_that_the_provider_has_is_not_sent_again(in_doubt, now):
    carriers = Fake(found=TAKEN)
    later = now + LEASE * 2

    result = recover(later, carriers)
    dispatch(later, carriers)

    in_doubt.refresh_from_db()
    assert (result.handed_over, carriers.left) == (1, [])
    assert in_doubt.provider_message_id == f"id-{in_doubt.pk}"
    assert carriers.asked[0].extra["since"] == now.isoformat()
    assert agree()


def test_a_message_in_doubt_that_never_left_is_sent(in_doubt, now):
    carriers = Fake(found=SendResult(False, native_status="never_received"))
    later = now + LEASE * 2

    assert recover(later, carriers).put_off == 1
    assert dispatch(later, carriers).handed_over == 1


def test_a_message_in_doubt_of_which_nobody_can_tell_waits_for_its_receipt(in_doubt, now):
    carriers = Fake(found=None)
    later = now + LEASE * 2

    result = recover(later, carriers)
    dispatch(later, carriers)

    in_doubt.refresh_from_db()
    assert (result.in_doubt, carriers.left) == (1, [])
    assert (in_doubt.status, in_doubt.handed_over_at) == ("sending", now)
    assert in_doubt.recipient.next_step_at == later + timedelta(hours=24)  # then at risk
    assert in_doubt.recipient.state == "open"


def test_a_message_that_keeps_ending_its_process_comes_again_ever_later(in_doubt, now):
    later = now + LEASE * 2
    Outbox.objects.update(attempts=9)

    recover(later, Fake(found=SendResult(False, native_status="never_received")))

    assert Outbox.objects.get().due_at == later + timedelta(minutes=9)


def end_process(*_):
    raise KeyboardInterrupt


NEVER = SendResult(False, native_status="never_received")


def test_a_message_that_ends_its_process_each_time_is_set_aside_and_its_neighbours_leave(queued, now):
    messages = [queued() for _ in range(4)]
    bad = messages[1]

    def during(carriers):
        if any(each.ref == str(bad.uuid) for each in carriers.left):
            raise KeyboardInterrupt

    for _ in range(60):
        now += LEASE * 2
        carriers = Fake()
        carriers.during = lambda carriers=carriers: during(carriers)
        with suppress(KeyboardInterrupt):
            dispatch(now, carriers)
        recover(now, Fake(found=NEVER))

    row = Outbox.objects.get()
    assert (row.message_id, row.held) == (bad.pk, SET_ASIDE)
    aside = Quarantined.objects.get()
    assert (aside.kind, aside.object_id, aside.not_before) == (Kind.HAND_OVER, bad.pk, None)
    assert aside.attempts == MOST_ENDINGS
    assert set(Message.objects.exclude(pk=bad.pk).values_list("status", flat=True)) == {"sending"}


def test_a_message_whose_look_up_ends_the_process_is_set_aside_as_well(in_doubt, now):
    for _ in range(20):
        now += LEASE * 2
        with suppress(KeyboardInterrupt):
            recover(now, Fake(during=end_process))

    assert Outbox.objects.get().held == SET_ASIDE


def test_answers_that_are_lost_are_no_reason_to_set_a_message_aside(queued, now):
    queued()
    dispatch(now, Fake(answer=None))
    for _ in range(MOST_ENDINGS + 2):
        now += LEASE * 2
        recover(now, Fake(found=NEVER))
        Account.objects.update(paused_until=None)
        now += timedelta(minutes=20)
        dispatch(now, Fake(answer=None))

    assert not Quarantined.objects.exists()
    assert Outbox.objects.get().held == ANSWER_LOST


def test_a_message_set_aside_is_looked_up_before_it_is_sent_again(in_doubt, now):
    Outbox.objects.update(held=SET_ASIDE, claimed_until=NOT_NOW)
    quarantine.set_aside(Kind.HAND_OVER, in_doubt.pk, "x", now)
    carriers = Fake(found=TAKEN)

    again.try_again(list(Quarantined.objects.all()), now)
    dispatch(now, carriers)
    recover(now, carriers)

    assert (len(carriers.left), len(carriers.asked)) == (0, 1)
    assert not Outbox.objects.exists()
    assert not Quarantined.objects.exists()


def test_a_late_answer_changes_nothing_once_the_lease_was_taken_over(queued, now):
    message = queued()
    later = now + LEASE * 2

    def taken_over():
        recover(later, Fake(found=TAKEN))

    result = dispatch(
        now, Fake(SendResult(False, native_status="failed", native_code="x"), during=taken_over)
    )

    message.refresh_from_db()
    assert result.looked_at == 0
    assert (message.status, message.provider_message_id) == ("sending", f"id-{message.pk}")


def test_that_a_provider_took_a_message_counts_whoever_looks_after_it_by_now(queued, now):
    message = queued()
    later = now + LEASE * 2

    def put_back():
        recover(later, Fake(found=SendResult(False, native_status="never_received")))

    dispatch(now, Fake(TAKEN, during=put_back))

    message.refresh_from_db()
    assert message.provider_message_id == f"id-{message.pk}"
    assert not Outbox.objects.exists()


def test_a_pause_that_was_made_by_hand_is_not_shortened_by_failures(queued, account, now):
    until = now + timedelta(days=1)
    for _ in range(5):
        queued()

    def pause():
        Account.objects.filter(pk=account.pk).update(paused_until=until)

    dispatch(now, Fake(SendResult(False, retry_after=30.0), during=pause))

    account.refresh_from_db()
    assert (account.paused_until, account.failures) == (until, 0)


def test_the_lease_is_looked_up_only_once_at_a_time(in_doubt, now):
    later = now + LEASE * 2
    seen = []

    recover(later, Fake(found=TAKEN, during=lambda: seen.append(recover(later, Fake(found=TAKEN)).looked_at)))

    assert seen == [0]


# ---- Receipts that are faster than the answer -----------------------------------------------------------------


def test_what_a_fast_receipt_decided_is_not_undone_by_the_answer(queued, now):
    message = queued()

    def receipt():
        report(message, ABSENT, now)
        follow_status_changes(now)

    dispatch(now, Fake(during=receipt))

    recipient = Recipient.objects.get()
    assert recipient.next_step == "retry"
    assert recipient.next_step_at == now + timedelta(hours=4)
    assert agree()


def test_an_arrival_that_is_faster_than_the_answer_stays_an_arrival(queued, now):
    message = queued()

    def receipt():
        report(message, DELIVERED, now)
        follow_status_changes(now)

    dispatch(now, Fake(during=receipt))

    message.refresh_from_db()
    assert (message.status, message.recipient.state) == ("delivered", "reached")
    assert message.recipient.next_step_at is None
    assert agree()


# ---- Storing the answers --------------------------------------------------------------------------------------


def test_storing_is_tried_again_when_the_transaction_lost(queued, monkeypatch, now):
    message = queued()
    honest, fails = answers.apply, iter([True, True, False])

    def flaky(events, now):
        done = honest(events, now)
        if next(fails):
            raise OperationalError("deadlock detected")
        return done

    monkeypatch.setattr(answers, "apply", flaky)

    result = dispatch(now, Fake(SendResult(False, native_status="rejected", native_code="x")))

    message.refresh_from_db()
    assert (result.refused, result.looked_at) == (1, 1)
    assert not Outbox.objects.exists()


def test_an_answer_that_the_database_refuses_does_not_hold_up_its_neighbours(queued, monkeypatch, now):
    messages = [queued() for _ in range(3)]
    odd = messages[1]
    adapter = PROVIDERS[odd.account.provider]
    honest = adapter.message_key

    def refuse(provider_message_id, to):
        if provider_message_id == f"{TAKEN.provider_message_id}-{odd.pk}":
            raise DataError("value too long")
        return honest(provider_message_id, to)

    monkeypatch.setattr(adapter, "message_key", refuse)

    result = dispatch(now, Fake())

    assert (result.handed_over, result.in_doubt) == (2, 1)
    assert Outbox.objects.get().message_id == odd.pk
    assert recover(now + LEASE * 2, Fake(found=TAKEN)).in_doubt == 1
    assert set(Message.objects.values_list("status", flat=True)) == {"sending"}
    assert not Outbox.objects.exists()


# ---- The calls themselves --------------------------------------------------------------------------------------


def calls(monkeypatch, *, seconds):
    """Have the sandbox's adapter answer after a while; return the references it was called with."""
    called = []

    async def send(self, message, credentials, client):
        called.append(message.ref)
        await asyncio.sleep(seconds)
        return SendResult(True, provider_message_id=message.ref)

    monkeypatch.setattr(Sandbox, "send", send)
    return called


def test_a_call_that_hangs_is_a_lost_answer(queued, monkeypatch, now):
    queued()
    calls(monkeypatch, seconds=5)
    monkeypatch.setattr(transport, "CALL_LIMIT", 0.05)

    assert dispatch(now).in_doubt == 1


def test_no_call_begins_that_could_outlast_its_lease(queued, monkeypatch, now):
    for _ in range(5):
        queued()
    called = calls(monkeypatch, seconds=0.0)
    ticks = itertools.count(0, 10)  # every look at the clock finds it ten seconds on
    for module in ("dispatch", "transport"):
        clock = SimpleNamespace(monotonic=lambda: next(ticks))
        monkeypatch.setattr(f"deliveries.sending.{module}.time", clock)
    monkeypatch.setattr("deliveries.sending.dispatch.BEGIN_WITHIN", 30)

    result = dispatch(now)

    assert (result.handed_over, result.put_off, result.in_doubt) == (3, 2, 0)
    assert len(called) == 3
    assert list(Outbox.objects.values_list("claimed_until", "due_at")) == [(None, now)] * 2


def test_a_look_up_that_was_not_made_leaves_the_claim_as_it_is(in_doubt, monkeypatch, now):
    monkeypatch.setattr("deliveries.sending.dispatch.BEGIN_WITHIN", -1.0)
    later = now + LEASE * 2

    assert recover(later).looked_at == 0
    assert Outbox.objects.get().claimed_until == later + LEASE


def test_an_account_without_its_credentials_hands_nothing_over_and_loses_nothing(campaign, now):
    message = waiting(campaign, factories.account(credentials={}), now)

    result = dispatch(now)

    message.refresh_from_db()
    assert (result.put_off, message.status) == (1, "queued")
    assert Outbox.objects.get().due_at > now
