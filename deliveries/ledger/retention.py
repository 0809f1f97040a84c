"""Old receipts and status events are dropped, where a setting says after how many days. Else they are kept for ever.

On PostgreSQL whole partitions go, once all in them is old; on SQLite rows do, some at a time. What is still needed
stays: receipts that wait or are dead letters, events of messages that were not handed over yet, and what came late to
an old message. Each run leaves a `RetentionRun`, by which pages say since when something is no longer kept.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, Max, Min, OuterRef, QuerySet

from deliveries.ledger import tidying
from deliveries.ledger.partitions import EVENTS, RECEIPTS, Partitioned, drop_below, locked
from deliveries.models import Message, Outbox, PendingReceipt, Receipt, RetentionRun, StatusEvent

logger = logging.getLogger(__name__)

EVERY = timedelta(days=1)  # between two runs on SQLite, where they need not wait for the end of a partition
CHUNK = (
    1_000  # receipts, or messages, in one transaction on SQLite: its write lock is wanted for receiving too
)
# What may stay of a partition that is dropped: it is copied while the table is locked.
STAYS_MOST = 10_000


class Retention(ABC):
    """How one kind of record is dropped."""

    kind: ClassVar[str]
    setting: ClassVar[str]
    those: ClassVar[Partitioned]

    def drop(self, now: datetime) -> int:
        """Drop what is older than the setting says; return how many rows (on PostgreSQL about)."""
        days = getattr(settings, self.setting)
        if not days:
            return 0
        cutoff = now - timedelta(days=days)
        if connection.vendor == "postgresql":
            return self._drop_partitions(cutoff, now)
        return self._delete_rows(cutoff, now)

    def _drop_partitions(self, cutoff: datetime, now: datetime) -> int:
        bound = self._whole_partitions(cutoff)
        if bound <= RetentionRun.floor(self.kind):
            return 0
        with locked(self.those):
            rows = max(1, drop_below(self.those, bound, *self.stays(bound, cutoff)))
            run = RetentionRun.objects.create(
                kind=self.kind, below=bound, older_than=cutoff, at=now, rows=rows
            )
        logger.warning("%s: about %d rows", run, rows)
        return rows

    def _whole_partitions(self, cutoff: datetime) -> int:
        """The end of the last of the partitions that can go, oldest first; 0 if none can."""
        bound, last_id = 0, self.those.last_id
        for one in self.those.partitions():
            if one.end is None or one.end > last_id or not self.is_old(one.name, one.end, cutoff):
                break
            bound = one.end
        return bound

    @abstractmethod
    def is_old(self, partition: str, end: int, cutoff: datetime) -> bool:
        """Whether this partition, of ids below `end`, can go."""

    @abstractmethod
    def stays(self, bound: int, cutoff: datetime) -> tuple[str, list[Any]]:
        """A condition, with its values, of the rows that stay of partitions that go."""

    def _delete_rows(self, cutoff: datetime, now: datetime) -> int:
        with transaction.atomic():
            run = RetentionRun.objects.filter(kind=self.kind).order_by("at").last()
            if run is None or run.at <= now - EVERY:
                bound = self.first_kept(cutoff)
                if self.old(bound, cutoff).exists():
                    run = RetentionRun.objects.create(kind=self.kind, below=bound, older_than=cutoff, at=now)
                    logger.warning("%s", run)
            rows = self.delete_some(run) if run else 0
            if run and rows:
                RetentionRun.objects.filter(pk=run.pk).update(rows=F("rows") + rows)
        return rows

    @abstractmethod
    def first_kept(self, cutoff: datetime) -> int:
        """The id below which all is older than `cutoff`."""

    @abstractmethod
    def old(self, below: int, older_than: datetime) -> QuerySet[Any]:
        """What a run drops."""

    @abstractmethod
    def delete_some(self, run: RetentionRun) -> int:
        """Delete some of it; return how many rows."""


class OfReceipts(Retention):
    kind = RetentionRun.Kind.RECEIPTS
    setting = "RECEIPT_RETENTION_DAYS"
    those = RECEIPTS

    def is_old(self, partition: str, end: int, cutoff: datetime) -> bool:
        newest = _first(f"SELECT max(received_at) FROM {partition}")  # noqa: S608 - our own names
        if newest is not None and newest >= cutoff:
            return False
        if PendingReceipt.objects.filter(pk__lt=end).count() > STAYS_MOST:
            logger.warning("Old receipts are kept: too many below %d wait, or are dead letters.", end)
            return False
        return True

    def stays(self, bound: int, cutoff: datetime) -> tuple[str, list[Any]]:
        waiting = PendingReceipt.objects.filter(pk__lt=bound).values_list("pk", flat=True)
        return "id = ANY(%s::bigint[])", [list(waiting)]

    def first_kept(self, cutoff: datetime) -> int:
        """Never above the newest: the next receipt takes the number that follows the greatest."""
        newer = Receipt.objects.filter(received_at__gte=cutoff).order_by("pk").values_list("pk", flat=True)
        return newer.first() or Receipt.objects.aggregate(last=Max("pk"))["last"] or 0

    def old(self, below: int, older_than: datetime) -> QuerySet[Receipt]:
        waiting = PendingReceipt.objects.filter(pk=OuterRef("pk"))
        return Receipt.objects.filter(~Exists(waiting), pk__lt=below, received_at__lt=older_than)

    def delete_some(self, run: RetentionRun) -> int:
        old = self.old(run.below, run.older_than).order_by("pk")
        some = list(old.values_list("pk", flat=True)[:CHUNK])
        Receipt.objects.filter(pk__in=some)._raw_delete(connection.alias)
        return len(some)


class OfEvents(Retention):
    kind = RetentionRun.Kind.EVENTS
    setting = "EVENT_RETENTION_DAYS"
    those = EVENTS

    def is_old(self, partition: str, end: int, cutoff: datetime) -> bool:
        made = Message.objects.filter(pk__lt=end).order_by("-pk").values_list("created_at", flat=True).first()
        if (made is not None and made >= cutoff) or Outbox.objects.filter(pk__lt=end).exists():
            return False
        late = f"SELECT 1 FROM {partition} WHERE recorded_at >= %s LIMIT {STAYS_MOST + 1}"  # noqa: S608 - our own names
        return _first(f"SELECT count(*) FROM ({late}) late", cutoff) <= STAYS_MOST  # noqa: S608

    def stays(self, bound: int, cutoff: datetime) -> tuple[str, list[Any]]:
        return "recorded_at >= %s", [cutoff]

    def first_kept(self, cutoff: datetime) -> int:
        newer = Message.objects.filter(created_at__gte=cutoff).order_by("pk").values_list("pk", flat=True)
        bound = newer.first() or (Message.objects.aggregate(last=Max("pk"))["last"] or 0) + 1
        waiting = Outbox.objects.aggregate(first=Min("pk"))["first"]
        return min(bound, waiting or bound)

    def old(self, below: int, older_than: datetime) -> QuerySet[StatusEvent]:
        return StatusEvent.objects.filter(message_id__lt=below, recorded_at__lt=older_than)

    def delete_some(self, run: RetentionRun) -> int:
        old = self.old(run.below, run.older_than)
        messages = old.order_by("message_id").values_list("message_id", flat=True).distinct()[:CHUNK]
        return old.filter(message_id__in=list(messages)).delete()[0]


def _first(sql: str, *values: datetime) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchone()[0]


KINDS: tuple[Retention, ...] = (OfReceipts(), OfEvents())


def drop_old(now: datetime) -> int:
    """Drop what the settings no longer keep; return how many rows. A step of the worker."""
    return sum(each.drop(now) for each in KINDS) + sum(each.drop(now) for each in tidying.KINDS)
