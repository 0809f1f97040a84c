"""What a call does beside speaking: the keys that it listens for, and what it does when a machine answers."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from campaigns.models import Campaign
from contacts.models import Suppression
from deliveries.ledger import engagement
from deliveries.models import EngagedPerson, Engagement
from deliveries.providers import PROVIDERS, infobip, messagebird, plivo, vonage
from deliveries.receiving.recording import record
from deliveries.receiving.storing import Incoming, store
from deliveries.sending import checks
from deliveries.sending.composing import outgoing
from tests import factories
from tests.deliveries.providers.handing import message as handed

pytestmark = pytest.mark.django_db
HANG_UP = {"keys": "1", "machine": "hang_up"}


@pytest.fixture
def call(now):
    """A call that left, listening for 1 and 3."""
    campaign = factories.campaign(channel="voice", state="sending", goal="conversation", purpose="marketing")
    content = factories.content(campaign, key_more="1", key_stop="3", on_machine="hang_up")
    content.keep()
    recipient = factories.recipient(campaign, state="reached", reached_by="voice", reached_at=now)
    return factories.message(recipient, account=factories.account("twilio"))


@pytest.mark.parametrize(
    ("fields", "kept", "hangs_up"),
    [
        (plivo.call_fields, '"machine_detection": "true"', '"machine_detection": "hangup"'),
        (infobip.call_fields, '"machineDetection": "continue"', '"machineDetection": "hangup"'),
        (messagebird.message_fields, '"ifMachine": "delay"', '"ifMachine": "hangup"'),
        (vonage.call_fields, '"behavior": "continue"', '"behavior": "hangup"'),
    ],
)
def test_who_can_hang_up_on_a_machine_is_asked_to_by_its_own_word(fields, kept, hangs_up):
    usual, hung_up = (json.dumps(fields(handed("voice", extra=extra))) for extra in ({"keys": "1"}, HANG_UP))

    assert kept in usual
    assert hangs_up not in usual
    assert hangs_up in hung_up


def test_only_they_say_so():
    able = {slug for slug, adapter in PROVIDERS.items() if adapter.hangs_up_on_machines}

    assert able == {"plivo", "infobip", "messagebird", "vonage"}


def test_a_call_is_handed_over_with_what_its_content_says(call):
    content = call.campaign.contents.get()

    assert outgoing(call, content, call.account).hangs_up
    content.on_machine = "speak"
    assert not outgoing(call, content, call.account).hangs_up


@pytest.mark.parametrize(
    ("key", "stops", "deeds"),
    [
        ("3", True, set()),
        ("9", True, set()),
        ("1", False, {"pressed", "any"}),
        ("5", False, set()),
        ("", False, set()),
    ],
)
def test_a_key_means_what_the_call_said_when_it_left(call, now, key, stops, deeds):
    content = call.campaign.contents.get()
    content.key_more, content.key_stop = "5", "7"
    content.save()  # later: nobody in this call has heard that
    assert content.version == 2

    body = urlencode({"CallSid": "CA1", "To": call.address.value, "Digits": key}).encode()
    store([Incoming(call.account_id, "keys", now, "POST", f"m={call.uuid}&c=voice", {}, body)])
    record(now)
    engagement.fold()

    assert Engagement.objects.get().text == key
    assert Suppression.objects.exists() == stops
    assert set(EngagedPerson.objects.values_list("deed", flat=True)) == deeds


def found(campaign, now) -> list[tuple[bool, str]]:
    draft = checks.load(Campaign.objects.get(pk=campaign.pk), now)
    return [(one.blocks, one.says) for one in checks.calls_do_what_they_say(draft)]


@pytest.mark.parametrize(
    ("provider", "fields", "body", "expected"),
    [
        ("twilio", {}, "Press nine to stop.", []),
        ("twilio", {"key_more": "1"}, "Press 9 to stop.", [(False, "that 1 asks for more.")]),
        ("twilio", {"key_stop": "3"}, "Press 9 to stop.", [(False, "that 3 ends such calls.")]),
        ("twilio", {"on_machine": "hang_up"}, "Press 9.", [(False, "cannot hang up when a machine answers")]),
        ("plivo", {"on_machine": "hang_up"}, "Press 9.", []),
    ],
)
def test_the_checks_say_what_a_machine_would_hear_and_which_key_is_not_named(
    now, provider, fields, body, expected
):
    account = factories.account(provider)
    campaign = factories.campaign(channel="voice", goal="conversation", purpose="marketing")
    content = factories.content(campaign, body=body, **fields)
    account.senders.add(content.sender)

    got = found(campaign, now)

    assert [(blocks, words in says) for (blocks, says), (_, words) in zip(got, expected, strict=True)] == [
        (blocks, True) for blocks, _ in expected
    ]


def test_nobody_hangs_up_on_a_machine_that_would_count_as_reached(now):
    factories.account("plivo")
    campaign = factories.campaign(channel="voice", goal="exposure")
    factories.content(campaign, on_machine="hang_up")

    assert [blocks for blocks, _ in found(campaign, now)] == [True]
