"""How PostgreSQL is told to clean up the small, busy tables."""

from __future__ import annotations

import pytest
from django.db import connection

from deliveries.ledger.tallies import ALL_TALLIES
from deliveries.models import (
    CodeOccurrence,
    Heartbeat,
    Outbox,
    PendingReceipt,
    QueueEntry,
    StatusChange,
    TallyDelta,
)

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("sqlite" in connection.vendor, reason="SQLite has no autovacuum of this kind"),
]


def test_small_busy_tables_are_cleaned_up_by_their_dead_rows_alone():
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL")
        options = dict(cursor.fetchall())

    for table in (Outbox, PendingReceipt, StatusChange, TallyDelta, CodeOccurrence, QueueEntry):
        found = options[table._meta.db_table]
        assert {"autovacuum_vacuum_scale_factor=0", "autovacuum_vacuum_threshold=10000"} <= set(found)
    assert all(options[each._meta.db_table] == ["fillfactor=80"] for each in (*ALL_TALLIES, Heartbeat))
