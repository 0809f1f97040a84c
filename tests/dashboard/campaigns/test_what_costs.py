"""The cost before sending, on the pages where a campaign is written and launched, and who changes prices."""

import pytest
from django.urls import reverse

from campaigns.models import Price
from tests import factories
from tests.engine import consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(now):
    people = factories.contact_list()
    for _ in range(3):
        contact = factories.contact(lists=[people])
        factories.phone(contact, region="US-TX")
        consent(contact, "sms", at=now)
    factories.account()
    made = factories.campaign(lists=[people])
    factories.content(made, "sms", body="Your check-up is due.")
    Price.objects.all().delete()
    return made


def page(client, draft):
    return " ".join(client.get(reverse("campaigns:edit", args=[draft.slug])).content.decode().split())


def test_the_same_cost_is_said_below_the_preview_and_before_the_launch(login, draft):
    Price.objects.create(channel="sms", country="US", amount="0.02")

    assert page(login("marketer"), draft).count("About 0.06 USD: 3 segments at 0.02.") == 2


def test_an_unknown_price_is_said_to_be_one(login, draft):
    Price.objects.create(channel="sms", country="GB", amount="0.02")

    assert "The price is not known: nobody has entered one for US (3)." in page(login("marketer"), draft)


def test_administrators_change_prices_and_what_they_saved_is_no_example(login, make_user):
    price = Price.objects.create(channel="sms", country="SE", amount="0.02", is_example=True)
    change = reverse("admin:campaigns_price_change", args=[price.pk])
    given = {"channel": "sms", "country": "SE", "sender_kind": "", "amount": "0.03", "currency": "USD"}

    assert login(user=make_user("marketer", is_staff=True)).post(change, given).status_code == 403
    login(user=make_user("admin", is_staff=True)).post(change, given)

    price.refresh_from_db()
    assert (str(price.amount), price.is_example) == ("0.03000", False)


@pytest.mark.parametrize("change", [{"amount": "-1"}, {"country": "usa"}, {"currency": "$"}, {"amount": "x"}])
def test_a_price_that_cannot_be_is_refused(login, make_user, change):
    given = {
        "channel": "sms",
        "country": "SE",
        "sender_kind": "",
        "amount": "0.03",
        "currency": "USD",
    } | change
    before = Price.objects.count()

    response = login(user=make_user("admin", is_staff=True)).post(reverse("admin:campaigns_price_add"), given)

    assert (response.status_code in (200, 422), Price.objects.count()) == (True, before)
