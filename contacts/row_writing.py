"""Many new rows at once, faster than `bulk_create`: COPY on PostgreSQL, one prepared INSERT on SQLite.

Django builds a statement of tens of thousands of parameters for each portion, which takes longer than all else that an
import does. What it would do for a row is done here too: derived fields are worked out, times set, ids filled in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.models.base import ModelState
from django.utils import timezone

from contacts.fields import DerivedField

M = TypeVar("M", bound=models.Model)


class Blank(Generic[M]):
    """Makes unsaved instances, several times as fast as the model itself does: each is a copy of an empty one.

    Values are given by the names that columns have in Django (`contact_id`).
    """

    def __init__(self, model: type[M]) -> None:
        self.model = model
        self.same = {name: value for name, value in vars(model()).items() if name != "_state"}
        fields = model._meta.concrete_fields
        self.own = [
            (field.attname, _utc_now if field.default is timezone.now else field.default)
            for field in fields
            if field.has_default() and callable(field.default)
        ]

    def __call__(self, **values: Any) -> M:
        one = self.model.__new__(self.model)
        mine = vars(one)
        mine.update(self.same, _state=ModelState())
        for name, default in self.own:
            if name not in values:
                mine[name] = default()
        mine.update(values)
        return one


def _utc_now() -> datetime:
    """As `timezone.now`, which looks into the settings each time."""
    return datetime.now(UTC)


def refer(one: models.Model, name: str, to: models.Model) -> None:
    """Have an unsaved instance refer to a saved one, as setting the attribute does, which asks the router each time."""
    values = vars(one)
    values[f"{name}_id"] = to.pk
    values["_state"].fields_cache[name] = to


def insert(model: type[models.Model], made: Sequence[models.Model]) -> None:
    """Write unsaved instances, in the caller's transaction; each has its id afterwards. Their relations are saved."""
    if not made:
        return
    fields = model._meta.concrete_fields
    for one, pk in zip(made, _new_ids(model, len(made)), strict=True):
        vars(one)["id"] = pk
    for field in fields:
        if isinstance(field, DerivedField):
            derive, source, name = field.derive, field.from_field, field.attname
            for one in made:
                values = vars(one)
                values[name] = derive(values[source])
        elif getattr(field, "auto_now", False):
            for one in made:
                field.pre_save(one, add=True)
    names = [field.attname for field in fields]
    insert_values(model, names, map(attrgetter(*names), made))
    alias = connection.alias
    for one in made:
        one._state.adding, one._state.db = False, alias


def insert_values(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows of values of the columns that are called so in Django; all columns without a default are named."""
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    columns = ", ".join(field.column for field in fields)
    converted = {place: how for place, field in enumerate(fields) if (how := _converter(field))}
    plain = map(list, rows)
    ready = (_converted(row, converted) for row in plain) if converted else plain
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            statement = f"COPY {table} ({columns}) FROM STDIN"
            with connection.wrap_database_errors, cursor.copy(statement) as copy:
                for row in ready:
                    copy.write_row(row)
        else:
            marks = ", ".join(["%s"] * len(fields))
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(ready))  # noqa: S608 - names of ours


def _converted(row: list[Any], converters: dict[int, Callable[[Any], Any]]) -> list[Any]:
    for place, convert in converters.items():
        row[place] = convert(row[place])
    return row


def _converter(field: Any) -> Callable[[Any], Any] | None:
    """What makes of a value of the field one that the database takes; None where it does as it is."""
    if isinstance(field, models.JSONField):
        return _json
    if isinstance(field, models.DateTimeField) and connection.vendor != "postgresql":
        return _SqliteTimes()
    return None


def _json(value: Any) -> str:
    return "{}" if value == {} else json.dumps(value)


class _SqliteTimes:
    """Times as SQLite's rows hold them. Most of a batch are one and the same."""

    def __init__(self) -> None:
        self.known: dict[datetime | None, Any] = {None: None}

    def __call__(self, value: datetime | None) -> Any:
        if value not in self.known:
            self.known[value] = connection.ops.adapt_datetimefield_value(value)
        return self.known[value]


def _new_ids(model: type[models.Model], n: int) -> Iterable[int]:
    """Ids that nobody else gets."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, n]
            )
            return [pk for (pk,) in cursor.fetchall()]
        # Writing it first keeps others from giving out the same ones until the transaction ends.
        cursor.execute("UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s", [n, table])
        if not cursor.rowcount:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, n])
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        last = cursor.fetchone()[0]
    return range(last - n + 1, last + 1)
