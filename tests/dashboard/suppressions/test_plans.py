"""However many suppressions there are, a page of the list and its count are found by an index."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from contacts.models import Suppression
from dashboard.suppressions.listing import SIZE, SuppressionFilter
from deliveries.outcomes.blocked import look_up
from deliveries.outcomes.counting import COUNT_LIMIT
from deliveries.outcomes.keyset import Cursor, after
from deliveries.outcomes.mistaken_suppressions import candidates
from tests import factories

MANY, FEW = 20_000, 60


@pytest.fixture
def many(db):
    """Many of one kind, and a few of each other."""
    now = timezone.now()
    kinds = [{}] * MANY
    kinds += [{"reason": "legal", "origin": "staff"}] * FEW
    kinds += [{"channel": "rvm", "origin": "rule", "reason": "hard_fails"}] * FEW
    kinds += [{"scope": "sender", "scope_value": "+1"}] * FEW
    kinds += [{"released_at": now}] * FEW + [{"expires_at": now - timedelta(days=1)}] * FEW
    Suppression.objects.bulk_create(
        (
            Suppression(
                **{
                    "value": factories.phone_number(n % 60_000), "reason": "imported", "origin": "import",
                    "channel": "sms", "fact": f"row {n}", "created_at": now - timedelta(seconds=n), **kind,
                }
            )
            for n, kind in enumerate(kinds)
        ),
        batch_size=1_000,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return now


GIVEN = [
    {},
    {"reason": "legal"},
    {"origin": "staff"},
    {"channel": "rvm"},
    {"channel": "mms"},
    {"scope": "sender"},
    {"state": "released"},
    {"state": "expired"},
    {"state": "ending"},
    {"state": "blocking"},
    {"reason": "legal", "origin": "rule", "state": "blocking"},
]


def test_a_page_of_many_and_its_count_are_found_by_an_index(many):
    slow = []
    for given in GIVEN:
        form = SuppressionFilter(given)
        assert form.is_valid()
        rows = form.rows(many).order_by("-created_at", "-id")
        middle = after(rows, Cursor(many - timedelta(seconds=MANY // 2), 1), pk="id", at="created_at")
        asked = [rows[: SIZE + 1], middle.order_by("-created_at", "-id")[: SIZE + 1]]
        if given and given != {"state": "blocking"}:  # of what is nearly all, counting ends at its limit
            asked.append(rows.order_by().values("pk")[:COUNT_LIMIT])
        slow += [f"{given}: {step}" for one in asked for step in reads_all(one)]

    assert not slow, "\n".join(slow)


def test_a_search_and_a_look_up_of_many_read_few_rows(many, django_assert_max_num_queries):
    with django_assert_max_num_queries(17):
        form = SuppressionFilter({"s": factories.phone_number(17)})
        assert form.is_valid()
        rows = form.rows(many).order_by("-created_at", "-id")
        assert reads_all(rows[: SIZE + 1]) == []
        look_up(factories.phone_number(17), many, many)


def test_those_that_may_be_mistaken_are_looked_for_among_those_of_rules(many):
    assert reads_all(candidates(many).order_by("-created_at", "-id")[: SIZE + 1]) == []


def reads_all(rows) -> list[str]:
    """Steps that go through the whole table."""
    if connection.vendor == "sqlite":
        return [
            line
            for line in rows.explain().splitlines()
            if "SCAN contacts_suppression" in line and "INDEX" not in line
        ]
    plans, found = [json.loads(rows.explain(format="json"))[0]["Plan"]], []
    while plans:
        plan = plans.pop()
        plans += plan.get("Plans", [])
        if plan["Node Type"] == "Seq Scan" and plan.get("Relation Name") == "contacts_suppression":
            found.append(f"{plan['Node Type']} {plan.get('Filter', '')}")
    return found
