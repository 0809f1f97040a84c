from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from deliveries.models import QueueEntry
from deliveries.outcomes.keyset import LARGEST_ID, Cursor, after, page, read_id
from deliveries.statuses import Queue
from tests import factories

AT = datetime(2026, 3, 4, 17, 0, 0, 123456, tzinfo=UTC)


def test_a_cursor_survives_its_spelling():
    cursor = Cursor(AT, 42, 3)

    assert Cursor.read(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "%%%",
        "é",
        "MTIz",
        "LjEuMA.",
        "Li4u",
        "A" * 5000,
        "OTk5OTk5OTk5OTk5OTk5OTk5OTkuMS4w",
        "LS0xLjEuMQ",
    ],
)
def test_nonsense_means_the_first_page(text):
    assert Cursor.read(text) is None


def test_an_id_beyond_what_a_database_holds_means_the_first_page():
    assert Cursor.read(str(Cursor(AT, 2**64))) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("42", 42),
        (str(LARGEST_ID), LARGEST_ID),
        (str(LARGEST_ID + 1), None),
        ("9" * 5_000, None),
        ("", None),
        ("-1", None),
        (" 1", None),
        ("1_0", None),
        ("٣", None),
        ("²", None),
    ],
)
def test_an_id_is_read_from_plain_digits_alone(text, expected):
    assert read_id(text) == expected


@pytest.mark.django_db
def test_paging_shows_every_row_once_also_where_times_are_equal():
    campaign = factories.campaign(state="sending")
    account, sender = factories.account(), factories.sender()
    for number in range(11):
        message = factories.message(factories.recipient(campaign), account=account, sender=sender)
        factories.queue_entry(message, Queue.RETRY, at=AT - timedelta(minutes=number // 5))

    seen, mark = [], "first"
    while mark:
        found = page(QueueEntry.objects.filter(queue="retry"), 3, mark, pk="message_id", at="at")
        seen += [entry.pk for entry in found.rows]
        mark = found.after

    assert seen == list(QueueEntry.objects.order_by("-at", "-message_id").values_list("pk", flat=True))


@pytest.mark.django_db
def test_a_deep_page_enters_the_index_at_its_row(django_assert_num_queries):
    rows = QueueEntry.objects.filter(queue="retry")
    with django_assert_num_queries(1) as queries:
        page(rows, 3, str(Cursor(AT, 5)), pk="message_id", at="at")

    sql = queries.captured_queries[0]["sql"]
    assert "OFFSET" not in sql
    if connection.vendor == "postgresql":
        assert '("deliveries_queueentry"."at", "deliveries_queueentry"."message_id") <' in sql
    else:
        plan = after(rows, Cursor(AT, 5), pk="message_id", at="at").order_by("-at", "-message_id").explain()
        assert "SEARCH deliveries_queueentry USING INDEX queue_all (queue=? AND at<?)" in plan
