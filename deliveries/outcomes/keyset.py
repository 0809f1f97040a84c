"""Paging by key: a page starts after a row, not after a number of rows, so every page costs the same."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.expressions import F
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
LARGEST_ID = 2**63 - 1  # of BigAutoField, a signed integer of 8 bytes in both databases


def read_id(text: str) -> int | None:
    """The id that `text` spells in plain digits; None for anything that can be no row's.

    The length is looked at first: Python reads no number of more than 4,300 digits.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(LARGEST_ID))):
        return None
    number = int(text)
    return number if number <= LARGEST_ID else None


@dataclass(frozen=True)
class Cursor:
    """The last row of the page before: its time (None where rows are ordered by id alone) and its id."""

    at: datetime | None
    pk: int
    kind: int = 0

    def __str__(self) -> str:
        micros = "" if self.at is None else (self.at - EPOCH) // MICROSECOND
        word = f"{micros}.{self.pk}.{self.kind}"
        return base64.urlsafe_b64encode(word.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor | None:
        """The cursor that `text` spells; None for nothing and for nonsense, which both mean the first page."""
        try:
            word = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
            micros, pk, kind = word.split(".")
            at = EPOCH + int(micros) * MICROSECOND if micros else None
            cursor = cls(at, int(pk), int(kind))
        except (ValueError, OverflowError, binascii.Error):
            return None
        return cursor if 0 <= cursor.pk <= LARGEST_ID else None


@dataclass(frozen=True)
class Page:
    """Some rows in order, and where the next page starts; `after` is '' on the last page."""

    rows: Sequence[Any]
    after: str = ""
    first: bool = True

    def __len__(self) -> int:
        return len(self.rows)


def page(rows: QuerySet[Any], size: int, mark: str, *, pk: str = "id", at: str = "") -> Page:
    """`size` rows, newest first by (`at`, `pk`) or by `pk` alone, that come after the cursor spelled by `mark`."""
    cursor = Cursor.read(mark)
    if cursor and bool(at) != bool(cursor.at):
        cursor = None  # of another list
    if cursor:
        rows = after(rows, cursor, pk=pk, at=at)
    found = list(rows.order_by(*([f"-{at}"] if at else []), f"-{pk}")[: size + 1])
    if len(found) <= size:
        return Page(found, first=cursor is None)
    last = found[size - 1]
    following = Cursor(getattr(last, at) if at else None, getattr(last, pk))
    return Page(found[:size], str(following), first=cursor is None)


def after(rows: QuerySet[Any], cursor: Cursor, *, pk: str, at: str) -> QuerySet[Any]:
    """The rows that come after the cursor's.

    PostgreSQL walks the index from that row on by the row comparison; SQLite enters it by the plain bound beside it.
    """
    if not at:
        return rows.filter(**{f"{pk}__lt": cursor.pk})
    key = TupleLessThan(Tuple(F(at), F(pk)), (cursor.at, cursor.pk))
    return rows.filter(key, **{f"{at}__lte": cursor.at})
