"""The order of a list of routes is changed in one step."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from deliveries.models import Route
from tests import factories

pytestmark = pytest.mark.django_db
URL = reverse("admin:deliveries_route_changelist")


@pytest.fixture
def routes():
    """Three of one list, and one of another list that has a position in between."""
    made = [
        Route.objects.create(channel="sms", position=position, account=factories.account(name=name))
        for name, position in (("First", 1), ("Second", 2), ("Third", 5))
    ]
    Route.objects.create(channel="sms", country="US", position=4, account=made[0].account)
    return made


@pytest.fixture
def move(make_user, login):
    def moved(role, *routes):
        user = make_user(role)
        user.is_staff = True
        user.save()
        answer = login(user=user).post(
            URL, {"action": "move_up", "_selected_action": [route.pk for route in routes], "index": "0"}
        )
        return [str(one) for one in get_messages(answer.wsgi_request)]

    return moved


def order():
    return list(Route.objects.filter(country="").values_list("account__name", "position"))


def test_a_route_exchanges_places_with_the_one_before_it(routes, move):
    said = move("admin", routes[2])

    assert order() == [("First", 1), ("Third", 2), ("Second", 5)]
    assert said == ["Third is now used before Second."]
    assert Route.objects.get(country="US").position == 4


def test_several_move_up_together(routes, move):
    move("admin", routes[1], routes[2])

    assert order() == [("Second", 1), ("Third", 2), ("First", 5)]


def test_the_first_one_stays_and_says_so(routes, move):
    assert move("admin", routes[0]) == ["SMS, 1: First is the first of its list."]

    assert [name for name, _ in order()] == ["First", "Second", "Third"]


@pytest.mark.parametrize("role", ["support", "marketer"])
def test_nobody_else_changes_the_order(routes, move, role):
    move(role, routes[2])

    assert [name for name, _ in order()] == ["First", "Second", "Third"]
