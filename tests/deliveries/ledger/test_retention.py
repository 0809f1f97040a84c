"""What is old is dropped where a setting says so, what is still needed stays, and pages say what is gone."""

from __future__ import annotations

import logging
from datetime import timedelta
from importlib import import_module
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.urls import reverse

from deliveries.ledger import retention
from deliveries.ledger.partitions import EVENTS, RECEIPTS, make_ahead
from deliveries.ledger.retention import drop_old
from deliveries.models import Message, Outbox, PendingReceipt, Receipt, RetentionRun, StatusEvent
from deliveries.receiving.recording import record_all
from deliveries.receiving.storing import Incoming, store
from deliveries.running.drain import STEPS, drain_once
from deliveries.statuses import Evidence, Status
from tests import factories

pytestmark = pytest.mark.django_db

DAYS = timedelta(days=1)
POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture(autouse=True)
def _kept_for_a_year(request, settings):
    marker = request.node.get_closest_marker("django_db")
    request.getfixturevalue("transactional_db" if marker.kwargs.get("transaction") else "db")
    settings.PARTITION_ROWS = 1_000
    settings.RECEIPT_RETENTION_DAYS = settings.EVENT_RETENTION_DAYS = 365
    before = [(each, each.last_id) for each in (RECEIPTS, EVENTS)] if POSTGRESQL else []
    yield
    for each, last in before:
        set_last_id(each, last)


def set_last_id(those, last):
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [those.ids_of, max(last, 1)])


def end_of_partition(now):
    """What follows stands in other partitions; on SQLite there are none."""
    if POSTGRESQL:
        for those in (RECEIPTS, EVENTS):
            set_last_id(those, max(those.partitions()[-1].low, those.last_id))
        make_ahead(now)


def drop(now):
    """Run until nothing is left to drop."""
    done = 0
    while dropped := drop_old(now):
        done += dropped
    return done


@pytest.fixture
def account():
    return factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})


@pytest.fixture
def sent(account):
    def sent(at, **fields):
        made = factories.message(
            account=account, status=Status.SENDING, evidence=Evidence.HANDED_OVER, created_at=at, **fields
        )
        Message.objects.filter(pk=made.pk).update(precedence=0, created_at=at)
        return made

    return sent


def report_of(message, at, status="delivered", **fields):
    body = urlencode(
        {"MessageSid": f"SM{message.pk}", "MessageStatus": status, "To": "+12105550101", **fields}
    )
    headers = {"content-type": "application/x-www-form-urlencoded"}
    query = f"m={message.uuid}&c=sms"
    return Incoming(message.account_id, "status", at, "POST", query, headers, body.encode())


def report(message, at, status="delivered", **fields):
    """Stored and recorded at that time; its receipt."""
    store([report_of(message, at, status, **fields)])
    record_all(at)
    return Receipt.objects.latest("pk")


@pytest.fixture
def two_years(sent, now):
    """A message with its receipt two years ago, and one of today."""
    old = sent(now - 730 * DAYS)
    receipt = report(old, now - 730 * DAYS)
    end_of_partition(now)
    new = sent(now)
    return old, receipt, new, report(new, now)


def test_everything_is_kept_unless_a_setting_says_otherwise(two_years, now, settings):
    settings.RECEIPT_RETENTION_DAYS = settings.EVENT_RETENTION_DAYS = 0

    assert drop(now) == 0

    assert (Receipt.objects.count(), StatusEvent.objects.count()) == (2, 2)
    assert not RetentionRun.objects.exists()


def test_what_is_older_is_dropped_with_a_line_in_the_log_and_a_row(two_years, now, caplog):
    old, receipt, new, newer = two_years

    with caplog.at_level(logging.WARNING):
        assert drop(now) >= 2

    assert list(Receipt.objects.all()) == [newer]
    assert list(StatusEvent.objects.values_list("message_id", flat=True)) == [new.pk]
    assert Message.objects.get(pk=old.pk).status == "delivered"
    receipts, events = RetentionRun.objects.order_by("-kind")
    assert receipt.pk < receipts.below <= newer.pk
    assert old.pk < events.below <= new.pk
    # PostgreSQL estimates them, in tables that other tests have filled before.
    exact = connection.vendor != "postgresql"
    assert all(run.rows == 1 if exact else run.rows >= 1 for run in (receipts, events))
    assert {run.older_than for run in (receipts, events)} == {now - 365 * DAYS}
    assert "Receipts below" in caplog.text
    assert drop(now + 2 * DAYS) == 0


def test_what_waits_or_is_a_dead_letter_is_never_dropped(now):
    long_ago = now - 720 * DAYS
    kept = [factories.receipt(state=state, received_at=long_ago) for state in PendingReceipt.State.values]
    factories.receipt(state=None, received_at=long_ago)
    end_of_partition(now)
    newest = factories.receipt(state=None, received_at=now)

    drop(now)

    assert list(Receipt.objects.order_by("pk")) == [*kept, newest]


def test_as_long_as_something_newer_stands_before_it_a_receipt_stays(now):
    newer = factories.receipt(state=None, received_at=now)
    old = factories.receipt(state=None, received_at=now - 400 * DAYS)
    end_of_partition(now)
    newest = factories.receipt(state=None, received_at=now)

    drop(now)
    assert list(Receipt.objects.order_by("pk")) == [newer, old, newest]

    drop(now + 366 * DAYS)
    assert list(Receipt.objects.all()) == [newest]


def test_a_dead_letter_of_a_dropped_partition_can_be_tried_again(sent, now):
    message = sent(now)
    store([report_of(message, now - 400 * DAYS)])
    PendingReceipt.objects.update(state="dead", attempts=9)
    dead = Receipt.objects.get()
    factories.receipt(state=None, received_at=now - 400 * DAYS)
    end_of_partition(now)
    factories.receipt(state=None, received_at=now)
    drop(now)

    PendingReceipt.objects.update(state="new", attempts=0)
    done = record_all(now)

    assert (done.recorded, done.changed) == (1, 1)
    assert StatusEvent.objects.get().receipt_id == dead.pk


def test_the_number_of_a_dropped_receipt_is_not_given_again(sent, now):
    receipt = report(sent(now - 400 * DAYS), now - 400 * DAYS)
    end_of_partition(now)
    drop(now)

    assert report(sent(now), now).pk > receipt.pk


def test_events_of_messages_that_were_not_handed_over_yet_stay(two_years, now, account):
    old, *_ = two_years
    Outbox.objects.create(
        message=old,
        campaign_id=old.campaign_id,
        account_id=account.pk,
        sender_id=old.sender_id,
        due_at=now,
    )

    drop(now)

    assert StatusEvent.objects.filter(message_id=old.pk).exists()


def test_what_comes_late_about_an_old_message_stays_and_moves_it(two_years, sent, now):
    old, *_ = two_years
    Message.objects.filter(pk=old.pk).update(status="timed_out", precedence=5)
    drop(now)

    report(old, now + DAYS)
    drop(now + 3 * DAYS)

    assert StatusEvent.objects.get(message_id=old.pk).recorded_at == now + DAYS
    assert Message.objects.get(pk=old.pk).status == "delivered"


def test_a_message_in_parts_whose_events_are_gone_stays_what_it_is(two_years, now):
    old, *_ = two_years
    drop(now)
    Message.objects.filter(pk=old.pk).update(parts=3)
    before = Message.objects.values("status", "precedence", "disposition").get(pk=old.pk)

    report(old, now + DAYS, "sent", NumSegments="3", SmsSegment="1")

    assert Message.objects.values("status", "precedence", "disposition").get(pk=old.pk) == before


def test_more_that_waits_than_is_copied_at_once_keeps_the_rest(two_years, now, monkeypatch, caplog):
    if not POSTGRESQL:
        pytest.skip("nothing is copied on SQLite")
    _, receipt, *_ = two_years
    monkeypatch.setattr(retention, "STAYS_MOST", 0)
    PendingReceipt.objects.create(receipt=receipt, state="dead")

    drop(now)

    assert Receipt.objects.filter(pk=receipt.pk).exists()
    assert "too many" in caplog.text


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has no partitions")
def test_partitions_stay_without_a_gap_and_the_oldest_takes_what_comes_late(two_years, sent, now):
    drop(now)
    old, *_ = two_years
    for number in range(3):
        report(sent(now + number * DAYS), now + number * DAYS)
        end_of_partition(now)

    drop(now + 400 * DAYS)

    for those in (RECEIPTS, EVENTS):
        found = those.partitions()
        assert found[0].name == f"{those.table}_p0"
        assert [one.end for one in found[:-1]] == [one.low for one in found[1:]]
    assert RetentionRun.objects.count() == 4
    assert report(old, now + 400 * DAYS, "sent")
    assert StatusEvent.objects.filter(message_id=old.pk).count() == 1


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has no partitions")
@pytest.mark.django_db(transaction=True)
def test_after_a_run_the_tables_can_still_be_put_together_and_parted(two_years, now):
    migration = import_module("deliveries.migrations.0030_partition_receipts_and_events")
    _, _, new, newer = two_years
    drop(now)

    with connection.schema_editor(atomic=False) as editor:
        migration.put_together(None, editor)
        assert list(Receipt.objects.all()) == [newer]
        migration.partition(None, editor)

    assert list(StatusEvent.objects.values_list("message_id", flat=True)) == [new.pk]
    assert report(new, now, "sent").pk > newer.pk


def test_many_rows_are_deleted_some_at_a_time(now, monkeypatch):
    if POSTGRESQL:
        pytest.skip("whole partitions go on PostgreSQL")
    monkeypatch.setattr(retention, "CHUNK", 10)
    for _ in range(25):
        factories.receipt(state=None, received_at=now - 400 * DAYS)
    factories.receipt(state=None, received_at=now)

    assert [drop_old(now) for _ in range(4)] == [10, 10, 5, 0]
    assert RetentionRun.objects.get().rows == 25


def test_the_worker_drops_what_is_old(two_years, monkeypatch):
    monkeypatch.setattr(STEPS["retention"], "next", 0.0)

    drain_once(only=("retention",))

    assert {run.kind for run in RetentionRun.objects.all()} == {"receipts", "events"}


# ---- Pages ---------------------------------------------------------------------------------------------------------


def test_the_page_of_a_message_says_since_when_a_receipt_is_gone(two_years, now, login, settings):
    settings.EVENT_RETENTION_DAYS = 0
    old, receipt, new, newer = two_years
    client = login("admin")
    assert f"Raw receipt {receipt.pk}," in client.get(reverse("deliveries:message", args=[old.pk])).text

    drop(now)

    page = client.get(reverse("deliveries:message", args=[old.pk])).text
    assert f"Raw receipt {receipt.pk} is no longer kept: it was dropped on" in page
    assert "4 Mar 2026" in page
    assert f"Raw receipt {newer.pk}," in client.get(reverse("deliveries:message", args=[new.pk])).text


def test_the_page_of_a_message_says_since_when_its_events_are_gone(two_years, now, login):
    old, *_ = two_years
    drop(now)

    page = login("admin").get(reverse("deliveries:message", args=[old.pk])).text

    assert "What was reported of it is no longer kept" in page
    assert "No receipt yet" not in page


def test_trying_a_receipt_that_is_gone_says_so(two_years, now, login):
    _, receipt, *_ = two_years
    drop(now)

    answer = login("admin").get(reverse("mappings:try"), {"receipt": receipt.pk})

    assert answer.status_code == 410
    assert f"Receipt {receipt.pk} is no longer kept" in answer.text


def test_the_admin_says_which_receipt_is_gone_and_lists_the_runs(two_years, now, login):
    _, receipt, *_ = two_years
    drop(now)
    client = login(user=factories.user("admin", is_staff=True))

    answer = client.get(reverse("admin:deliveries_receipt_change", args=[receipt.pk]), follow=True)

    assert f"Receipt {receipt.pk} is no longer kept" in answer.text
    runs = client.get(reverse("admin:deliveries_retentionrun_changelist")).text
    assert "Status events" in runs


def test_reading_anew_what_is_gone_goes_by_the_words_that_events_keep(two_years, now, settings):
    from deliveries.meaning.translation import shipped
    from deliveries.receiving.retranslation import Affected, Read

    settings.EVENT_RETENTION_DAYS = 0
    old, *_ = two_years
    drop(now)

    read = Read.of([old.pk], Affected.everything(), shipped())

    assert [event.status for event in read.concerned] == ["delivered"]


def test_a_message_without_its_events_counts_as_it_is_when_a_draft_is_counted(two_years, now):
    from deliveries.meaning.translation import shipped
    from deliveries.receiving.retranslation import Affected, Read

    old, *_ = two_years
    drop(now)

    read = Read.of([old.pk], Affected.everything(), shipped())

    assert read.shown(old.pk) == ("DELIVERED", "none")
