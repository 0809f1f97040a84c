"""Routes whose receipts prove less."""

from __future__ import annotations

import pytest

from deliveries.models import RouteEvidence
from tests.dashboard.mappings.steps import text

pytestmark = pytest.mark.django_db


ROUTE = {
    "channel": "sms",
    "provider": "twilio",
    "country": "us",
    "carrier": "Carrier A",
    "evidence": "handed_over",
    "note": "",
}


def test_a_route_is_added_and_removed(admin):
    added = admin.post("/mappings/routes/", ROUTE, follow=True)

    rule = RouteEvidence.objects.get()
    assert (rule.country, rule.provider) == ("US", "twilio")
    assert "Carrier A Handed over to the carrier" in text(added)
    gone = admin.post(f"/mappings/routes/{rule.pk}/remove/", follow=True)
    assert "No route is listed" in text(gone)
    assert "was gone already" in text(admin.post(f"/mappings/routes/{rule.pk}/remove/", follow=True))


def test_the_same_route_twice_is_refused(admin):
    admin.post("/mappings/routes/", ROUTE)

    page = admin.post("/mappings/routes/", ROUTE | {"evidence": "assumed"})

    assert page.status_code == 422
    assert "There is a rule for exactly this route." in text(page)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"channel": "fax"}, "Channel : Select a valid choice"),
        ({"channel": ""}, "Channel : This field is required."),
        ({"country": "USA"}, "Country : Give the country as two letters"),
        ({"provider": "nobody"}, "Provider : Select a valid choice"),
        ({"carrier": "x" * 61}, "Carrier : Ensure this value has at most 60"),
        ({"evidence": "handset"}, "Select a valid choice"),
        ({"note": "x" * 201}, "Note : Ensure this value has at most 200"),
    ],
)
def test_a_route_that_makes_no_sense_names_the_field(admin, changes, says):
    page = admin.post("/mappings/routes/", ROUTE | changes)

    assert page.status_code == 422
    assert says in text(page)
    assert not RouteEvidence.objects.exists()


def test_removing_a_route_that_never_was_is_answered_in_words(admin):
    assert "was gone already" in text(admin.post("/mappings/routes/0/remove/", follow=True))
    assert admin.post(f"/mappings/routes/{'9' * 30}/remove/").status_code == 404
