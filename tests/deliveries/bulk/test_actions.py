"""Bulk actions: what was chosen is done, once, and each row says what became of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts.consenting import record_opt_out
from contacts.models import Suppression
from deliveries.bulk import actions as subject
from deliveries.bulk.actions import GRACE, run, start, undo
from deliveries.bulk.previewing import preview
from deliveries.ledger import quarantine
from deliveries.models import Batch, Cause, Message, Outbox, QueueEntry
from deliveries.sending.dispatch import dispatch
from tests.deliveries.bulk.batches import DONE, outcomes, queue, these
from tests.engine import (
    DEAD,
    DELIVERED,
    Fake,
    agree,
    report,
    sending,
    waiting,
    work,
)

pytestmark = pytest.mark.django_db


# ---- Acting -------------------------------------------------------------------------------------------------------


def test_a_retry_leaves_a_minute_later_and_says_who_made_it(failed, staff, now):
    message = failed()
    batch = start(Batch.Action.RETRY, these(message, now=now), {}, staff, now)
    carriers = Fake()

    dispatch(now, carriers)
    assert carriers.left == []
    dispatch(now + GRACE, carriers)

    retry = Message.objects.latest("pk")
    assert (retry.follows_id, retry.cause, retry.attempt) == (message.pk, Cause.BULK_RETRY, 2)
    assert f"batch {batch.pk}" in retry.cause_reason
    assert len(carriers.left) == 1
    assert not QueueEntry.objects.exists()
    assert agree()


def test_two_people_who_retry_the_same_at_once_send_it_once(failed, staff, make_user, now):
    chosen = these(failed(), now=now)

    first = start(Batch.Action.RETRY, chosen, {}, staff, now)
    second = start(Batch.Action.RETRY, chosen, {}, make_user("marketer"), now)

    assert (first.acted, second.acted) == (1, 0)
    assert outcomes(second) == {("skipped", "under_way"): 1}
    assert Outbox.objects.count() == 1


def test_a_dead_number_is_moved_to_email_by_hand(failed, staff, now):
    message = failed(DEAD)

    batch = start(Batch.Action.SWITCH, these(message, now=now), {"channel": "email"}, staff, now)
    work(now + GRACE)

    mail = Message.objects.latest("pk")
    assert batch.acted == 1
    assert (mail.channel, mail.cause, mail.status) == ("email", Cause.BULK_SWITCH, "sending")
    assert QueueEntry.objects.get().queue == "correct"
    assert agree()


def test_rows_are_judged_anew_when_the_batch_runs(failed, staff, monkeypatch, now):
    monkeypatch.setattr(subject, "SLICE", 1)
    messages = [failed() for _ in range(3)]
    batch = start(Batch.Action.RETRY, these(*messages, now=now), {}, staff, now)
    assert batch.acted == 0

    report(messages[1], DELIVERED, now)
    record_opt_out(value=messages[2].address.value, channel="sms", how="Reply", evidence="STOP", at=now)
    while run(now):
        pass

    batch.refresh_from_db()
    assert outcomes(batch) == {("acted", ""): 1, ("skipped", "delivered"): 1, ("skipped", "opted_out"): 1}
    assert (batch.state, batch.total) == (DONE, 3)
    assert agree()


def test_a_filter_takes_those_that_stood_there_when_it_was_chosen(failed, campaign, staff, now):
    first = failed()
    chosen = queue("retry", campaign, now)
    newcomer = failed()
    QueueEntry.objects.filter(pk=newcomer.pk).update(at=now + timedelta(seconds=1))

    counted = preview(Batch.Action.RETRY, chosen, {}, now)
    batch = start(Batch.Action.RETRY, chosen, {}, staff, now)

    assert (counted.total, batch.total, batch.acted) == (1, 1, 1)
    assert batch.items.get().message_id == first.pk


def test_today_is_that_of_whoever_chose_also_when_a_worker_goes_on(failed, campaign, staff, monkeypatch, now):
    monkeypatch.setattr(subject, "SLICE", 1)
    yesterday, *_ = messages = [failed() for _ in range(3)]
    QueueEntry.objects.filter(pk=yesterday.pk).update(
        at=now - timedelta(hours=8)
    )  # in UTC it is today as well

    with timezone.override("Pacific/Auckland"):  # where the day began six hours ago
        chosen = queue("retry", campaign, now, updated="today")
        found = preview(Batch.Action.RETRY, chosen, {}, now)
        batch = start(Batch.Action.RETRY, chosen, {}, staff, now)
    while run(now):
        pass

    batch.refresh_from_db()
    assert (found.total, batch.total, batch.acted) == (2, 2, 2)
    assert set(batch.items.values_list("message_id", flat=True)) == {one.pk for one in messages[1:]}


def test_a_large_batch_goes_on_after_a_crash_and_doubles_nothing(failed, campaign, staff, monkeypatch, now):
    monkeypatch.setattr(subject, "SLICE", 2)
    messages = [failed() for _ in range(7)]
    batch = start(Batch.Action.RETRY, queue("retry", campaign, now), {}, staff, now)
    run(now)
    honest = subject.succeed

    def die(*args, **kwargs):
        honest(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as crash:
        crash.setattr(subject, "succeed", die)
        with pytest.raises(KeyboardInterrupt):
            run(now)
    for _ in range(10):
        run(now + quarantine.PAUSES[0])

    batch.refresh_from_db()
    assert (batch.state, batch.total, batch.acted, batch.skipped) == (DONE, 7, 7, 0)
    assert Message.objects.filter(follows__in=messages).count() == Outbox.objects.count() == 7
    assert agree()


def test_a_batch_that_cannot_go_on_does_not_hold_up_the_others(failed, staff, monkeypatch, now):
    one, other = failed(), failed()
    monkeypatch.setattr(subject, "SLICE", 0)  # nothing runs at once
    broken = start(Batch.Action.SWITCH, these(one, now=now), {}, staff, now)  # to no channel
    sound = start(Batch.Action.RETRY, these(other, now=now), {}, staff, now)
    monkeypatch.undo()

    run(now)

    broken.refresh_from_db()
    sound.refresh_from_db()
    assert (broken.acted, sound.state, sound.acted) == (0, DONE, 1)


# ---- Suppressing in bulk ------------------------------------------------------------------------------------------


def test_a_bulk_suppression_skips_who_was_reached_by_a_newer_message_and_says_so(
    campaign, failed, account, staff, now
):
    plain, elsewhere, same, older = failed(DEAD), failed(), failed(), failed()
    email = start(Batch.Action.SWITCH, these(elsewhere, now=now), {"channel": "email"}, staff, now)
    dispatch(now + GRACE, Fake())
    report(Message.objects.get(pk=email.items.get().successor_id), DELIVERED, now + GRACE)
    other = sending("sms")
    later = waiting(other, account, now, same.contact, address=same.address)
    dispatch(now + GRACE, Fake())
    report(later, DELIVERED, now + GRACE)
    report(older, DELIVERED, now + GRACE)  # it arrived itself: nothing newer did
    work(now + GRACE)

    given = these(plain, elsewhere, same, older, now=now)
    found = preview(Batch.Action.SUPPRESS, given, {}, now + GRACE)
    batch = start(Batch.Action.SUPPRESS, given, {"note": "Asked"}, staff, now + GRACE)

    assert [(skip.label, skip.n) for skip in found.skipped] == [("Reached by a newer message", 2)]
    assert outcomes(batch) == {("acted", ""): 2, ("skipped", "reached"): 2}
    assert set(Suppression.objects.values_list("value", flat=True)) == {
        plain.address.value, older.address.value
    }  # fmt: skip


def test_an_address_where_a_newer_message_arrived_is_not_marked(failed, account, staff, now):
    message = failed(DEAD)
    later = waiting(sending("sms"), account, now, message.contact, address=message.address)
    dispatch(now + GRACE, Fake())
    report(later, DELIVERED, now + GRACE)

    batch = start(Batch.Action.CORRECT, these(message, now=now), {}, staff, now + GRACE)

    assert outcomes(batch) == {("skipped", "reached"): 1}


@pytest.mark.parametrize("action", [Batch.Action.SUPPRESS, Batch.Action.CORRECT])
def test_marking_suppressing_and_taking_back_cost_the_same_however_many_rows(failed, staff, now, action):
    def cost(messages):
        chosen = these(*messages, now=now)
        with CaptureQueriesContext(connection) as queries:
            batch = start(action, chosen, {"note": "Asked"}, staff, now)
        with CaptureQueriesContext(connection) as back:
            undo(batch, staff, now)
        assert batch.acted == len(messages)
        return len(queries), len(back)

    few, many = [failed(DEAD) for _ in range(2)], [failed(DEAD) for _ in range(9)]

    at_first, then = cost(few), cost(many)

    assert then <= at_first
