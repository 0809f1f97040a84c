"""What a second database is left to run: no statement of Django's is missed there, and none of ours is run less."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from tests import factories, statements
from tests.statements import Statements, shape

ONE, OTHER = 'SELECT "a" FROM "b" WHERE "c" = %s', 'SELECT "a" FROM "b"'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('SELECT "a" FROM "b" WHERE "c" IN (%s)', 'SELECT "a" FROM "b" WHERE "c" IN (%s, %s, %s)'),
        (
            'INSERT INTO "b" ("a", "c") VALUES (%s, %s)',
            'INSERT INTO "b" ("a", "c") VALUES (%s, %s), (%s, NULL)',
        ),
        ('SELECT "a" FROM "b" LIMIT 1', 'SELECT "a" FROM "b" LIMIT 21'),
        ('SAVEPOINT "s1_x1"', 'SAVEPOINT "s2_x7"'),
    ],
)
def test_statements_that_differ_in_values_alone_are_the_same(one, other):
    assert shape(one) == shape(other)


def test_statements_about_other_columns_are_not_the_same():
    assert shape('SELECT "a1" FROM "b"') != shape('SELECT "a2" FROM "b"')


@pytest.fixture
def noted(db):
    found = Statements()
    with connection.execute_wrapper(found):
        yield found


def test_a_statement_of_django_is_tried_on_each_database_once(noted):
    factories.contact()

    assert noted.sent
    assert not noted.on_each


def test_a_statement_written_by_hand_is_tried_with_all_that_it_may_find(noted):
    of_pages = Statements(of_pages=True)

    with connection.execute_wrapper(of_pages), connection.cursor() as cursor:
        cursor.execute("SELECT 1")

    assert noted.on_each
    assert of_pages.sent
    assert not of_pages.on_each


def test_a_statement_that_is_refused_is_so_on_each_database(noted):
    factories.user(username="robin")
    assert not noted.on_each

    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(username="robin")])

    assert noted.on_each


@pytest.mark.parametrize("name", ["Robin\0", "Robin\ud800", "x" * 300])
@pytest.mark.once
def test_a_value_that_a_column_may_refuse_is_tried_on_each_database(name):
    assert statements.is_awkward(name)
    assert statements.is_awkward(1 << 40)
    assert not statements.is_awkward("Robin")


class Item:
    def __init__(self, name, **marks):
        self.nodeid, self.marks, self.fixturenames = name, marks, []

    def get_closest_marker(self, name):
        return SimpleNamespace(kwargs=self.marks) if self.marks else None


@pytest.mark.once
def test_what_others_send_is_left_out_and_what_is_unknown_runs(tmp_path, monkeypatch):
    lines = [
        ("one", False, [ONE]), ("both", False, [ONE, OTHER]), ("ours", True, [ONE]), ("nothing", False, []),
        ("commits", False, [ONE]),
    ]  # fmt: skip
    (tmp_path / "statements-1.jsonl").write_text("\n".join(map(json.dumps, lines)))
    monkeypatch.setenv("TEST_TEMPLATES", str(tmp_path))
    monkeypatch.setattr(statements.connection, "vendor", "postgresql")
    names = ["one", "both", "ours", "nothing", "new"]
    items = [*map(Item, names), Item("commits", transaction=True)]

    chosen = statements.to_run(items)

    assert [each.nodeid for each in chosen] == ["both", "ours", "new", "commits"]
