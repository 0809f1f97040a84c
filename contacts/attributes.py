"""A contact's further fields, asked for by SQL: the only place that knows how. Their names are those of the columns of
some file, so they may hold any letters: a dot, a digit, a quotation mark or "$" is one like others.

SQLite takes the name behind "->>" for a path or a place, and PostgreSQL a number for a place: hence neither does.
"""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import F, Func, TextField, Value

TEXT = {
    "postgresql": "({column} ->> CAST({name} AS text))",
    "sqlite": "(SELECT value FROM json_each({column}) WHERE key = {name})",
}


def sql_attribute(column: str, name: str) -> str:
    """The text of the field in a column of attributes, NULL where there is none; `name`: a placeholder."""
    return TEXT[connection.vendor].format(column=column, name=name)


class AttributeText(Func):
    """The same for a queryset of contacts."""

    output_field = TextField()

    def __init__(self, name: str) -> None:
        super().__init__(F("attributes"), Value(name, output_field=TextField()))

    def as_sql(
        self, compiler: Any, connection: Any, *args: Any, **extra: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        (column, of_column), (name, of_name) = map(compiler.compile, self.get_source_expressions())
        return TEXT[connection.vendor].format(column=column, name=name), (*of_column, *of_name)
