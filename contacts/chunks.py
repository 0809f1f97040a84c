"""Long lists in portions that the database takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from django.db import connection

T = TypeVar("T")

IN_LIST = 10_000  # where the database sets no limit of its own
OTHER_PARAMETERS = 20  # left to the rest of the statement


def chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """The values in order, in lists of `size`; the last one may be shorter, none is empty."""
    rest = iter(values)
    while part := list(islice(rest, size)):
        yield part


def in_lists(values: Iterable[T]) -> Iterator[list[T]]:
    """The values in lists short enough for one `IN (...)`, with room for a few other parameters."""
    limit = connection.features.max_query_params
    return chunks(values, limit - OTHER_PARAMETERS if limit else IN_LIST)
