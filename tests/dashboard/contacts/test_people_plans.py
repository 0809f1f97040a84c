"""However many people there are, a page of the table looks at few of them: its rows are found by an index."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Consent, Contact, ContactImport, ListMembership
from contacts.row_writing import insert
from deliveries.models import Message
from deliveries.outcomes import people as table
from deliveries.outcomes.keyset import Cursor
from deliveries.outcomes.people import PeopleFilter, people
from tests import factories

MANY, FEW = 2_000, 40
AT = datetime(2026, 11, 18, 17, 20, tzinfo=UTC)
LARGE = {"contacts_contact", "contacts_listmembership", "contacts_consent", "deliveries_message"}


@pytest.fixture
def many(db, monkeypatch):
    """Many people of one source, and a few of another that an import brought; each with a message and a yes."""
    monkeypatch.setattr(table, "LOOKED_AT", 500)
    big, small = factories.contact_list(), factories.contact_list()
    one = ContactImport.objects.create(file_name="people.csv", state=ContactImport.State.DONE)
    sources = [(big, None)] * MANY + [(small, one)] * FEW
    made = [Contact(name=f"Person {n}", source=of, first_import=by) for n, (of, by) in enumerate(sources)]
    insert(Contact, made)
    insert(ListMembership, [ListMembership(contact=each, contact_list=each.source) for each in made])
    insert(
        Consent, [Consent(contact=each, channel="sms", opted_in=True, how="Web form", at=AT) for each in made]
    )
    pattern = factories.message(factories.recipient(contact=made[0]), status="delivered")
    names = [
        field.attname
        for field in Message._meta.concrete_fields
        if field.name not in ("id", "uuid", "contact")
    ]
    same = {name: getattr(pattern, name) for name in names} | {"provider_message_id": ""}
    Message.objects.bulk_create(Message(contact_id=each.pk, **same) for each in made)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {
        "big": big.pk,
        "small": small.pk,
        "import": one.pk,
        "middle": str(Cursor(None, made[MANY // 2].pk)),
    }


GIVEN = [
    {}, {"source": "small"}, {"source": "big"}, {"first_import": "import"}, {"contact_list": "small"},
    {"contact_list": "big", "source": "big"}, {"source": "small", "ever": "delivered"}, {"ever": "hard_fails"},
    {"first_import": "import", "ever": "opt_outs"}, {"result": "permanent"},
    {"source": "big", "channel": "sms", "consent": "out"},
]  # fmt: skip


def test_a_page_is_found_by_an_index(many):
    slow = []
    for given in GIVEN:
        wanted = PeopleFilter(**{name: many.get(value, value) for name, value in given.items()})
        for mark in ("", many["middle"]):
            with CaptureQueriesContext(connection) as asked:
                people(wanted, mark)
            # Counting ends at its limit, and of what is nearly all it does so sooner without an index.
            rows = [each["sql"] for each in asked if not each["sql"].startswith("SELECT COUNT(*)")]
            assert rows
            slow += [f"{given} {mark}: {step}" for sql in rows for step in reads_all(sql)]

    assert not slow, "\n".join(slow)


def reads_all(sql: str) -> list[str]:
    """Steps of the plan that go through a whole table of those that are large."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql.replace('%', '%%')}", [])
            steps = [row[3] for row in cursor.fetchall()]
            if not any("TEMP B-TREE" in step for step in steps):  # in the order of ids, as far as the limit
                return []
            return [step for step in steps if step.startswith("SCAN") and set(step.split()) & LARGE]
        # Of so few rows PostgreSQL reads all the sooner: it is asked whether it has to.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
        plans = [
            json.loads(found)["Plan"] if isinstance(found := cursor.fetchone()[0], str) else found[0]["Plan"]
        ]
    slow = []
    while plans:
        plan = plans.pop()
        plans += plan.get("Plans", [])
        if plan["Node Type"] == "Seq Scan" and plan.get("Relation Name") in LARGE:
            slow.append(f"{plan['Relation Name']} {plan.get('Filter', '')}")
    return slow
