"""Bulk actions: what is previewed is what is done, and what was done can be taken back in time."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import Content, Recipient
from contacts.consenting import record_opt_out
from contacts.models import Address, AddressHealth, Suppression
from contacts.suppressing import suppress
from deliveries.bulk import actions as subject
from deliveries.bulk import previewing
from deliveries.bulk.actions import GRACE, can_undo, run, start, undo
from deliveries.bulk.previewing import preview
from deliveries.bulk.selections import Selection
from deliveries.deciding.decide import HISTORY
from deliveries.ledger import quarantine
from deliveries.models import Batch, BatchItem, Cause, Message, Outbox, QueueEntry
from deliveries.outcomes.filters import OutcomeView, read_view
from deliveries.sending.dispatch import dispatch
from deliveries.wording import SKIPS
from tests import factories
from tests.engine import (
    ABSENT,
    DEAD,
    DELIVERED,
    SPAM,
    Fake,
    agree,
    consent,
    person,
    report,
    sending,
    waiting,
    work,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DONE, UNDONE = Batch.State.DONE, Batch.State.UNDONE


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def campaign(account):
    """By text; the playbook would move nobody to email by itself."""
    made = sending("sms", "email")
    made.playbook.switch_to = []
    made.playbook.retries = 0
    made.playbook.save()
    return made


@pytest.fixture
def staff(make_user):
    return make_user("marketer")


@pytest.fixture
def failed(campaign, account, now):
    """`failed(ABSENT)`: a text that ended so, decided upon, waiting for somebody."""

    def make(meaning=ABSENT, contact=None):
        message = waiting(campaign, account, now, contact or person("sms", "email", at=now))
        dispatch(now, Fake())
        report(message, meaning, now)
        work(now)
        message.refresh_from_db()
        return message

    return make


def these(*messages, now):
    return Selection(OutcomeView(None), tuple(message.pk for message in messages), now)


def queue(name, campaign, now, **filters):
    return Selection(read_view(campaign.pk, name, filters), (), now)


def outcomes(batch):
    return Counter(batch.items.values_list("outcome", "reason"))


def world():
    """What undo has to bring back."""
    return (
        list(Recipient.objects.order_by("pk").values()),
        list(QueueEntry.objects.order_by("pk").values()),
        list(Message.objects.filter(canceled_at=None).order_by("pk").values_list("pk", "status")),
    )


# ---- Preview ------------------------------------------------------------------------------------------------------


@pytest.fixture
def mixed(campaign, failed, account, now):
    """One of everything that can stand in the way of a retry, and two that nothing stands in the way of."""
    fine, later = failed(), failed()
    later.address.contact.time_zone = "Pacific/Auckland"  # six in the morning
    later.address.contact.save()
    opted_out = failed()
    record_opt_out(value=opted_out.address.value, channel="sms", how="Reply", evidence="STOP", at=now)
    suppressed = failed()
    suppress(contact=suppressed.contact, reason="staff", origin="staff", now=now)
    lost_consent = failed()
    consent(lost_consent.contact, "sms", at=now, opted_in=False)
    dead, spam = failed(DEAD), failed(SPAM)
    arrived = failed()
    report(arrived, DELIVERED, now)
    under_way = waiting(campaign, account, now)
    dispatch(now, Fake())
    return [fine, later, opted_out, suppressed, lost_consent, dead, spam, arrived, under_way]


EXPECTED = {
    "opted_out": 2, "suppressed": 1, "permanent": 1, "ours_to_mend": 1, "delivered": 1,
    "under_way": 1,
}  # fmt: skip


@pytest.mark.parametrize("action", list(Batch.Action))
def test_a_preview_writes_nothing_and_locks_nothing(mixed, now, action):
    with CaptureQueriesContext(connection) as queries:
        preview(action, these(*mixed, now=now), {"channel": "email"}, now)

    statements = [query["sql"] for query in queries.captured_queries]
    assert statements
    assert not [sql for sql in statements if not sql.startswith("SELECT") or "FOR UPDATE" in sql]


def test_a_preview_of_very_many_looks_at_the_first_and_says_so(failed, campaign, monkeypatch, now):
    monkeypatch.setattr(previewing, "PREVIEW_MOST", 4)
    monkeypatch.setattr(previewing, "PREVIEW_SLICE", 3)
    messages = [failed() for _ in range(5)]

    large = preview("retry", queue("retry", campaign, now), {}, now)
    exact = preview("retry", these(*messages[:4], now=now), {}, now)

    assert (large.total, large.will_act, large.more) == (4, 4, True)
    assert (exact.total, exact.will_act, exact.more) == (4, 4, False)


def test_the_preview_counts_what_then_acts(mixed, staff, now):
    chosen = these(*mixed, now=now)

    counted = preview(Batch.Action.RETRY, chosen, {}, now)
    batch = start(Batch.Action.RETRY, chosen, {}, staff, now)

    assert (counted.total, counted.will_act, counted.later) == (9, 2, 1)
    assert {skip.reason: skip.n for skip in counted.skipped} == EXPECTED
    assert counted.total == counted.will_act + sum(skip.n for skip in counted.skipped)
    assert all(skip.label != skip.reason for skip in counted.skipped)
    assert (batch.state, batch.total, batch.acted, batch.skipped) == (DONE, 9, 2, 7)
    assert outcomes(batch) == {
        ("acted", ""): 1, ("acted", "later"): 1, **{("skipped", reason): n for reason, n in EXPECTED.items()},
    }  # fmt: skip
    assert agree()


def test_a_preview_changes_nothing(mixed, now):
    before = world()

    preview(Batch.Action.RETRY, these(*mixed, now=now), {}, now)

    assert world() == before
    assert not Batch.objects.exists()


@pytest.mark.parametrize("action", ["retry", "correct", "suppress"])
def test_a_preview_asks_the_database_as_often_for_few_rows_as_for_many(failed, action, now):
    rows = [failed() for _ in range(6)]

    def queries(messages):
        with CaptureQueriesContext(connection) as asked:
            preview(action, these(*messages, now=now), {}, now)
        return len(asked)

    assert queries(rows[:2]) == queries(rows)


def test_a_batch_whose_filter_nobody_knows_any_more_ends_and_says_why(failed, staff, now):
    batch = start(Batch.Action.RETRY, these(failed(), now=now), {}, staff, now)
    selection = {"filter": {"campaign": None, "queue": "retry", "channel": "fax"}}
    Batch.objects.filter(pk=batch.pk).update(state=Batch.State.RUNNING, selection=selection)

    run(now)

    batch.refresh_from_db()
    assert batch.state == DONE
    assert "channel" in batch.options["stopped"]
    assert not Batch.objects.filter(state=Batch.State.RUNNING).exists()


def test_every_reason_has_words():
    assert all(label and label != reason for reason, label in SKIPS.items())


@pytest.mark.parametrize(
    ("channel", "reason"), [("sms", "same_channel"), ("voice", "no_route"), ("email", "")]
)
def test_moving_to_another_channel_needs_one_that_is_another_and_has_content(failed, channel, reason, now):
    counted = preview(Batch.Action.SWITCH, these(failed(), now=now), {"channel": channel}, now)

    assert [skip.reason for skip in counted.skipped] == ([reason] if reason else [])
    assert counted.will_act == (not reason)


@pytest.mark.parametrize(("action", "options"), [("retry", {}), ("switch", {"channel": "email"})])
def test_nothing_is_sent_any_more_for_what_is_two_weeks_old(failed, action, options, now):
    later = now + HISTORY

    counted = preview(action, these(failed(), now=later), options, later)

    assert [(skip.reason, skip.n) for skip in counted.skipped] == [("history", 1)]


@pytest.mark.parametrize(("action", "options"), [("retry", {}), ("switch", {"channel": "email"})])
@pytest.mark.parametrize("channel", ["sms", "email", "voice"])
def test_who_has_said_no_on_whichever_channel_is_skipped_and_the_preview_says_why(
    failed, staff, action, options, channel, now
):
    message = failed()
    consent(message.contact, channel, at=now + HOUR / 2, opted_in=False)
    selection = these(message, now=now + HOUR)

    shown = preview(action, selection, options, now + HOUR)
    batch = start(action, selection, options, staff, now + HOUR)

    assert [(one.reason, one.label) for one in shown.skipped] == [("opted_out", "The contact opted out")]
    assert outcomes(batch) == {("skipped", "opted_out"): 1}
    work(now + 2 * HOUR)
    assert not Message.objects.filter(follows=message).exists()


def test_who_has_opted_in_again_may_be_sent_to_by_hand(failed, now):
    message = failed()
    consent(message.contact, "voice", at=now + HOUR / 2, opted_in=False)
    consent(message.contact, "voice", at=now + HOUR, opted_in=True)

    assert preview("retry", these(message, now=now + HOUR), {}, now + HOUR).will_act == 1


def test_refused_content_is_retried_once_it_was_changed(failed, staff, now):
    spam = failed(SPAM)
    Content.objects.filter(campaign=spam.campaign_id, channel="sms").update(version=2)

    batch = start(Batch.Action.RETRY, these(spam, now=now), {}, staff, now)

    assert batch.acted == 1
    assert Message.objects.latest("pk").content_version == 2


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
