"""A campaign with messages that failed, and who works on them."""

from __future__ import annotations

import pytest

from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import (
    ABSENT,
    Fake,
    person,
    report,
    sending,
    waiting,
    work,
)


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def campaign(account):
    """By text; the playbook would move nobody to email by itself."""
    made = sending("sms", "email")
    made.playbook.switch_to = []
    made.playbook.retries = 0
    made.playbook.save()
    return made


@pytest.fixture
def staff(make_user):
    return make_user("marketer")


@pytest.fixture
def failed(campaign, account, now):
    """`failed(ABSENT)`: a text that ended so, decided upon, waiting for somebody."""

    def make(meaning=ABSENT, contact=None):
        message = waiting(campaign, account, now, contact or person("sms", "email", at=now))
        dispatch(now, Fake())
        report(message, meaning, now)
        work(now)
        message.refresh_from_db()
        return message

    return make
