"""Our references of messages: unlike each other, and rising with time, whoever makes them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection

from deliveries.ledger.statements import backend
from deliveries.references import moment, new_reference


def made_by_the_database(at: datetime) -> uuid.UUID:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {backend().new_reference(moment(at))}")
        return uuid.UUID(str(cursor.fetchone()[0]))


def made_in_python(at: datetime) -> uuid.UUID:
    with time_machine.travel(at, tick=False):
        return new_reference()


@pytest.mark.django_db
@pytest.mark.parametrize("make", [made_in_python, made_by_the_database])
def test_a_reference_is_a_uuid_of_version_seven_with_its_millisecond(make, now):
    reference = make(now)

    assert (reference.version, reference.variant) == (7, uuid.RFC_4122)
    assert reference.int >> 80 == int(now.timestamp() * 1000)


@pytest.mark.django_db
@pytest.mark.parametrize("make", [made_in_python, made_by_the_database])
def test_references_of_one_moment_differ_and_a_later_one_is_greater(make, now):
    made = {make(now) for _ in range(50)}

    assert len(made) == 50
    assert make(now + timedelta(milliseconds=1)) > max(made)


def test_moments_before_the_year_ten_thousand_have_twelve_digits():
    assert {len(moment(datetime(year, 1, 1, tzinfo=UTC))) for year in (1970, 2026, 9999)} == {12}
