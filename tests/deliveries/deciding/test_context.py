"""What a decision depends on is read, never changed: whoever only looks may ask for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from contacts.models import AddressHealth
from deliveries.deciding.attempts import withdraw
from deliveries.deciding.context import load_context
from deliveries.deciding.followup import settle
from deliveries.deciding.recipients import load_recipients
from deliveries.deciding.staff import would_send
from deliveries.models import Decision
from deliveries.sending.dispatch import dispatch
from tests import factories
from tests.engine import ABSENT, DEAD, Fake, agree, person, report, sending, waiting, work

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def failed(account, now):
    """A text that failed for good, and nobody has followed up."""
    message = waiting(sending("sms", "email"), account, now, person("sms", "email", at=now))
    dispatch(now, Fake())
    report(message, DEAD, now)
    return message


@pytest.fixture
def withdrawn(account, now):
    """The only message to somebody, taken back, and nobody has followed up."""
    message = waiting(sending("sms"), account, now)
    with transaction.atomic():
        withdraw([message.pk], "stopped", now)
    return message


def changes(queries):
    """The statements that are no mere look; a lock is one."""
    return [
        each["sql"] for each in queries.captured_queries if not each["sql"].lstrip("(").startswith("SELECT")
    ]


@pytest.mark.parametrize("lock", [False, True])
def test_loading_what_is_known_writes_nothing(failed, withdrawn, now, lock):
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        found = load_recipients([failed.recipient_id, withdrawn.recipient_id], lock=lock)
        known = load_context(found, now)

    assert [one.recipient for one in found] == [failed.recipient]
    assert known.health[failed.address_id, "sms"].hard_fails == 1
    assert len(queries) > 5
    assert changes(queries) == []


def test_following_up_stores_the_health_and_says_why_somebody_was_skipped(failed, withdrawn, now):
    with transaction.atomic():
        settle([failed.recipient_id, withdrawn.recipient_id], now)

    assert AddressHealth.objects.get(channel="sms").hard_fails == 1
    withdrawn.recipient.refresh_from_db()
    assert (withdrawn.recipient.state, withdrawn.recipient.skip_reason) == ("skipped", "stopped")
    assert Decision.objects.get(message_id=withdrawn.pk).rule == "stopped"
    assert agree()


def test_asking_what_a_planned_step_would_send_writes_nothing(account, now):
    message = waiting(sending("sms"), account, now)
    dispatch(now, Fake())
    report(message, ABSENT, now)
    work(now)
    message.recipient.refresh_from_db()

    with CaptureQueriesContext(connection) as queries:
        planned = would_send([message.recipient], now)

    assert planned[message.recipient_id].address == message.address
    assert changes(queries) == []
