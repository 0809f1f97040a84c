"""A campaign that is being sent, accounts in an order, and messages that wait."""

from __future__ import annotations

import pytest

from deliveries.models import Outbox, Route
from tests import factories
from tests.engine import sending, waiting


@pytest.fixture
def campaign():
    return sending()


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def queued(campaign, account, now):
    """`queued()`: a message that waits for its handover, tallies in order."""
    return lambda **fields: waiting(campaign, account, now, **fields)


@pytest.fixture
def first():
    return factories.account(name="First", rank=1)


@pytest.fixture
def second():
    return factories.account(name="Second", rank=2)


@pytest.fixture
def listed(first, second):
    """Both, in order, for every text message."""
    return [
        Route.objects.create(channel="sms", position=position, account=account)
        for position, account in enumerate((first, second), 1)
    ]


@pytest.fixture
def message(first, now):
    """`message()`: one that waits at the first account; urgent unless `priority` says otherwise."""

    def make(priority="urgent", account=first, campaign=None, **fields):
        made = waiting(campaign or sending(priority=priority), account, now, **fields)
        Outbox.objects.filter(pk=made.pk).update(urgent=priority == "urgent")
        return made

    return make
