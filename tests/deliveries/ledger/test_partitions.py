"""Partitions of receipts and status events on PostgreSQL: always one ahead, never a row refused, none read in vain."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deliveries.ledger import partitions
from deliveries.ledger.partitions import EVENTS, RECEIPTS, make_ahead
from deliveries.ledger.statements import claim_receipts
from deliveries.meaning.translation import shipped
from deliveries.models import Message, PendingReceipt, Receipt, StatusEvent
from deliveries.outcomes.message_details import LINKS, attempts
from deliveries.receiving.recording import record, record_all
from deliveries.receiving.retranslation import Affected, Read
from deliveries.receiving.storing import Incoming, store
from deliveries.running.waiting import oldest_receipt
from deliveries.statuses import Evidence, Status
from tests import factories

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("sqlite" in connection.vendor, reason="one table for each on SQLite"),
]

SIZE = 1_000


@pytest.fixture(autouse=True)
def _ids_as_before(request, settings):
    """Small partitions, and sequences that go on afterwards as if nothing had been: no transaction holds them."""
    settings.PARTITION_ROWS = SIZE
    request.getfixturevalue(
        "transactional_db" if request.node.get_closest_marker("django_db").kwargs.get("transaction") else "db"
    )
    before = {each: each.last_id for each in (RECEIPTS, EVENTS)}
    yield
    for each, last in before.items():
        set_last_id(each, last)


def set_last_id(those, last):
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [those.ids_of, max(last, 1)])


def bounds(those):
    return [(one.low, one.end) for one in those.partitions()]


def last_low(those):
    return those.partitions()[-1].low


def twilio(**fields):
    return factories.message(
        account=factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"}),
        status=Status.SENDING, evidence=Evidence.HANDED_OVER, **fields,
    )  # fmt: skip


def report_of(message, at, status="delivered"):
    body = f"MessageSid=SM{message.pk}&MessageStatus={status}&To=%2B12105550101".encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Incoming(message.account_id, "status", at, "POST", f"m={message.uuid}&c=sms", headers, body)


def where(model, **which):
    """The partition of each of these rows, in order of their key."""
    key = "message_id" if model is StatusEvent else "id"
    with connection.cursor() as cursor:
        rows = model.objects.filter(**which).order_by(key).values_list(key, flat=True)
        cursor.execute(
            f"SELECT {key}, tableoid::regclass::text FROM {model._meta.db_table} "
            f"WHERE {key} = ANY(%s::bigint[]) ORDER BY 1",
            [list(rows)],
        )
        return [name for _, name in cursor.fetchall()]


@pytest.mark.parametrize("those", [RECEIPTS, EVENTS], ids=lambda each: each.table)
def test_the_next_partition_is_there_long_before_its_ids(those):
    border = last_low(those)
    set_last_id(those, border - SIZE // 2)

    made = make_ahead(timezone.now())

    assert made >= 1
    assert (border, border + SIZE) in bounds(those)
    assert bounds(those)[-1][1] is None  # the last one has no end
    assert last_low(those) >= border + SIZE // 2
    assert make_ahead(timezone.now()) == 0


def test_partitions_follow_each_other_without_a_gap():
    for those in (RECEIPTS, EVENTS):
        for _ in range(3):
            set_last_id(those, last_low(those) + SIZE // 3)
            make_ahead(timezone.now())

        found = bounds(those)
        assert [end for _, end in found[:-1]] == [low for low, _ in found[1:]]


def test_receipts_about_messages_on_both_sides_of_a_border_are_recorded(now):
    borders = {those: last_low(those) for those in (RECEIPTS, EVENTS)}
    for those, border in borders.items():
        set_last_id(those, border - 3)
    make_ahead(now)
    messages = [twilio() for _ in range(4)]
    store([report_of(message, now) for message in messages])
    store([report_of(message, now) for message in messages])  # the same facts once more

    done = record_all(now)

    assert (done.recorded, done.events, done.changed) == (8, 4, 4)
    assert [message.pk - borders[EVENTS] for message in messages] == [-2, -1, 0, 1]
    assert (
        where(StatusEvent)
        == ["deliveries_statusevent_p0"] * 2 + [f"deliveries_statusevent_p{borders[EVENTS]}"] * 2
    )
    assert where(Receipt)[2:] == [f"deliveries_receipt_p{borders[RECEIPTS]}"] * 6
    assert set(Message.objects.values_list("status", flat=True)) == {"delivered"}


def test_a_fact_reported_twice_stands_once_also_when_the_second_report_is_earlier(now):
    message = twilio()
    store([report_of(message, now)])
    record_all(now)
    later = Receipt.objects.get().pk
    set_last_id(RECEIPTS, last_low(RECEIPTS) + 1)

    store([report_of(message, now - timedelta(minutes=1))])
    record_all(now)

    event = StatusEvent.objects.get()
    assert (event.receipt_id, event.occurred_at) == (later, now - timedelta(minutes=1))


def test_where_the_step_never_ran_nothing_is_refused_and_it_makes_up_for_it(now):
    borders = {those: last_low(those) for those in (RECEIPTS, EVENTS)}
    for those, border in borders.items():
        set_last_id(those, border + 5 * SIZE)
    messages = [twilio() for _ in range(3)]
    store([report_of(message, now) for message in messages])
    assert record_all(now).events == 3
    stood = where(StatusEvent), where(Receipt)

    assert make_ahead(now) == 2

    assert (where(StatusEvent), where(Receipt)) == stood  # nothing was moved
    for those, border in borders.items():
        *_, filled, last = bounds(those)
        assert filled[0] == border
        assert filled[1] == last[0] >= those.last_id + SIZE
    store([report_of(message, now, "sent") for message in messages])
    assert record_all(now).events == 3


def test_ids_that_no_sequence_gave_are_seen_too(now):
    border = last_low(RECEIPTS)
    factories.receipt(pk=border + 7, state=None)

    make_ahead(now)

    assert bounds(RECEIPTS)[-2][0] == border
    assert last_low(RECEIPTS) > border + SIZE


# ---- Side by side --------------------------------------------------------------------------------------------


def together(*acts):
    """Run these at the same time, each on a connection of its own; return what they returned or raised."""
    results = [None] * len(acts)

    def run(place, act):
        try:
            results[place] = act()
        except Exception as problem:  # noqa: BLE001 - asserted upon
            results[place] = problem
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_two_recorders_cross_a_border_while_partitions_are_made(now):
    before = sum(len(bounds(those)) for those in (RECEIPTS, EVENTS))
    for those in (RECEIPTS, EVENTS):
        set_last_id(those, last_low(those) - 60)
    account = factories.account("twilio", credentials={"account_sid": "AC1", "auth_token": "t"})
    campaign, sender, address = factories.campaign(state="sending"), factories.sender(), factories.phone()
    messages = [
        factories.message(
            factories.recipient(campaign, factories.contact()), account=account, address=address, sender=sender,
            status=Status.SENDING, evidence=Evidence.HANDED_OVER,
        )
        for _ in range(120)
    ]  # fmt: skip
    reports = [report_of(m, now, status) for status in ("sent", "delivered", "sent") for m in messages]

    def recorder():
        idle, events = 0, 0
        while idle < 40:
            batch = record(now, limit=17)
            events += batch.events
            idle = 0 if batch.recorded else idle + 1
            threading.Event().wait(0.01)
        return events

    def receiver():
        for at in range(0, len(reports), 20):
            store(reports[at : at + 20])

    def maker():
        return sum(make_ahead(now) for _ in range(30))

    one, other, received, made, made_too = together(recorder, recorder, receiver, maker, maker)

    assert (received, one + other) == (None, 2 * len(messages))
    assert made + made_too == sum(len(bounds(those)) for those in (RECEIPTS, EVENTS)) - before
    assert not PendingReceipt.objects.exists()
    assert Receipt.objects.count() == len(reports)
    assert len(set(where(StatusEvent))) == 2
    assert set(Message.objects.values_list("status", flat=True)) == {"delivered"}


@pytest.mark.django_db(transaction=True)
def test_a_table_that_somebody_keeps_is_left_for_later(now, monkeypatch):
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "100ms")
    set_last_id(RECEIPTS, last_low(RECEIPTS) - SIZE // 2)
    before = bounds(RECEIPTS)

    with transaction.atomic():
        Receipt.objects.count()
        (result,) = together(lambda: make_ahead(now))

    assert isinstance(result, OperationalError)
    assert bounds(RECEIPTS) == before
    assert make_ahead(now) == 1


@pytest.mark.django_db(transaction=True)
def test_the_tables_are_put_together_and_parted_again_with_their_rows(now):
    migration = import_module("deliveries.migrations.0030_partition_receipts_and_events")
    for those in (RECEIPTS, EVENTS):
        set_last_id(those, last_low(those) - 2)
    messages = [twilio() for _ in range(4)]
    store([report_of(message, now) for message in messages])
    record_all(now)
    receipts, events = (
        list(Receipt.objects.order_by("pk").values()),
        list(StatusEvent.objects.order_by("pk").values()),
    )

    with connection.schema_editor(atomic=False) as editor:
        migration.put_together(None, editor)

    assert not RECEIPTS.partitions()
    assert not EVENTS.partitions()
    assert list(Receipt.objects.order_by("pk").values()) == receipts
    with connection.schema_editor(atomic=False) as editor:  # and once more, without an id given out between
        migration.partition(None, editor)
        migration.put_together(None, editor)
    assert factories.receipt(state=None).pk == receipts[-1]["id"] + 1
    store([report_of(messages[0], now)])
    assert record_all(now).recorded == 1

    stood = files()
    with connection.schema_editor(atomic=False) as editor:
        migration.partition(None, editor)
        migration.partition(None, editor)  # what is done already stays as it is

    assert {name: file for name, file in files().items() if name.endswith("_p0")} == {
        f"{name}_p0": file for name, file in stood.items()
    }  # not a row was copied
    assert list(StatusEvent.objects.order_by("pk").values()) == events
    assert factories.receipt(state=None).pk == receipts[-1]["id"] + 3
    for those in (RECEIPTS, EVENTS):
        assert len(those.partitions()) == 2
        assert last_low(those) >= those.last_id + migration.ROOM


@pytest.mark.django_db(transaction=True)
def test_an_upgrade_that_cannot_have_a_table_leaves_it_as_it_was(now, monkeypatch):
    migration = import_module("deliveries.migrations.0030_partition_receipts_and_events")
    monkeypatch.setattr(migration, "LOCK_TIMEOUT", "100ms")
    last_id = factories.receipt(state=None).pk
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE deliveries_receipt")
    with connection.schema_editor(atomic=False) as editor:
        migration.put_together(None, editor)
    proved = threading.Event()
    monkeypatch.setattr(migration, "prove_end", _and_then(migration.prove_end, proved, wait=0.3))

    def upgrade():
        with connection.schema_editor(atomic=False) as editor:
            migration.partition(None, editor)

    def holder():
        proved.wait(10)
        with transaction.atomic():
            Receipt.objects.count()
            threading.Event().wait(1)

    result, _ = together(upgrade, holder)

    assert isinstance(result, OperationalError)
    assert not RECEIPTS.partitions()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE conname = 'deliveries_receipt_below'")
        assert cursor.fetchone() == (0,)
    upgrade()
    assert RECEIPTS.partitions()
    assert factories.receipt(state=None).pk == last_id + 1  # also where nothing is stored that says so


def _and_then(act, done, wait):
    """`act`, which then says that it is done and gives another a moment to come in between."""

    def acted(*given):
        result = act(*given)
        done.set()
        threading.Event().wait(wait)
        return result

    return acted


def files():
    """Where each table stands on the disk."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, relfilenode FROM pg_class WHERE relkind = 'r' "
            "AND (relname ~ '^deliveries_(receipt|statusevent)(_p[0-9]+)?$')"
        )
        return dict(cursor.fetchall())


# ---- What is read ------------------------------------------------------------------------------------------------


@pytest.fixture
def many(now):
    """Twenty partitions of each table, with rows in three of them."""
    messages = []
    for number in range(20):
        for those in (RECEIPTS, EVENTS):
            set_last_id(those, last_low(those) - 1)
        make_ahead(now)
        if number in (3, 9, 15):
            messages.append(twilio())
            store([report_of(messages[-1], now), report_of(messages[-1], now, "sent")])
    record_all(now)
    return messages


def opened(queries):
    """The partitions that the plans of these queries open, a set for each query about the two tables."""
    found = []
    for query in queries:
        if re.search(r"deliveries_(receipt|statusevent)\b", query["sql"]):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {query['sql']}")
                text = "\n".join(line for (line,) in cursor.fetchall())
            found.append(set(re.findall(r"deliveries_(?:receipt|statusevent)_p\d+", text)))
    return found


def test_what_records_opens_the_partitions_of_its_receipts_and_messages_alone(many, now):
    store([report_of(many[1], now, "undelivered")])

    with CaptureQueriesContext(connection) as queries:
        (claimed,) = claim_receipts(10)

    assert claimed.id == RECEIPTS.last_id
    assert [len(each) for each in opened(queries)] == [1]


def test_a_message_and_its_receipts_are_read_from_their_own_partitions(many):
    with CaptureQueriesContext(connection) as queries:
        (shown,) = attempts(list(Message.objects.filter(pk=many[1].pk).select_related(*LINKS)))

    assert len(shown.facts) == 2
    assert [len(each) for each in opened(queries)] == [1, 1]


def test_the_age_of_the_oldest_receipt_is_read_from_its_own_partition(many, now):
    store([report_of(many[1], now)])

    with CaptureQueriesContext(connection) as queries:
        assert oldest_receipt() == now

    assert [len(each) for each in opened(queries)] == [1]


def test_replaying_a_range_of_messages_reads_their_partitions(many, now):
    with CaptureQueriesContext(connection) as queries:
        found = Affected.everything()
        Read.of([many[0].pk], found, shipped())
        list(StatusEvent.objects.filter(message_id__gt=many[1].pk, message_id__lte=many[1].pk + 5))

    assert {len(each) for each in opened(queries)} == {1}


def test_the_newest_receipts_are_read_without_looking_into_the_older_partitions(many):
    with connection.cursor() as cursor:
        newest = Receipt.objects.order_by("-pk")[:2]
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {newest.query}")
        lines = [line for (line,) in cursor.fetchall() if "Scan" in line]

    read = [line for line in lines if "never executed" not in line]
    assert len(lines) > 20
    assert len(read) < 8  # the empty ones at the end, and the one that has them
