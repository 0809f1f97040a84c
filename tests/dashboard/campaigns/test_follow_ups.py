"""A follow-up is added from a campaign's report, and both reports show how they hang together."""

from __future__ import annotations

import pytest

from campaigns.models import Campaign
from tests import factories, reporting_rows

pytestmark = pytest.mark.django_db
GIVEN = {"when": "not_clicked", "after": "3", "unit": "days"}


@pytest.fixture
def campaign():
    made = reporting_rows.campaign([0, 0, 2])
    factories.content(made, body="Sale on Friday")
    return made


def test_a_follow_up_is_a_draft_that_says_whom_it_is_for(login, campaign):
    marketer = login("marketer")
    page = marketer.get(campaign.get_absolute_url()).content.decode()
    address = f"{campaign.get_absolute_url()}follow-up/"
    assert f'href="{address}"' in page

    answer = marketer.post(address, GIVEN)

    made = Campaign.objects.latest("pk")
    assert answer["Location"] == f"/campaigns/{made.slug}/edit/"
    assert (made.state, made.follows, made.follow_when, made.follow_hours) == (
        "draft",
        campaign,
        "not_clicked",
        72,
    )
    said = "people who were reached and clicked nothing, 3 days after it was delivered"
    assert said in " ".join(marketer.get(answer["Location"]).content.decode().split())
    assert said in marketer.get(campaign.get_absolute_url()).content.decode()


def test_the_report_of_a_follow_up_leads_back(login, campaign):
    later = reporting_rows.campaign([0], follows=campaign, follow_when="clicked", follow_hours=48)

    page = " ".join(login("marketer").get(later.get_absolute_url()).content.decode().split())

    assert f'Follows <a href="{campaign.get_absolute_url()}">{campaign.name}</a>' in page
    assert "people who clicked a link, 2 days after their first click" in page


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"when": "rumour"}, "Select a valid choice"),
        ({"when": ""}, "This field is required"),
        ({"after": "-1"}, "greater than or equal to 0"),
        ({"after": "31"}, "30 days at most"),
        ({"after": "99999999999999999999"}, "less than or equal to"),
        ({"after": "two"}, "Enter a whole number"),
        ({"unit": "weeks"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_made(login, campaign, changed, said):
    answer = login("marketer").post(f"{campaign.get_absolute_url()}follow-up/", GIVEN | changed)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert Campaign.objects.count() == 1


def test_only_who_may_make_campaigns_adds_one(login, campaign):
    support = login("support")

    assert support.post(f"{campaign.get_absolute_url()}follow-up/", GIVEN).status_code == 403
    assert "Add a follow-up" not in support.get(campaign.get_absolute_url()).content.decode()
    assert Campaign.objects.count() == 1


def test_nothing_follows_a_draft(login):
    draft = factories.campaign()

    assert login("marketer").post(f"/campaigns/{draft.slug}/follow-up/", GIVEN).status_code == 404
