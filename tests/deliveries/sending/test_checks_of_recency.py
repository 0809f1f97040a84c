"""Before a launch: who of the audience got marketing within a day before."""

from datetime import timedelta

import pytest

from deliveries.sending import checks
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    contact = factories.contact(lists=[factories.contact_list()])
    factories.phone(contact)
    return contact


def written(contact, at, name="Autumn offer", purpose="marketing"):
    campaign = factories.campaign(name=name, state="sending", purpose=purpose)
    address = contact.addresses.first() or factories.phone(contact)
    factories.message(campaign=campaign, contact=contact, address=address, handed_over_at=at)


def said(person, now, **fields):
    made = factories.campaign(lists=[person.lists.get()], **{"purpose": "marketing"} | fields)
    found = checks.people_were_left_in_peace(checks.load(made, now))
    return [one.says for one in found if not one.blocks]


def test_whom_another_campaign_wrote_to_minutes_ago_are_named(person, now):
    written(person, now - timedelta(minutes=5))
    written(factories.contact(), now)

    assert said(person, now) == [
        "1 of them got a marketing message in the last 24 hours (campaign Autumn offer)."
    ]
    written(person, now - timedelta(hours=1), "Winter offer")
    assert "1 of them got a marketing message in the last 24 hours (most by" in said(person, now)[0]


@pytest.mark.parametrize(
    ("hours", "purpose", "fields"),
    [
        (25, "marketing", {}),
        (1, "service", {}),
        (1, "marketing", {"purpose": "service"}),
        (1, "marketing", {"starts_in": 30}),
    ],
)
def test_what_is_long_past_by_then_or_was_asked_for_is_no_matter(person, now, hours, purpose, fields):
    written(person, now - timedelta(hours=hours), purpose=purpose)
    if starts_in := fields.pop("starts_in", None):
        fields["starts_at"] = now + timedelta(hours=starts_in)

    assert said(person, now, **fields) == []
