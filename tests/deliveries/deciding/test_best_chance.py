"""Which channel a message moves to where the playbook says "best chance": what is likeliest to arrive."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.models import ChannelOrder
from contacts.models import Address, AddressHealth, Consent, Suppression
from deliveries.models import Message
from tests import factories
from tests.deliveries.deciding.test_followup import handed_over, last_of
from tests.engine import DEAD, person, report, sending, work

pytestmark = pytest.mark.django_db

FAILED = {"status": "undelivered", "failure_class": "temporary", "fault": "recipient"}
SILENT = {"status": "timed_out"}
OUTAGE = {"status": "failed", "failure_class": "temporary", "fault": "carrier"}
ARRIVED = {"status": "delivered"}
CALLED = {"status": "answered"}


@pytest.fixture
def account():
    return factories.account()


@pytest.fixture
def campaign(account):
    """By text; then by call or by email, in this order where the playbook's order is fixed."""
    playbook = factories.playbook(switch_to=["voice", "email"], channel_order=ChannelOrder.BEST_CHANCE)
    return sending("sms", "voice", "email", playbook=playbook)


@pytest.fixture
def robin(now):
    return person("sms", "voice", "email", at=now)


def came(contact, channel, now, *outcomes):
    """What came of earlier campaigns."""
    address = Address.objects.get(contact=contact, kind="email" if channel == "email" else "phone")
    for outcome in outcomes:
        factories.message(
            factories.recipient(contact=contact), address=address, channel=channel,
            created_at=now - timedelta(days=20), **outcome,
        )  # fmt: skip


def followed_by(campaign, account, contact, now) -> Message:
    """What follows a text that failed for good, as soon as a change of channel is due."""
    first = handed_over(campaign, account, now, contact)
    report(first, DEAD, now)
    work(now)
    return last_of(first)


@pytest.mark.parametrize(
    ("voice", "email", "chosen"),
    [
        ([FAILED, FAILED], [ARRIVED, ARRIVED], "email"),
        ([CALLED, CALLED], [ARRIVED, FAILED], "voice"),
        ([], [], "voice"),  # nothing is known of either: as listed
        ([SILENT] * 5, [ARRIVED, FAILED], "email"),
        ([CALLED, OUTAGE, OUTAGE], [ARRIVED, FAILED], "voice"),
    ],
)
def test_a_message_moves_to_what_is_likeliest_to_arrive(campaign, account, robin, now, voice, email, chosen):
    came(robin, "voice", now, *voice)
    came(robin, "email", now, *email)

    assert followed_by(campaign, account, robin, now).channel == chosen


def test_it_says_why(campaign, account, robin, now):
    came(robin, "email", now, ARRIVED, ARRIVED)

    message = followed_by(campaign, account, robin, now)

    assert message.cause_reason == (
        "The carrier could not deliver it: moving to email, the likeliest to arrive (email 74%, voice 50%)."
    )


def test_by_default_the_order_is_the_playbooks_for_everybody(campaign, account, robin, now):
    campaign.playbook.channel_order = ChannelOrder.FIXED
    campaign.playbook.save()
    came(robin, "voice", now, FAILED, FAILED)
    came(robin, "email", now, ARRIVED, ARRIVED)

    message = followed_by(campaign, account, robin, now)

    assert message.channel == "voice"
    assert message.cause_reason == "The carrier could not deliver it: moving to Voice."


@pytest.mark.parametrize("how", ["dead", "suppressed", "opted out", "no consent"])
def test_what_is_closed_is_never_chosen_whatever_the_figure(campaign, account, robin, now, how):
    came(robin, "email", now, *[ARRIVED] * 9)
    came(robin, "voice", now, FAILED)
    mail = robin.addresses.get(kind="email")
    if how == "dead":
        AddressHealth.objects.create(address=mail, channel="email", closed="channel", closed_why="Gone")
    elif how == "suppressed":
        Suppression.objects.create(value=mail.value, channel="email", reason="staff", origin="staff")
    elif how == "opted out":
        Consent.objects.create(contact=robin, channel="email", opted_in=False, at=now - timedelta(days=1))
    else:
        Consent.objects.filter(contact=robin, channel="email").delete()

    assert followed_by(campaign, account, robin, now).channel == "voice"


def test_the_campaigns_own_channel_follows_where_the_first_message_took_another(
    campaign, account, robin, now
):
    came(robin, "sms", now, ARRIVED)
    recipient = factories.recipient(campaign, robin, state="open")
    mail = factories.message(
        recipient, channel="email", address=robin.addresses.get(kind="email"), account=account,
        created_at=now,
    )  # fmt: skip
    report(mail, DEAD, now)

    work(now)

    assert last_of(mail).channel == "sms"
