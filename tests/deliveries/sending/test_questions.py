"""Questions to confirm keep to what a sender, its account and its mail domain may send, and hold up nobody else's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import Pace, Sender
from campaigns.rates import account_key, domain_key, sender_key
from contacts import opt_ins
from contacts.lists import add_member
from contacts.models import AutomaticAnswer
from deliveries.models import Account, RouteAlarm
from deliveries.providers import PROVIDERS
from deliveries.sending import answering, pacing
from tests import factories
from tests.deliveries.sending.test_answering import Carrier

pytestmark = pytest.mark.django_db
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
OURS, OTHER, FROM = "+12125550199", "+12125550198", "news@example.com"


@pytest.fixture(autouse=True)
def clock_stands_still(monkeypatch):
    """What statements take does not count, and nobody waits for a turn of this step."""
    monkeypatch.setattr(pacing.time, "monotonic", lambda: 1_000.0)
    monkeypatch.setattr(answering, "monotonic", lambda: 2_000.0)


@pytest.fixture
def carrier(monkeypatch):
    made = Carrier()
    monkeypatch.setattr(PROVIDERS["sandbox"], "send", made.send, raising=False)
    return made


@pytest.fixture
def account():
    made = factories.account()
    made.senders.add(
        factories.sender("sms", value=OURS),
        factories.sender("sms", value=OTHER),
        factories.sender("email", value=FROM),
    )
    return made


@pytest.fixture
def asked(now, account):
    """`asked(5, FROM)`: a list with so many people, each owed a question by this sender."""

    def ask(count, sender, at=now):
        club = factories.contact_list()
        opt_ins.change(club, "email" if "@" in sender else "sms", sender, at - HOUR)
        for _ in range(count):
            made = factories.contact()
            factories.phone(made)
            factories.email(made)
            add_member(club, made, at)
        opt_ins.ask_some(at)

    return ask


def limit(value, **limits):
    Sender.objects.filter(value=value).update(**limits)
    return Sender.objects.get(value=value)


def steps(now, count):
    for n in range(count):
        answering.run(now + n * SECOND)


def test_a_domain_that_warms_up_asks_no_more_than_its_day_allows(asked, now, carrier):
    limit(FROM, warm_up_from=now.date())
    asked(70, FROM)

    steps(now, 6)

    assert len(carrier.sent) == 50
    assert Pace.objects.get(pk=domain_key(FROM)).used == 50
    left = AutomaticAnswer.objects.filter(state="waiting")
    assert left.count() == 20
    assert {until.date() for until in left.values_list("until", flat=True)} == {
        now.date() + timedelta(days=1)
    }


def test_what_messages_took_of_a_day_is_not_there_for_questions(asked, now, carrier):
    sender = limit(OURS, per_day=10)
    Pace.objects.create(key=sender_key(sender.pk), next_at=now, day=now.date(), used=8)
    asked(5, OURS)

    steps(now, 3)

    assert len(carrier.sent) == 2
    assert Pace.objects.get().used == 10


def test_a_sender_keeps_to_its_rate_with_all_that_leaves(asked, now, carrier):
    sender = limit(OURS, per_second=1)
    asked(5, OURS)

    steps(now, 1)
    first = len(carrier.sent)
    Pace.objects.filter(pk=sender_key(sender.pk)).update(next_at=now + MINUTE)  # a long text of a campaign
    steps(now + SECOND, 5)

    assert first == len(carrier.sent) == 1


def test_an_account_keeps_to_its_rate(asked, now, carrier, account):
    Account.objects.update(per_second=2)
    asked(5, OURS)
    asked(5, OTHER)

    steps(now, 1)

    assert len(carrier.sent) <= 2
    assert Pace.objects.get(pk=account_key(account.pk, "sms")).next_at > now


@pytest.mark.parametrize("how", ["paused", "asked to wait", "refuses"])
def test_an_account_that_rests_is_asked_nothing(asked, now, carrier, account, how):
    if how == "paused":
        Account.objects.update(paused_until=now + HOUR)
    elif how == "asked to wait":
        pacing.rest({account_key(account.pk, ""): now + HOUR})
    else:
        RouteAlarm.objects.create(
            kind="refuses", account=account, channel="sms", raised_at=now, until=now + HOUR, closed_at=None
        )
    asked(3, OURS)

    steps(now, 3)
    assert carrier.sent == []

    RouteAlarm.objects.all().delete()
    steps(now + HOUR + MINUTE, 1)
    assert len(carrier.sent) == 3


def test_one_that_is_tried_again_leaves_by_an_account_that_is_active(asked, now, carrier, account):
    asked(1, OURS)
    AutomaticAnswer.objects.update(account_id=account.pk)  # a busy provider gave it back
    Account.objects.update(active=False)

    steps(now, 1)
    assert carrier.sent == []

    other = factories.account(name="Second")
    steps(now + HOUR, 1)
    assert len(carrier.sent) == 1
    assert AutomaticAnswer.objects.get().account_id == other.pk


def test_a_slow_sender_holds_up_nobody_elses_questions(asked, now, carrier):
    limit(OURS, per_second=0.01)
    asked(60, OURS)
    asked(10, OTHER, now + SECOND)

    steps(now + SECOND, 2)

    assert [one.sender for one in carrier.sent].count(OTHER) == 10
