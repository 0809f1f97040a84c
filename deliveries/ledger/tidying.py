"""Rows that are dropped one by one once they are old, where a setting says after how many days; and how much of
everything is kept, and since when. Receipts and status events go in another way (`retention.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, models, transaction
from django.db.models import F, Max, Min, Q

from contacts import changing
from contacts.models import (
    AccessRecord,
    AddressChange,
    ContactImport,
    ImportChunk,
    ImportedContact,
    Reply,
)
from contacts.models.imports import UNDER_WAY
from deliveries.models import Decision, Engagement, Receipt, RetentionRun, StatusEvent

CHUNK = 2_000  # rows of one transaction
NOT_KEPT = "No longer kept."
EVERY = Q()
Kind = RetentionRun.Kind


@dataclass(frozen=True)
class OldRows:
    """Rows of `model` that go once `at` is so many days ago as `setting` says; with '' once it is `age` ago. Of some
    models only those that meet `only`. `order`: by which the oldest come first, an index; the id, where ids rise with
    that time."""

    kind: str
    model: type[models.Model]
    at: str
    setting: str
    age: timedelta = timedelta()
    only: Q = EVERY
    order: str = "pk"
    first: Callable[[Sequence[int]], None] | None = None

    def cutoff(self, now: datetime) -> datetime | None:
        """The same all day long, so that a night's work is one run; None where all are kept."""
        age = timedelta(days=getattr(settings, self.setting)) if self.setting else self.age
        if self.setting and not age:
            return None
        return datetime.combine(now.astimezone(UTC).date(), time(), UTC) - age

    def drop(self, now: datetime) -> int:
        """Drop some, oldest first; return how many rows. It reads no more than it may drop, however many are kept."""
        cutoff = self.cutoff(now)
        if cutoff is None:
            return 0
        with transaction.atomic():
            rows = self.model._default_manager.filter(self.only)
            oldest = rows.order_by(self.order).values_list("pk", self.at)[:CHUNK]
            some = [pk for pk, at in oldest if at < cutoff]
            if not some:
                return 0
            if self.first:
                self.first(some)
            # With what hangs on them, such as the text with a code.
            rows.filter(pk__in=some, **{f"{self.at}__lt": cutoff}).delete()
            run, _ = RetentionRun.objects.get_or_create(
                kind=self.kind, older_than=cutoff, defaults={"below": 0, "at": now}
            )
            RetentionRun.objects.filter(pk=run.pk).update(rows=F("rows") + len(some))
        return len(some)


def _forget_words(replies: Sequence[int]) -> None:
    """That somebody wrote stays on the trail; what they wrote goes with their reply."""
    receipts = (
        Reply.objects.filter(pk__in=replies).exclude(receipt_id=None).values_list("receipt_id", flat=True)
    )
    wrote = Engagement.objects.filter(receipt_id__in=list(receipts))
    wrote.exclude(text="").update(text=NOT_KEPT)


_IMPORTED = ~Q(contact_import__state__in=[*UNDER_WAY, ContactImport.State.DRAFT, ContactImport.State.READING])
_READ = (Q(doubtful=False) | Q(read_at__isnull=False)) & (Q(asks="") | Q(done_at__isnull=False))

KINDS = (
    OldRows(Kind.ACCESS, AccessRecord, "at", "ACCESS_LOG_RETENTION_DAYS"),
    OldRows(Kind.DECISIONS, Decision, "at", "DECISION_RETENTION_DAYS"),
    OldRows(Kind.SESSIONS, Session, "expire_date", "", order="expire_date"),
    OldRows(Kind.CHANGES, AddressChange, "asked_at", "", changing.KEPT, Q(confirmed_at=None), "asked_at"),
    OldRows(Kind.REPLIES, Reply, "at", "REPLY_RETENTION_DAYS", only=_READ, first=_forget_words),
    OldRows(
        Kind.FILES, ImportChunk, "contact_import__created_at", "IMPORT_FILE_RETENTION_DAYS", only=_IMPORTED
    ),
    OldRows(
        Kind.UNDOING,
        ImportedContact,
        "contact_import__created_at",
        "IMPORT_FILE_RETENTION_DAYS",
        only=_IMPORTED,
    ),
)


# ---- What is kept ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """One kind of record as a page shows it. `rows` is an estimate; `oldest` is None where there is none, or it has no
    time of its own; `last` is the newest run that dropped any."""

    name: str
    how_long: str
    setting: str
    rows: int
    oldest: datetime | None
    last: RetentionRun | None


# Name, table, its time, the setting; and the kind of its runs. Where nothing is set: what holds.
_SHOWN: tuple[tuple[str, type[models.Model], str, str, str, str], ...] = (
    ("Receipts of providers", Receipt, "received_at", "RECEIPT_RETENTION_DAYS", Kind.RECEIPTS, "For ever"),
    ("Status events", StatusEvent, "recorded_at", "EVENT_RETENTION_DAYS", Kind.EVENTS, "For ever"),
    ("Decisions", Decision, "at", "DECISION_RETENTION_DAYS", Kind.DECISIONS, "For ever"),
    ("Who saw addresses", AccessRecord, "at", "ACCESS_LOG_RETENTION_DAYS", Kind.ACCESS, "For ever"),
    ("Sessions", Session, "", "", Kind.SESSIONS, "Until they end"),
    (
        "Corrections by people themselves",
        AddressChange,
        "asked_at",
        "",
        Kind.CHANGES,
        f"Until the person is erased; never confirmed: {changing.KEPT.days} days",
    ),
    (
        "Replies, once read",
        Reply,
        "at",
        "REPLY_RETENTION_DAYS",
        Kind.REPLIES,
        "For ever, until the person is erased",
    ),
    (
        "Uploaded files of contacts; drafts two days",
        ImportChunk,
        "contact_import__created_at",
        "IMPORT_FILE_RETENTION_DAYS",
        Kind.FILES,
        "",
    ),
    (
        "What undoes imports",
        ImportedContact,
        "at",
        "IMPORT_FILE_RETENTION_DAYS",
        Kind.UNDOING,
        "",
    ),
)


def kept() -> list[Kept]:
    """A fixed number of queries; none of them goes through a large table."""
    last = {run.kind: run for run in RetentionRun.objects.order_by("at")}
    return [
        Kept(
            name=name,
            how_long=f"{days:,} days"
            if (days := getattr(settings, setting, 0) if setting else 0)
            else otherwise,
            setting=setting,
            rows=_estimate(model),
            oldest=_oldest(model, at),
            last=last.get(kind),
        )
        for name, model, at, setting, kind, otherwise in _SHOWN
    ]


def _oldest(model: type[models.Model], at: str) -> datetime | None:
    """By the first row: ids rise with time."""
    return model._default_manager.order_by("pk").values_list(at, flat=True).first() if at else None


def _estimate(model: type[models.Model]) -> int:
    """As the database's own statistics have it on PostgreSQL, of all partitions; elsewhere from the first id to the
    last, or counted where the key is no single number."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_ROWS, [model._meta.db_table])
            return int(cursor.fetchone()[0] or 0)
    if model in (Session, StatusEvent):
        return model._default_manager.count()
    ends: dict[str, Any] = model._default_manager.aggregate(first=Min("pk"), last=Max("pk"))
    return ends["last"] - ends["first"] + 1 if ends["last"] is not None else 0


_ROWS = """
SELECT sum(greatest(c.reltuples, 0)) FROM pg_partition_tree(%s::regclass) t JOIN pg_class c ON c.oid = t.relid
WHERE t.isleaf"""
