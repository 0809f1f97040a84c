"""Suppressions that rules make: how sure the codes are, how long they last, and what they rest on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contacts.blocking import Target, blocks
from contacts.channels import Channel, Closed
from contacts.correcting import correct
from contacts.gate import Reason, check
from contacts.models import Address, AddressHealth, Suppression
from contacts.suppressing import MISTAKEN, PAUSE_OVER, lift, release
from deliveries.deciding import automatic_suppression
from deliveries.meaning.failure_limits import BlockLimit, certainty_of, defaults, enough_of, pause
from deliveries.meaning.ruling_out import rows
from deliveries.models import Certainty, FailureLimit, QueueEntry, SuppressionEvidence
from deliveries.outcomes.reachability import ordinary_campaign
from deliveries.sending.dispatch import dispatch
from deliveries.statuses import FailureClass, Fault, Meaning, Status
from tests import factories
from tests.engine import ABSENT, DEAD, DELIVERED, Fake, agree, person, report, sending, waiting, work

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SENDER_FAULT = Meaning(Status.UNDELIVERED, FailureClass.PERMANENT, Fault.SENDER)
CARRIER_OFF = Meaning(Status.UNDELIVERED, FailureClass.TEMPORARY, Fault.CARRIER)
REPUTATION = Meaning(Status.BLOCKED, FailureClass.COMPLIANCE, Fault.SENDER)
BUSY = Meaning(Status.BUSY, FailureClass.TEMPORARY, Fault.RECIPIENT)
TIMED_OUT = Meaning(Status.TIMED_OUT)
ORDINARY = "SOMETHING_ELSE"


@pytest.fixture
def account(db):
    return factories.account()


@pytest.fixture
def contact(db, now):
    return person("sms", "rvm", at=now)


def one_message(contact, account, at, meaning, code="", channel="sms", retries=0):
    """A message of a campaign of its own, and what was reported of it."""
    campaign = sending(channel)
    campaign.playbook.retries = retries
    campaign.playbook.save()
    message = waiting(campaign, account, at, contact)
    dispatch(at, Fake())
    report(message, meaning, at, code)
    work(at)
    message.refresh_from_db()
    return message


def in_force(at):
    return list(Suppression.objects.in_force(at).values_list("channel", "reason"))


# ---- What Waybill brings -----------------------------------------------------------------------------------------


def test_every_kind_of_failure_has_its_limit_and_where_that_is_from():
    assert list(defaults()) == list(Certainty)
    assert all(one.source for one in defaults().values())
    assert {kind for kind, one in defaults().items() if not one.limit.failures} == {Certainty.OTHER}


@pytest.mark.parametrize("closed", Closed)
def test_what_a_code_rules_out_is_a_kind_of_its_own(closed):
    assert Certainty(closed.value) in {certainty_of(*row) for row in rows()}


@pytest.mark.parametrize(
    ("failures", "channel", "enough"),
    [
        ([], "sms", 0),
        ([0], "sms", 0),
        ([1], "sms", 1),
        ([0, 1], "sms", 1),  # the surest counts
        ([5, 5], "sms", 5),
        ([5, 0], "sms", 0),  # three ordinary ones are enough, so five are not needed
        ([2, 0], "sms", 2),
        ([2], "email", 2),
    ],
)
def test_the_surest_of_the_failures_says_how_many_are_enough(failures, channel, enough):
    assert enough_of([BlockLimit(one, 0) for one in failures], channel) == enough


@pytest.mark.parametrize(
    ("days", "before", "length"),
    [([30], 0, 30), ([30], 1, 90), ([30], 2, 270), ([30], 3, None), ([30], 10_000, None), ([0], 0, None),
     ([30, 0], 0, None), ([], 0, None)],
)  # fmt: skip
def test_each_pause_is_longer_than_the_one_before(days, before, length):
    found = pause([BlockLimit(1, each) for each in days], before)

    assert found == (timedelta(days=length) if length else None)


# ---- Sure codes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "code", "kind"),
    [("sms", "UNKNOWN_SUBSCRIBER", "number"), ("sms", "LANDLINE", "texting"), ("rvm", "MNF", "channel")],
)
def test_a_sure_code_suppresses_at_once_and_until_somebody_lifts_it(
    contact, account, now, channel, code, kind
):
    message = one_message(contact, account, now, DEAD, code, channel)

    entry = Suppression.objects.get()
    assert (entry.channel, entry.reason, entry.origin) == (channel, "hard_fails", "rule")
    assert (entry.value, entry.expires_at, entry.fact) == (
        message.address.value,
        None,
        f"message {message.pk}",
    )
    evidence = SuppressionEvidence.objects.get()
    assert (evidence.suppression, evidence.message_id, evidence.code) == (entry, message.pk, code)
    assert (evidence.certainty, evidence.failed_at) == (kind, message.settled_at)
    assert agree()


def test_mobile_not_found_closes_voicemail_for_that_number_only(contact, account, now):
    message = one_message(contact, account, now, DEAD, "MNF", "rvm")
    other = person("rvm", at=now)

    met = blocks(
        {
            Target.at(address, address.contact_id, channel)
            for address in (message.address, other.addresses.get())
            for channel in Channel
        },
        now,
    )

    assert [(target.contact_id, target.channel) for target, those in met.items() if those] == [
        (contact.pk, "rvm")
    ]
    text = ordinary_campaign().ask(
        1, contact_id=contact.pk, address_id=message.address_id, channel="sms", sender=factories.sender()
    )
    assert check([text], now)[1].reason in ("", Reason.QUIET_HOURS)


def test_a_dead_number_that_is_suppressed_waits_for_the_right_one(contact, account, now):
    message = one_message(contact, account, now, DEAD, "UNKNOWN_SUBSCRIBER")

    assert QueueEntry.objects.get(pk=message.pk).queue == "correct"
    work(now + HOUR)
    assert QueueEntry.objects.get(pk=message.pk).queue == "correct"

    correct(contact, phone="+12125550177", region="US", by=None)
    assert Suppression.objects.in_force(now + HOUR).get().value == message.address.value


def test_a_colleague_who_blocks_it_as_well_leaves_nothing_to_correct(contact, account, now):
    message = one_message(contact, account, now, DEAD, "UNKNOWN_SUBSCRIBER")
    Suppression.objects.create(
        contact=contact, value=message.address.value, reason="staff", origin="staff", created_at=now
    )
    report(message, DEAD, now, "UNKNOWN_SUBSCRIBER")
    from deliveries.deciding.followup import settle

    settle([message.recipient_id], now)

    assert not QueueEntry.objects.exists()


def test_a_number_that_is_confirmed_is_suppressed_no_more(contact, account, now, make_user, time_machine):
    time_machine.move_to(now + HOUR, tick=False)
    message = one_message(contact, account, now, DEAD, "UNKNOWN_SUBSCRIBER")
    colleague = make_user("support")

    correct(contact, region="US", by=colleague, confirmed=[message.address_id])

    entry = Suppression.objects.get()
    assert (entry.released_at, entry.released_by) == (now + HOUR, colleague)


def test_released_the_number_is_dead_on_no_channel(contact, account, now, make_user):
    one_message(contact, account, now, DEAD, "UNKNOWN_SUBSCRIBER")
    assert set(AddressHealth.objects.values_list("closed", flat=True)) == {"number"}

    release(Suppression.objects.get(), by=make_user("marketer"), note="They called us", now=now + HOUR)
    work(now + HOUR)

    assert set(AddressHealth.objects.values_list("closed", "hard_fails")) == {("", 0)}


# ---- Ambiguous ones ----------------------------------------------------------------------------------------------


def test_an_ambiguous_code_needs_three_and_pauses_the_address(contact, account, now):
    one_message(contact, account, now, DEAD, ORDINARY)
    one_message(contact, account, now + HOUR, DEAD, ORDINARY)
    assert not Suppression.objects.exists()

    one_message(contact, account, now + 2 * HOUR, DEAD, ORDINARY)

    entry = Suppression.objects.get()
    assert entry.expires_at == now + 2 * HOUR + 30 * DAY
    assert SuppressionEvidence.objects.filter(suppression=entry, certainty="other").count() == 3
    assert agree()


@pytest.mark.parametrize(
    "meaning",
    [SENDER_FAULT, REPUTATION, CARRIER_OFF, TIMED_OUT],
    ids=["sender", "reputation", "carrier", "silence"],
)
def test_faults_of_others_and_silence_never_count(contact, account, now, meaning):
    for hours in range(8):
        one_message(contact, account, now + hours * HOUR, meaning, "UNKNOWN_SUBSCRIBER")

    assert not Suppression.objects.exists()
    assert not AddressHealth.objects.filter(hard_fails__gt=0).exists()


def test_a_pause_that_is_over_forgets_what_failed_and_the_next_one_is_longer(contact, account, now):
    for number in range(3):
        one_message(contact, account, now + number * HOUR, DEAD, ORDINARY)
    over = now + 31 * DAY

    assert automatic_suppression.run(over) == 1

    entry = Suppression.objects.get()
    assert (entry.released_at, entry.release_note) == (over, PAUSE_OVER)
    assert AddressHealth.objects.get(channel="sms").hard_fails == 0
    assert automatic_suppression.run(over) == 0
    for number in range(1, 4):
        one_message(contact, account, over + number * HOUR, DEAD, ORDINARY)
    again = Suppression.objects.in_force(over + 3 * HOUR).get()
    assert again.expires_at == over + 3 * HOUR + 90 * DAY
    assert SuppressionEvidence.objects.filter(suppression=again).count() == 3


def test_one_that_was_lifted_as_a_mistake_makes_no_pause_longer(contact, account, now):
    for number in range(3):
        one_message(contact, account, now + number * HOUR, DEAD, ORDINARY)
    lift(Suppression.objects.all(), by=None, note=f"{MISTAKEN}: an outage", now=now + 4 * HOUR)

    for number in range(5, 8):
        one_message(contact, account, now + number * HOUR, DEAD, ORDINARY)

    again = Suppression.objects.in_force(now + 8 * HOUR).get()
    assert again.expires_at == now + 7 * HOUR + 30 * DAY


def test_what_staff_entered_for_a_while_ends_without_a_release(contact, now):
    value = contact.addresses.get().value
    Suppression.objects.create(
        value=value, reason="staff", origin="staff", created_at=now, expires_at=now + HOUR
    )

    assert automatic_suppression.run(now + 2 * HOUR) == 0
    assert Suppression.objects.get().released_at is None


# ---- Changed here ------------------------------------------------------------------------------------------------


def change(**fields):
    FailureLimit.objects.create(note="Ours", made_by=factories.user("admin"), **fields)


def test_a_code_may_need_more_than_the_playbook_says_and_the_gate_keeps_to_it(contact, account, now):
    change(table="sandbox", channel="sms", code="Something_Else", failures=5, pause_days=0)

    messages = [one_message(contact, account, now + n * HOUR, DEAD, ORDINARY) for n in range(4)]

    assert not Suppression.objects.exists()
    assert AddressHealth.objects.get().enough == 5
    ask = ordinary_campaign().ask(
        1, contact_id=contact.pk, address_id=messages[0].address_id, channel="sms", sender=factories.sender()
    )
    assert check([ask], now)[1].reason in ("", Reason.QUIET_HOURS)
    one_message(contact, account, now + 5 * HOUR, DEAD, ORDINARY)
    assert Suppression.objects.get().expires_at is None


def test_a_kind_may_need_fewer_or_more_and_be_as_it_came_again(contact, account, now):
    change(certainty="number", failures=2, pause_days=10)
    one_message(contact, account, now, DEAD, "UNKNOWN_SUBSCRIBER")
    assert not Suppression.objects.exists()

    change(certainty="number")
    one_message(contact, account, now + HOUR, DEAD, "UNKNOWN_SUBSCRIBER")

    assert Suppression.objects.get().expires_at is None


# ---- Not reachable -----------------------------------------------------------------------------------------------


def test_seven_messages_in_a_row_that_reach_nobody_pause_the_address(contact, account, now):
    for hours in range(6):
        one_message(contact, account, now + hours * HOUR, ABSENT)
    assert not Suppression.objects.exists()

    last = one_message(contact, account, now + 7 * HOUR, ABSENT)

    entry = Suppression.objects.get()
    assert (entry.reason, entry.expires_at) == ("unreachable", now + 7 * HOUR + 30 * DAY)
    assert entry.evidence.startswith("Not reached 7 times in a row")
    assert SuppressionEvidence.objects.filter(suppression=entry, certainty="unreachable").count() == 7
    assert QueueEntry.objects.get(pk=last.pk).queue == "correct"
    assert agree()


def test_three_are_enough_where_nothing_got_through_for_two_weeks(contact, account, now):
    for days in (0, 7):
        one_message(contact, account, now + days * DAY, ABSENT)
    assert not Suppression.objects.exists()

    one_message(contact, account, now + 14 * DAY, ABSENT)

    assert in_force(now + 14 * DAY) == [("sms", "unreachable")]


def test_retries_of_a_message_are_one(contact, account, now):
    message = one_message(contact, account, now, ABSENT, retries=9)
    for hours in range(1, 9):
        latest = message.recipient.messages.latest("pk")
        report(latest, ABSENT, now + 4 * hours * HOUR)
        work(now + 4 * hours * HOUR)

    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("meaning", "channel"), [(DELIVERED, "sms"), (BUSY, "voice")], ids=["arrived", "it rings"]
)
def test_whatever_shows_that_somebody_is_there_ends_the_row(account, now, meaning, channel):
    contact = person("sms", "voice", at=now)
    for hours in range(6):
        one_message(contact, account, now + hours * HOUR, ABSENT, channel=channel)
    one_message(contact, account, now + 6 * HOUR, meaning, channel=channel)

    one_message(contact, account, now + 7 * HOUR, ABSENT, channel=channel)

    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    "meaning",
    [
        Meaning(Status.BLOCKED, FailureClass.TEMPORARY, Fault.RECIPIENT),
        Meaning(Status.REJECTED, FailureClass.TEMPORARY, Fault.RECIPIENT),
    ],
    ids=["a filter", "declined"],
)
def test_what_is_not_for_want_of_reach_is_no_miss(contact, account, now, meaning):
    for hours in range(8):
        one_message(contact, account, now + hours * HOUR, meaning)

    assert not Suppression.objects.exists()


def test_automatic_replies_that_come_as_bounces_pause_nobody(account, now):
    away = Meaning(Status.BOUNCED, FailureClass.TEMPORARY, Fault.RECIPIENT)
    contact = person("email", at=now)
    for hours in range(8):
        arrived = one_message(contact, account, now + hours * HOUR, DELIVERED, channel="email")
        report(arrived, away, now + hours * HOUR)
        work(now + hours * HOUR)
        arrived.refresh_from_db()
        assert arrived.status == "bounced"

    assert not Suppression.objects.exists()


def test_released_by_a_colleague_it_begins_anew(contact, account, now, make_user):
    for hours in range(7):
        one_message(contact, account, now + hours * HOUR, ABSENT)
    release(Suppression.objects.get(), by=make_user("marketer"), note="A new phone", now=now + 8 * HOUR)

    one_message(contact, account, now + 9 * HOUR, ABSENT)

    assert in_force(now + 9 * HOUR) == []
    assert Address.objects.get().health.filter(hard_fails__gt=0).count() == 0
