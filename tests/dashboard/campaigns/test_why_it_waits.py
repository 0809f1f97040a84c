"""A report says why its messages wait where nothing of the campaign's own holds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.models import Sender
from deliveries.models import Account
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import Fake, sending, waiting

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 4, 15, tzinfo=UTC)
MIDNIGHT = "5 Mar, 00:00 (UTC)"


@pytest.fixture(autouse=True)
def today(time_machine):
    time_machine.move_to(NOW)


@pytest.fixture
def campaign():
    campaign, account = sending(), factories.account(name="Sandbox")
    for _ in range(3):
        waiting(campaign, account, NOW)
    return campaign


@pytest.fixture
def notice(campaign, login):
    marketer = login("marketer")

    def read(**headers):
        page = marketer.get(campaign.get_absolute_url(), headers=headers).content.decode()
        return " ".join(page.partition('id="why"')[2].partition("</div>")[0].split())

    return read


def test_without_a_reason_there_is_no_notice(notice):
    assert notice() == "hidden>"


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "update"])
def test_that_its_senders_day_is_used_up_and_until_when(notice, headers):
    Sender.objects.update(per_day=2, value="+12125550177")
    dispatch(NOW, Fake())

    assert (
        f"+12125550177 has sent as much today as it may (2). Messages beyond that leave from {MIDNIGHT}."
        in notice(**headers)
    )
    Sender.objects.update(per_day=100)
    assert "as it may" not in notice()


def test_that_a_mail_domain_has_used_up_the_day_of_its_warm_up(login):
    campaign, account = sending("email"), factories.account()
    Sender.objects.update(warm_up_from=NOW.date())
    for _ in range(51):
        waiting(campaign, account, NOW)
    dispatch(NOW, Fake(), limit=60)
    dispatch(NOW, Fake(), limit=60)

    page = login("marketer").get(campaign.get_absolute_url()).content.decode()

    assert "The mail domain of " in page
    assert "has sent as much today as it may (50)." in page


def test_that_its_account_is_paused_or_off_and_what_becomes_of_its_messages(notice):
    Account.objects.update(paused_until=NOW + timedelta(hours=2))
    assert (
        "Sandbox is paused. Messages wait there until 4 Mar, 17:00 (UTC); where a list of routes" in notice()
    )

    Account.objects.update(paused_until=None, active=False)
    assert (
        "Sandbox is switched off. Messages wait there until it is on again; where a list of routes"
        in notice()
    )


def test_a_paused_campaign_waits_for_nothing_else(campaign, notice):
    Account.objects.update(active=False)
    campaign.state = "paused"
    campaign.save()

    assert notice() == "hidden>"
