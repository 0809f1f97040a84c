"""Counting rows that may be very many: no further than a reader cares for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

# Rows looked at for one number on a page. Beyond, nobody acts on the exact figure, and counting a million rows would
# take longer than all else on the page.
COUNT_LIMIT = 10_000


@dataclass(frozen=True)
class Count:
    """How many rows there are; `more` when counting stopped at the limit."""

    n: int
    more: bool = False

    @property
    def least(self) -> int:
        """How many there are for certain."""
        return self.n + self.more

    def __str__(self) -> str:
        return f"{self.n:,}{'+' if self.more else ''}"


def counted(rows: QuerySet[Any]) -> Count:
    """At most COUNT_LIMIT of them. One query."""
    n = rows.order_by().values("pk")[: COUNT_LIMIT + 1].count()
    return Count(min(n, COUNT_LIMIT), more=n > COUNT_LIMIT)
