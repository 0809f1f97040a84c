"""A bulk action taken back."""

from __future__ import annotations

import pytest
from django.db import connection

from campaigns.models import Recipient
from contacts.consenting import record_opt_out
from contacts.models import Address, AddressHealth, Suppression
from contacts.suppressing import suppress
from deliveries.bulk import actions as subject
from deliveries.bulk.actions import GRACE, can_undo, run, start, undo
from deliveries.bulk.previewing import preview
from deliveries.models import Batch, BatchItem, Message, Outbox, QueueEntry
from deliveries.sending.dispatch import dispatch
from tests.deliveries.bulk.batches import DONE, HOUR, UNDONE, outcomes, queue, these, world
from tests.engine import (
    DEAD,
    Fake,
    agree,
    work,
)

pytestmark = pytest.mark.django_db


# ---- Undo ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", [Batch.Action.RETRY, Batch.Action.SWITCH])
def test_undoing_before_the_handover_brings_everything_back(failed, staff, action, now):
    messages = [failed(), failed()]
    before = world()
    options = {"channel": "email"} if action == Batch.Action.SWITCH else {}
    batch = start(action, these(*messages, now=now), options, staff, now)
    assert can_undo(batch)
    assert world() != before

    undo(batch, staff, now)
    work(now + GRACE)

    batch.refresh_from_db()
    assert (batch.state, batch.undone) == (UNDONE, 2)
    assert outcomes(batch) == {("undone", ""): 2}
    assert world() == before
    assert not Outbox.objects.exists()
    assert not can_undo(batch)
    assert agree()


def test_undoing_after_the_handover_says_too_late(failed, staff, now):
    early, late = failed(), failed()
    batch = start(Batch.Action.RETRY, these(early, late, now=now), {}, staff, now)
    waits = Message.objects.get(follows=late)
    Outbox.objects.filter(pk=waits.pk).update(due_at=now + HOUR)
    work(now + GRACE)

    undo(batch, staff, now + GRACE)

    batch.refresh_from_db()
    waits.refresh_from_db()
    assert outcomes(batch) == {("too_late", ""): 1, ("undone", ""): 1}
    assert subject.results(batch) == {"acted": 0, "skipped": 0, "undone": 1, "too_late": 1}
    assert (batch.undone, waits.status, waits.reason_code) == (1, "canceled", "undone")
    assert Recipient.objects.get(pk=early.recipient_id).state == "open"
    assert agree()


def test_a_handover_that_has_begun_cannot_be_undone(failed, staff, now):
    batch = start(Batch.Action.RETRY, these(failed(), now=now), {}, staff, now)
    undoable = []

    def meanwhile():
        undoable.append(can_undo(batch))
        undo(batch, staff, now + GRACE)

    result = dispatch(now + GRACE, Fake(during=meanwhile))

    assert (undoable, result.handed_over) == ([False], 1)
    assert outcomes(batch) == {("too_late", ""): 1}
    assert agree()


def test_undoing_twice_undoes_once(failed, staff, now):
    batch = start(Batch.Action.RETRY, these(failed(), now=now), {}, staff, now)

    undo(batch, staff, now)
    undo(batch, staff, now)

    batch.refresh_from_db()
    assert (batch.state, batch.undone) == (UNDONE, 1)


def test_what_was_undone_can_be_done_again(failed, staff, now):
    message = failed()
    undo(start(Batch.Action.RETRY, these(message, now=now), {}, staff, now), staff, now)

    again = start(Batch.Action.RETRY, these(message, now=now), {}, staff, now)

    assert again.acted == 1
    assert Message.objects.filter(follows=message, canceled_at=None).count() == 1
    assert agree()


def test_undoing_a_running_batch_stops_it(failed, staff, monkeypatch, now):
    monkeypatch.setattr(subject, "SLICE", 1)
    messages = [failed() for _ in range(3)]
    batch = start(Batch.Action.RETRY, these(*messages, now=now), {}, staff, now)
    run(now)

    undo(batch, staff, now)
    while run(now):
        pass

    batch.refresh_from_db()
    assert (batch.state, batch.total, batch.acted, batch.undone) == (UNDONE, 1, 1, 1)
    assert not Outbox.objects.exists()
    assert agree()


def test_addresses_marked_for_correction_are_restored(failed, staff, now):
    message = failed(DEAD)
    batch = start(Batch.Action.CORRECT, these(message, now=now), {}, staff, now)
    marked = AddressHealth.objects.filter(marked_at__isnull=False)
    assert list(marked.values_list("address", "channel")) == [(message.address_id, "sms")]
    assert outcomes(start(Batch.Action.CORRECT, these(message, now=now), {}, staff, now)) == {
        ("skipped", "already_marked"): 1
    }

    undo(batch, staff, now)

    assert not marked.exists()
    assert Address.objects.get(pk=message.address_id).validity == "valid"
    assert QueueEntry.objects.get().queue == "correct"
    assert agree()


def test_a_bulk_suppression_takes_the_rows_out_of_their_queues_and_undo_releases_it(
    failed, staff, make_user, now
):
    message, other = failed(DEAD), make_user("admin")
    before = world()
    batch = start(Batch.Action.SUPPRESS, these(message, now=now), {"note": "Asked by phone"}, staff, now)
    entry = Suppression.objects.get()
    assert (entry.value, entry.channel, entry.evidence) == (message.address.value, "sms", "Asked by phone")
    assert not QueueEntry.objects.exists()
    assert preview(Batch.Action.SUPPRESS, these(message, now=now), {}, now).skipped[0].reason == (
        "already_suppressed"
    )

    undo(batch, other, now)

    entry.refresh_from_db()
    assert (entry.released_at, entry.released_by_id) == (now, other.pk)
    assert world() == before
    assert agree()


def test_an_undo_leaves_the_block_that_a_colleague_made_since(failed, staff, make_user, now):
    message, colleague = failed(DEAD), make_user("admin")
    batch = start(Batch.Action.SUPPRESS, these(message, now=now), {"note": "Wrong list"}, staff, now)
    suppress(
        value=message.address.value, channel="sms", reason="staff", origin="staff", evidence="Wrong list",
        by=colleague, now=now,
    )  # fmt: skip

    undo(batch, staff, now)

    left = Suppression.objects.in_force(now).get()
    assert (left.created_by, left.evidence) == (colleague, "Wrong list")
    assert preview(Batch.Action.SUPPRESS, these(message, now=now), {}, now).skipped[0].reason == (
        "already_suppressed"
    )


def test_what_the_person_asked_for_since_is_not_released_by_an_undo(failed, staff, now):
    message = failed(DEAD)
    batch = start(Batch.Action.SUPPRESS, these(message, now=now), {}, staff, now)
    record_opt_out(value=message.address.value, channel="sms", how="Reply", evidence="STOP", at=now)

    undo(batch, staff, now)

    assert Suppression.objects.in_force(now).get().reason == "stop"


@pytest.mark.django_db(transaction=True)
def test_a_batch_run_by_two_workers_at_once_acts_once(failed, campaign, staff, monkeypatch, now):
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(subject, "SLICE", 3)
    messages = [failed() for _ in range(12)]
    batch = start(Batch.Action.RETRY, queue("retry", campaign, now), {}, staff, now)

    def work_on():
        try:
            while run(now):
                pass
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(work_on) for _ in range(3)]:
            future.result()

    batch.refresh_from_db()
    assert (batch.state, batch.acted) == (DONE, 12)
    assert BatchItem.objects.count() == Message.objects.filter(follows__in=messages).count() == 12
    assert agree()
