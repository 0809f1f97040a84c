"""Asking whether a column holds one of many values."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.among import Among
from contacts.models import Address, Contact
from tests import factories

pytestmark = pytest.mark.django_db


def test_it_says_what_a_list_says_of_numbers_texts_and_relations():
    people = [factories.phone().contact for _ in range(5)]
    one, other = people[1], people[3]
    wanted = {one.pk, other.pk, 987_654_321_987}

    assert set(Contact.objects.filter(Among("pk", wanted))) == {one, other}
    assert set(Contact.objects.exclude(Among("pk", wanted))) == set(people) - {one, other}
    assert Address.objects.filter(Among("contact_id", wanted), kind="phone").count() == 2
    assert Address.objects.filter(Among("contact__name", {one.name}), contact_id=one.pk).count() == 1
    values = [one.addresses.get().value, 'a"b\\', "é{},'", ""]
    assert [each.contact for each in Address.objects.filter(Among("value", values))] == [one]


def test_of_nothing_it_asks_nothing(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert not list(Contact.objects.filter(Among("pk", [])))


def test_it_is_one_query_with_one_parameter_however_many_there_are():
    person = factories.contact()

    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert list(Contact.objects.filter(Among("pk", range(person.pk - 50_000, person.pk + 50_000)))) == [
            person
        ]

    assert len(asked) == 1
