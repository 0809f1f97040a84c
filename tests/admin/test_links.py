"""Raw records lead nobody to a page that answers 403."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from deliveries.models import Route
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def records():
    """Pages that name a person who made something, or an account."""
    message = factories.message(account=factories.account(name="Main account"))
    campaign = message.campaign
    campaign.created_by = factories.user(username="ana")
    campaign.save()
    route = Route.objects.create(channel="sms", position=1, account=message.account)
    return [
        reverse("admin:campaigns_campaign_change", args=[campaign.pk]),
        reverse("admin:deliveries_message_change", args=[message.pk]),
        reverse("admin:deliveries_route_change", args=[route.pk]),
    ]


@pytest.fixture
def staff(login, make_user):
    def logged_in(role):
        user = make_user(role)
        user.is_staff = True
        user.save()
        return login(user=user)

    return logged_in


@pytest.mark.parametrize("role", ["marketer", "support"])
def test_every_link_of_a_record_opens_for_its_reader(staff, records, role):
    client = staff(role)
    pages = [client.get(url) for url in records]
    opened = [page.content.decode() for page in pages if page.status_code == 200]

    assert len(opened) == (3 if role == "support" else 2)  # routes are none of a marketer's
    assert '<div class="readonly">Main account</div>' in opened[1]
    for page in opened:
        for url in re.findall(r'<div class="readonly"><a href="([^"]+)"', page):
            assert client.get(url).status_code == 200, url


def test_an_administrator_follows_them_all(staff, records):
    client = staff("admin")

    campaign, message, _ = [client.get(url).content.decode() for url in records]

    assert re.search(r'href="/admin/accounts/user/\d+/change/"', campaign)
    assert re.search(r'href="/admin/deliveries/account/\d+/change/">Main account', message)
