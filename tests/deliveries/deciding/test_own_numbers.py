"""A campaign's own numbers, and the lines of busy, no answer and mailbox full: what deciding makes of them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import Playbook
from campaigns.own_playbooks import copied, follow
from deliveries.deciding.context import arguments, load_context
from deliveries.deciding.decide import decide
from deliveries.deciding.recipients import load_recipients
from deliveries.meaning.full_mailboxes import rows
from deliveries.meaning.translation import Key, shipped
from deliveries.statuses import FailureClass, Fault, Status
from tests import factories

pytestmark = pytest.mark.django_db

ALL_DAY = {"window_start": "00:00", "window_end": "23:59:59"}
FULL = {
    "status": Status.BOUNCED, "failure_class": FailureClass.TEMPORARY, "fault": Fault.RECIPIENT,
    "channel": "email", "reason_code": "5.2.2",
}  # fmt: skip
AWAY = {"status": Status.UNDELIVERED, "failure_class": FailureClass.TEMPORARY, "fault": Fault.RECIPIENT}


@pytest.fixture
def campaign():
    return factories.campaign(state="sending", **ALL_DAY)


def decided(message, now):
    (view,) = load_recipients([message.recipient_id])
    return decide(*arguments(view, load_context([view], now)), now)


@pytest.mark.parametrize(
    ("fields", "numbers", "after"),
    [
        ({"status": Status.BUSY, "channel": "voice"}, {"busy_after_minutes": 15}, timedelta(minutes=15)),
        ({"status": Status.NO_ANSWER, "channel": "voice"}, {"no_answer_after_hours": 3}, timedelta(hours=3)),
        (FULL, {"mailbox_full_after_hours": 7}, timedelta(hours=7)),
        (AWAY, {"retry_after_hours": 2}, timedelta(hours=2)),
    ],
    ids=["busy", "no answer", "mailbox full", "anything else"],
)
def test_each_line_of_a_campaigns_own_numbers_is_obeyed(campaign, fields, numbers, after, now):
    follow(campaign, campaign.playbook, numbers)
    message = factories.message(campaign=campaign, created_at=now, settled_at=now, **fields)

    step = decided(message, now)

    assert (step.step, step.due_at) == ("retry", now + after)


def test_a_line_with_no_retries_tries_nothing_again(campaign, now):
    follow(campaign, campaign.playbook, {"busy_retries": 0})
    busy = factories.message(
        campaign=campaign, created_at=now, settled_at=now, status=Status.BUSY, channel="voice"
    )

    step = decided(busy, now)

    assert step.due_at is None
    assert step.state == "failed"


def test_own_numbers_leave_the_shared_playbook_and_its_other_campaigns_alone(campaign):
    shared = campaign.playbook
    other = factories.campaign(playbook=shared)

    own = follow(campaign, shared, {"retries": 5})

    campaign.refresh_from_db()
    other.refresh_from_db()
    shared.refresh_from_db()
    assert campaign.playbook == own != shared
    assert (own.name, own.retries, own.began_from, own.version) == (
        shared.name,
        5,
        shared,
        shared.version + 1,
    )
    assert (other.playbook.retries, list(Playbook.objects.shared().filter(name=own.name))) == (2, [shared])


def test_each_change_of_own_numbers_is_a_version_and_no_change_is_none(campaign):
    shared = campaign.playbook

    versions = [follow(campaign, shared, {"retries": n}).version for n in (5, 5, 6)]

    assert versions == [shared.version + 1, shared.version + 1, shared.version + 2]


def test_numbers_like_those_of_the_shared_one_are_none_of_its_own(campaign):
    shared = campaign.playbook
    follow(campaign, shared, {"retries": 5})

    assert follow(campaign, shared, {"retries": shared.retries}) == shared
    assert not Playbook.objects.filter(own_of=campaign).exists()


def test_a_copy_of_a_campaign_gets_numbers_of_its_own(campaign):
    follow(campaign, campaign.playbook, {"retries": 5})
    other = factories.campaign()

    copy = copied(campaign, other)

    assert (copy.own_of, copy.retries) == (other, 5)
    assert copy.pk != campaign.playbook_id


def test_a_draft_goes_together_with_its_own_playbook():
    draft = factories.campaign()
    own = follow(draft, draft.playbook, {"retries": 5})

    draft.delete()

    assert not Playbook.objects.filter(pk=own.pk).exists()


def test_each_code_of_a_full_mailbox_stands_in_its_table_and_is_temporary():
    codes = shipped().codes

    found = [codes.get(Key(table, channel, "error", code)) or codes.get(Key(table, channel, "status", code))
             for table, channel, code in rows()]  # fmt: skip

    assert {one and one.failure_class for one in found} == {FailureClass.TEMPORARY}
