"""What the gate would have said at a moment that is over, and of an address that no contact has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contacts.channels import Channel
from contacts.consenting import record_opt_in, record_opt_out
from contacts.gate import check, judge
from contacts.gate_facts import of_nobody
from contacts.models import Reply, Suppression
from contacts.suppressing import lift_mistaken, put_back, release, suppress
from tests import factories
from tests.contacts.test_gate import ask_for, opt_in

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def address():
    made = factories.phone(value="+15125550142")
    opt_in(made, at=NOW - 20 * DAY)
    return made


def then(address, days, channel=Channel.SMS):
    """The reason the gate gives for a send of so many days ago, as known then."""
    return check([ask_for(address, channel)], NOW - days * DAY, past=True)[address.pk].reason


def test_a_block_counts_from_its_beginning_to_its_release(address):
    block = suppress(value=address.value, reason="staff", origin="staff", now=NOW - 5 * DAY)
    release(block, by=None, note="x", now=NOW - 2 * DAY)

    assert [then(address, days) for days in (6, 4, 1)] == ["", "suppressed", ""]


def test_a_block_that_was_taken_for_a_mistake_for_a_while_did_not_count_then(address):
    fact = {"reason": "hard_fails", "origin": "rule", "fact": "message 7", "value": address.value}
    suppress(**fact, now=NOW - 5 * DAY)
    lift_mistaken(Suppression.objects.all(), note="version 2", now=NOW - 3 * DAY)
    put_back(list(Suppression.objects.all()), NOW - DAY)

    assert [then(address, days) for days in (4, 2, 0)] == ["suppressed", "", "suppressed"]


def test_consent_counts_as_it_stood(address):
    record_opt_out(value=address.value, channel="sms", how="Reply", evidence="STOP", at=NOW - 5 * DAY)
    record_opt_in(value=address.value, channel="sms", how="Reply", evidence="START", at=NOW - 2 * DAY)

    assert [then(address, days) for days in (21, 6, 4, 1)] == ["no_consent", "", "opted_out", ""]


def test_a_reply_held_what_was_to_be_sent_until_it_was_read(address):
    Reply.objects.create(
        doubtful=True,
        value=address.value,
        channel="sms",
        text="no thanks",
        at=NOW - 5 * DAY,
        fact="x",
        read_at=NOW - 2 * DAY,
    )

    assert [then(address, days) for days in (6, 4, 1)] == ["", "reply_unread", ""]


def test_looking_back_costs_as_many_queries_as_looking_at_now(address, django_assert_num_queries):
    with django_assert_num_queries(5):
        then(address, 1)


@pytest.mark.parametrize(("blocked", "reason"), [(True, "suppressed"), (False, "no_consent")])
def test_an_address_that_nobody_has_is_judged_by_what_blocks_it(address, blocked, reason):
    if blocked:
        suppress(value="+15125550199", reason="staff", origin="staff", now=NOW - DAY)
    ask = ask_for(address, contact_id=0, address_id=0)

    facts = of_nobody("+15125550199", Channel.SMS, NOW)

    assert judge(facts, ask, NOW).reason == reason
