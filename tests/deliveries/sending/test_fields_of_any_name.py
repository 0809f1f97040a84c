"""Fields of contacts have the names of the columns of somebody's file: conditions and gaps find every one."""

from __future__ import annotations

import pytest
from django.urls import reverse

from campaigns.merging import lacking
from contacts.models import Contact
from tests import factories
from tests.deliveries.sending.test_who import meant_by

pytestmark = pytest.mark.django_db

# Each with one that is only like it.
NAMES = {
    "a.b": "a", "0": "1", "-1": "1", 'a"b': "ab", "$": "$x", "$x": "x", "$.a": "a", "é": "e", "É": "é", "City": "city",
    "a'b": "ab", "a[0]": "a", "a\\b": "ab", "%s": "s", "two words": "two", "": "x", "😀": "x",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_field_is_found_by_its_very_name(now, name):
    people = factories.contact_list()
    has, like, lacks = (
        factories.contact(lists=[people], attributes=attributes)
        for attributes in ({name: "yes", "z": "no"}, {NAMES[name]: "yes"}, {})
    )
    condition = {"is": "field", "field": name, "words": ["Yes"]}

    assert lacking(Contact.objects.all(), [name]) == {name: 2}
    if name:  # which no condition can name
        assert meant_by(now, condition, lists=[people]) == {has.pk}
        assert meant_by(now, {**condition, "not": True}, lists=[people]) == {like.pk, lacks.pk}


def test_the_page_of_a_draft_that_asks_for_such_a_field_is_shown(login):
    people = factories.contact_list()
    factories.phone(factories.contact(lists=[people], attributes={"$x": "yes"}))
    condition = {"is": "field", "field": "$x", "words": ["yes"], "not": True}
    draft = factories.campaign(lists=[people], conditions={"all": [condition]})
    factories.content(draft)

    page = login("marketer").get(reverse("campaigns:edit", args=[draft.slug]))

    assert page.status_code == 200
    assert "Nobody meets its conditions." in page.content.decode()
