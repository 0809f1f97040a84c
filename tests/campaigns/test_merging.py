"""Merge fields: what is filled in, what is refused as a slip, and who lacks what."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from campaigns.gaps import Gap, gaps
from campaigns.merging import fields, merge
from deliveries.sending import checks
from deliveries.sending.launching import obstacles
from deliveries.sending.meant import first_contacts
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello {first_name}!", "Hello Omar!"),
        ("Hello {{ first_name }}!", "Hello Omar!"),
        ("{{first_name}}, {city}", "Omar, "),
        ("No fields.", "No fields."),
    ],
)
def test_fields_are_filled_in_in_either_notation(text, said):
    assert merge(text, {"first_name": "Omar"}) == said


def test_each_field_is_named_once():
    assert fields("{first_name} {{ city }} {first_name}") == ["first_name", "city"]


def written(**fields):
    """An SMS that was just written, and not saved yet."""
    content = factories.content(factories.campaign())
    for name, value in fields.items():
        setattr(content, name, value)
    return content


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            "Hello {frist_name}!",
            "No contact has the merge field {frist_name}. Did you mean {first_name}? "
            "There are {first_name}, {name}, {city}.",
        ),
        (
            "Hello {{ First Name }}!",
            "No contact has the merge field {First Name}. Did you mean {first_name}? "
            "There are {first_name}, {name}, {city}.",
        ),
        (
            "Your {shoe_size}",
            "No contact has the merge field {shoe_size}. There are {first_name}, {name}, {city}.",
        ),
    ],
)
def test_a_field_that_no_contact_has_is_refused(body, fault):
    factories.contact(attributes={"city": "Utica"})

    with pytest.raises(ValidationError) as refused:
        written(body=body).clean()

    assert refused.value.message_dict == {"body": [fault]}


def test_a_field_that_some_contacts_have_is_taken():
    factories.contact()
    factories.contact(attributes={"city": "Utica"})

    written(body="Hello {first_name} in {{ city }}!").clean()


@pytest.fixture
def draft():
    people = factories.contact_list()
    for name, attributes in (("Omar", {"city": "Utica"}), ("", {"city": ""}), ("Elena", {})):
        contact = factories.contact(
            name=name, lists=[people, factories.contact_list()], attributes=attributes
        )
        factories.phone(contact)
        consent(contact, "sms", at=timezone.now())
    factories.contact(attributes={"region": "North"})
    factories.account()
    made = factories.campaign(lists=[people])
    factories.content(made, body="Hello {first_name}, {name} in {city}, {region}!")
    return made


def people_of(draft):
    return first_contacts(draft, timezone.now())


def test_a_draft_says_how_many_lack_what(draft):
    assert gaps(draft, people_of(draft)) == [
        Gap("first_name", 1, 3),
        Gap("name", 1, 3),
        Gap("city", 2, 3),
        Gap("region", 3, 3),
    ]


def test_a_field_that_nobody_on_the_lists_has_stops_the_launch(draft):
    assert obstacles(draft, timezone.now()) == [
        "Nobody on its lists has the merge field {region}. Correct the content, or import the field."
    ]


def test_the_draft_page_warns_before_the_launch(draft, login):
    page = login("marketer").get(draft.get_absolute_url(), follow=True).content.decode()

    assert "2 of 3 contacts lack {city}." in page
    assert "lack {region}" not in page
    assert "Nobody on its lists has the merge field {region}." in page


def test_of_a_large_audience_only_the_first_are_asked(draft, monkeypatch, login):
    monkeypatch.setattr("deliveries.sending.meant.ASKED", 2)

    assert Gap("region", 2, 2, partly=True) in checks.load(draft, timezone.now()).gaps
    assert obstacles(draft, timezone.now()) == []  # the rest may have it
    page = login("marketer").get(draft.get_absolute_url(), follow=True).content.decode()
    assert "2 of the first 2 contacts lack {region}." in page


def test_a_text_without_fields_asks_nothing(draft, django_assert_num_queries):
    draft.contents.update(body="Hello.")
    everybody = people_of(draft)

    with django_assert_num_queries(1):
        assert gaps(draft, everybody) == []
