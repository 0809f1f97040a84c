"""After a no on any channel a campaign sends that person nothing more, and nothing stays pending for ever."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import transaction

from campaigns.models import Recipient
from contacts.consenting import record_opt_in, record_opt_out
from contacts.models import Address
from deliveries.deciding.followup import follow_due
from deliveries.deciding.stopping import stop_paths
from deliveries.models import Message, Outbox, StatusChange
from deliveries.sending.dispatch import dispatch
from deliveries.statuses import FailureClass, Fault, Meaning, Status
from tests import factories
from tests.engine import ABSENT, DELIVERED, SENT, Fake, agree, person, report, sending, waiting, work

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
REFUSED = Meaning(Status.OPTED_OUT, FailureClass.OPT_OUT, Fault.RECIPIENT)


@pytest.fixture
def account():
    return factories.account()


def path(now, account, *channels, retries=0):
    """A first attempt that was handed over at noon; the other channels come next, after an hour."""
    campaign = sending(*channels)
    campaign.playbook.retries = retries
    campaign.playbook.switch_to = list(channels[1:])
    campaign.playbook.switch_after_hours = 1
    campaign.playbook.save()
    message = waiting(campaign, account, now, person("sms", "voice", "email", at=now))
    dispatch(now, Fake())
    message.refresh_from_db()
    return message


def says_stop(contact, kind, at, channel):
    value = Address.objects.get(contact=contact, kind=kind, preferred=True).value
    with transaction.atomic():
        record_opt_out(value=value, channel=channel, how="Reply", evidence="STOP", at=at)
        stop_paths([value], at)


def reply(message, at):
    says_stop(message.contact, "phone", at, "sms")


def key(message, at):
    says_stop(message.contact, "phone", at, "voice")


def unsubscribes(message, at):
    says_stop(message.contact, "email", at, "email")


def code(message, at):
    report(message, REFUSED, at, "21610")


NOES = [reply, key, unsubscribes, code]


@pytest.mark.parametrize("no", NOES)
def test_a_switch_that_is_planned_is_not_made(account, no, now):
    first = path(now, account, "sms", "email")
    report(first, ABSENT, now)
    work(now)
    assert Recipient.objects.get().next_step == "switch"

    no(first, now + HOUR / 2)
    for hours in (1, 2, 50):
        work(now + hours * HOUR)

    assert Message.objects.count() == 1
    assert Recipient.objects.get().state == "failed"
    assert agree()


@pytest.mark.parametrize("no", NOES)
def test_a_switch_that_waits_to_be_sent_is_withdrawn(account, no, now):
    first = path(now, account, "sms", "email")
    report(first, ABSENT, now)
    work(now)
    follow_due(now + HOUR)
    assert Outbox.objects.count() == 1

    no(first, now + HOUR)
    carriers = Fake()
    work(now + HOUR, carriers)

    assert not carriers.left
    assert not Outbox.objects.exists()
    assert agree()


@pytest.mark.parametrize("no", [reply, key, code])
def test_a_switch_that_waits_for_somebody_who_shares_the_number_is_withdrawn(account, no, now):
    first = path(now, account, "sms", "email")
    report(first, ABSENT, now)
    work(now)
    follow_due(now + HOUR)
    spouse = person("sms", at=now)
    Address.objects.filter(contact=spouse).delete()
    theirs = waiting(
        sending("sms"), account, now, spouse, address=factories.phone(spouse, value=first.address.value)
    )
    dispatch(now, Fake())
    assert Outbox.objects.count() == 1

    no(theirs, now + HOUR)
    carriers = Fake()
    work(now + HOUR, carriers)

    assert not carriers.left
    assert not Outbox.objects.exists()


@pytest.mark.parametrize("no", [reply, key])
def test_a_silent_message_is_followed_by_no_switch(account, no, now):
    first = path(now, account, "sms", "voice", "email")
    report(first, SENT, now)
    work(now)

    no(first, now + HOUR / 2)
    for hours in (1, 24, 48, 72):
        work(now + hours * HOUR)

    assert Message.objects.count() == 1


def test_a_no_to_the_switch_ends_the_path_back(account, now):
    first = path(now, account, "email", "sms")
    report(first, ABSENT, now)
    work(now)
    work(now + HOUR)
    second = Message.objects.latest("pk")
    assert second.channel == "sms"

    unsubscribes(first, now + HOUR)
    report(second, ABSENT, now + HOUR)
    for hours in (2, 6, 50):
        work(now + hours * HOUR)

    assert Message.objects.count() == 2


def test_a_no_before_the_campaign_says_nothing_of_its_other_channels(account, now):
    campaign = sending("email", "sms")
    contact = person("email", "sms", at=now)
    says_stop(contact, "phone", now - HOUR, "sms")
    message = waiting(campaign, account, now, contact)
    carriers = Fake()

    work(now, carriers)

    assert len(carriers.left) == 1
    report(message, DELIVERED, now)
    work(now)
    assert Recipient.objects.get().state == "reached"


def test_a_first_message_on_another_channel_still_goes(account, now):
    first = path(now, account, "sms")
    other = waiting(sending("email"), account, now + HOUR, first.contact)
    reply(first, now)

    assert Outbox.objects.filter(pk=other.pk).exists()


def test_who_starts_again_is_followed_again(account, now):
    first = path(now, account, "sms", "email", retries=1)
    report(first, ABSENT, now)
    work(now)
    reply(first, now)
    work(now)
    with transaction.atomic():
        record_opt_in(
            value=first.address.value, channel="sms", how="Reply", evidence="START", at=now + HOUR / 4
        )
    StatusChange.objects.create(message_id=first.pk, changed_at=now)
    work(now + HOUR / 2)

    assert Recipient.objects.get().next_step in ("retry", "switch")


# ---- Nothing pending for ever -----------------------------------------------------------------------------------


@pytest.mark.parametrize("no", [reply, key])
def test_a_silent_message_of_somebody_who_opted_out_becomes_unknown(account, no, now):
    first = path(now, account, "sms", "voice")
    report(first, SENT, now)
    work(now)
    no(first, now + HOUR)
    work(now + HOUR)
    assert Message.objects.get().disposition == "PENDING"

    work(now + 72 * HOUR)

    assert Message.objects.get().disposition == "UNKNOWN"
    assert Recipient.objects.get().next_step_at is None
    assert agree()


def test_a_silent_attempt_beside_one_that_arrived_becomes_unknown(account, now):
    first = path(now, account, "sms", "email")
    report(first, ABSENT, now)
    work(now)
    work(now + HOUR)
    assert Message.objects.count() == 2
    report(first, DELIVERED, now + HOUR)
    work(now + HOUR)

    work(now + 80 * HOUR)

    assert set(Message.objects.values_list("disposition", flat=True)) == {"DELIVERED", "UNKNOWN"}
    assert Recipient.objects.get().state == "reached"


@pytest.mark.parametrize("state", ["completed", "canceled", "paused"])
def test_silent_attempts_of_campaigns_that_ended_settle(account, state, now):
    first = path(now, account, "sms")
    report(first, SENT, now)
    work(now)
    type(first.campaign).objects.filter(pk=first.campaign_id).update(state=state)

    for hours in (24, 48, 72):
        work(now + hours * HOUR)

    assert Message.objects.get().disposition == "UNKNOWN"


def test_what_was_left_pending_is_looked_at_again(account, now):
    step = import_module("deliveries.migrations.0018_settle_what_was_left_pending")
    first = path(now, account, "sms")
    report(first, SENT, now)
    work(now)
    Recipient.objects.update(next_step="none", next_step_at=None, state="failed")
    StatusChange.objects.all().delete()

    step.look_again(apps, None)
    Recipient.objects.filter(next_step_at__gt=now).update(next_step_at=now)
    work(now + 72 * HOUR)

    assert Message.objects.get().disposition == "UNKNOWN"
