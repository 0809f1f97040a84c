"""Whether a column holds one of many values, asked with one parameter instead of one for each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import F, Lookup


class Among(Lookup):
    """`filter(Among("contact_id", ids))`: as `contact_id__in=ids`, for numbers or texts, however many.

    What `IN (%s, %s, ...)` costs grows with its parameters: the ORM, the driver and the parser walk through each, and
    a list of another length is another statement. An array is one to all of them. Nor does SQLite's limit apply.
    """

    lookup_name = "among"
    prepare_rhs = False

    def __init__(self, field: str, values: Iterable[int | str]) -> None:
        super().__init__(F(field), sorted(values))

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self._column(compiler, connection)
        given = json.dumps(self.rhs)
        return f"{column} IN (SELECT value FROM json_each(%s))", (*parameters, given)  # noqa: S608 - a column of ours

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, parameters = self._column(compiler, connection)
        if isinstance(self.rhs[0], int):  # written out here: the driver would look at each
            return f"{column} = ANY(%s::bigint[])", (*parameters, f"{{{','.join(map(str, self.rhs))}}}")
        return f"{column} = ANY(%s::text[])", (*parameters, self.rhs)

    def _column(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        if not self.rhs:
            raise EmptyResultSet
        column, parameters = self.process_lhs(compiler, connection)
        return column, list(parameters)
