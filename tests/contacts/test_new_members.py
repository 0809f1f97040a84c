"""Double opt-in looks at those of a list who are new since, however many joined other lists meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts import opt_ins
from contacts.models import Contact, DoubleOptIn, ListMembership
from tests import factories

pytestmark = pytest.mark.django_db
SOME, LISTS = 3_000, 3  # people of a list, more than are looked at together; other lists


def test_they_are_found_by_an_index(now):
    club, others = factories.contact_list(), [factories.contact_list() for _ in range(LISTS)]
    people = Contact.objects.bulk_create(Contact() for _ in range(SOME))
    for each in (club, *others):
        ListMembership.objects.bulk_create(
            ListMembership(contact_list=each, contact=one, added_at=now) for one in people
        )
    opt_ins.change(club, "sms", "+12125550199", now + timedelta(hours=1))
    last = club.memberships.order_by("pk").values_list("pk", flat=True).last()
    DoubleOptIn.objects.update(looked_until=last)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    with CaptureQueriesContext(connection) as asked:
        assert opt_ins.ask_some(now) == 0

    looked = [one["sql"] for one in asked if 'FROM "contacts_listmembership"' in one["sql"]]
    assert len(looked) == 1
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'' if connection.vendor == 'postgresql' else 'QUERY PLAN'} {looked[0]}")
        assert "membership_newest" in str(cursor.fetchall())
