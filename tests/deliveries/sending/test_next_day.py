"""What waits for its sender's next day, and leaves today after all where the sender may send more again."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from campaigns.models import Campaign, Content, Pace, Sender
from contacts.gate import Reason
from deliveries.models import Message, Outbox
from deliveries.models.work import DAILY_LIMIT, NOT_NOW
from deliveries.sending import next_day, pacing
from deliveries.sending.dispatch import dispatch
from deliveries.sending.launching import pause, resume
from tests import factories
from tests.engine import Fake, sending, waiting

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock_stands_still(monkeypatch):
    monkeypatch.setattr(pacing.time, "monotonic", lambda: 1_000.0)


@pytest.fixture
def used_up(now):
    """`used_up(5, 2, **what the sender says)`: so many messages of a sender that may send so many today, which left;
    a minute later."""

    def make(count, per_day, **fields):
        campaign, account = sending(), factories.account()
        Sender.objects.update(per_day=per_day, **fields)
        for _ in range(count):
            waiting(campaign, account, now)
        dispatch(now, Fake())
        dispatch(now, Fake())
        assert set(Outbox.objects.values_list("held", flat=True)) == {DAILY_LIMIT}
        return now + timedelta(minutes=1)

    return make


def test_a_day_that_is_used_up_goes_on_holding_what_waits(used_up):
    later = used_up(5, 2)

    assert next_day.let_go(later) == 0

    assert Outbox.objects.filter(held=DAILY_LIMIT, due_at__gt=later).count() == 3


@pytest.mark.parametrize("registered_as", ["", "10dlc_t"])
def test_once_the_limit_is_raised_as_many_more_leave_the_same_day_and_say_so(used_up, registered_as):
    later = used_up(5, 2, registered_as=registered_as, per_second=100)
    Sender.objects.update(per_day=4)

    assert next_day.let_go(later) == 2
    assert next_day.let_go(later) == 0  # what is due already counts

    assert list(Outbox.objects.filter(held="").values_list("due_at", flat=True)) == [later, later]
    assert Message.objects.filter(handed_over_at=None, due_at=later).count() == 2
    sent = sum(dispatch(later + timedelta(seconds=n), Fake()).handed_over for n in range(5))
    assert (sent, Pace.objects.get(key__startswith="sender:").used) == (2, 4)
    assert next_day.let_go(later) == 0


def test_without_a_limit_everything_leaves(used_up):
    later = used_up(5, 2)
    Sender.objects.update(per_day=None)

    assert next_day.let_go(later) == 3

    assert dispatch(later, Fake()).handed_over == 3


def test_when_a_mail_domain_no_longer_warms_up_the_mail_of_all_its_senders_leaves(now):
    account, campaigns = factories.account(), [sending("email"), sending("email")]
    Sender.objects.filter(pk=Sender.objects.earliest("pk").pk).update(warm_up_from=date(2026, 3, 4))
    for campaign in campaigns:
        for _ in range(30):
            waiting(campaign, account, now)
    assert sum(dispatch(now, Fake()).handed_over for _ in range(4)) == 50
    Sender.objects.update(warm_up_from=None)

    assert next_day.let_go(now + timedelta(minutes=1)) == 10


def test_a_long_text_that_does_not_fit_into_the_rest_of_the_day_waits_on(used_up, now):
    later = used_up(3, 2)
    Content.objects.update(body="Long " * 80)  # three segments
    Sender.objects.update(per_day=4)

    assert next_day.let_go(later) == 0

    Sender.objects.update(per_day=5)
    assert next_day.let_go(later) == 1


def test_what_waits_until_then_for_another_reason_waits_on(used_up):
    later = used_up(5, 2)
    Outbox.objects.update(held=Reason.QUIET_HOURS)
    Sender.objects.update(per_day=None)

    assert next_day.let_go(later) == 0


def test_a_pause_does_not_lose_why_something_waits_for_tomorrow(used_up):
    later = used_up(5, 2)
    before = set(Outbox.objects.values_list("message", "due_at", "held"))
    campaign = Campaign.objects.get()

    pause(campaign)
    assert not Outbox.objects.filter(due_at__lt=NOT_NOW).exists()
    resume(campaign)

    assert set(Outbox.objects.values_list("message", "due_at", "held")) == before
    Sender.objects.update(per_day=None)
    assert next_day.let_go(later) == 3
