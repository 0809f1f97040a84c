"""From lists to recipients: set-based, resumable, and of one mind with the gate."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from django.db import connection

from campaigns.models import Campaign, Recipient
from contacts.channels import Channel, LineType
from contacts.gate import check, sentence
from contacts.models import Address, AddressHealth, Suppression
from deliveries.deciding.context import ask
from deliveries.deciding.routes import routes
from deliveries.models import Decision, Message, Outbox
from deliveries.outcomes.reconciling import reconcile
from deliveries.running.drain import expand as expand_all
from deliveries.sending.dispatch import dispatch
from deliveries.sending.expansion import CannotSend, expand
from deliveries.sending.meant import audience_size
from tests import factories
from tests.engine import Fake, agree, consent

pytestmark = pytest.mark.django_db


@pytest.fixture
def people():
    return factories.contact_list()


@pytest.fixture
def account():
    return factories.account()


def launching(*lists, channel="sms", now, **fields):
    """A campaign whose audience is to be expanded."""
    made = factories.campaign(
        lists=list(lists), channel=channel, state=Campaign.State.LAUNCHING, launched_at=now, **fields
    )
    factories.content(made)
    made.audience_size = audience_size(made, now).n
    made.save()
    return made


def expand_wholly(campaign, now, chunk=50_000):
    rounds = 0
    while expand(campaign, now, chunk):
        rounds += 1
        assert rounds < 100
    campaign.refresh_from_db()
    return rounds


def member(people, now, *, channels=("sms",), kind="phone", agreed=True, zone="", **address):
    contact = factories.contact(lists=[people], time_zone=zone)
    made = (factories.phone if kind == "phone" else factories.email)(contact, **address)
    if agreed:
        consent(contact, *channels, at=now - timedelta(days=5))
    return made


# ---- The reasons, and the gate's --------------------------------------------------------------------------------


def block(address, now, **fields):
    fields = {"reason": "staff", "origin": "staff", "value": address.value, "created_at": now} | fields
    Suppression.objects.create(contact=address.contact, **fields)


def fail(address, times, channel="sms"):
    AddressHealth.objects.create(address=address, channel=channel, hard_fails=times)


LATER, EARLIER = timedelta(days=1), timedelta(days=-1)
# What is done to a contact who could otherwise be written to, for a campaign by SMS.
CASES = {
    "nothing": lambda a, now: None,
    "no address": lambda a, now: Address.objects.filter(pk=a.pk).delete(),
    "address not preferred": lambda a, now: Address.objects.filter(pk=a.pk).update(preferred=False),
    "to be corrected": lambda a, now: Address.objects.filter(pk=a.pk).update(validity="needs_correction"),
    "invalid": lambda a, now: Address.objects.filter(pk=a.pk).update(validity="invalid"),
    "unverified": lambda a, now: Address.objects.filter(pk=a.pk).update(validity="unverified"),
    "STOP": lambda a, now: block(a, now, reason="stop", origin="recipient"),
    "STOP on another channel": lambda a, now: block(a, now, reason="stop", origin="recipient", channel="email"),
    "STOP and staff": lambda a, now: (block(a, now), block(a, now, reason="stop", origin="recipient")),
    "suppressed": lambda a, now: block(a, now),
    "suppressed on this channel": lambda a, now: block(a, now, channel="sms"),
    "suppressed on another channel": lambda a, now: block(a, now, channel="voice"),
    "suppressed as a contact": lambda a, now: block(a, now, value=""),
    "suppressed as a contact on this channel": lambda a, now: block(a, now, value="", channel="sms"),
    "suppressed as a contact by themselves": lambda a, now: block(a, now, value="", origin="recipient"),
    "suppressed until tomorrow": lambda a, now: block(a, now, expires_at=now + LATER),
    "suppressed until now": lambda a, now: block(a, now, expires_at=now),
    "suppressed until yesterday": lambda a, now: block(a, now, expires_at=now + EARLIER),
    "released": lambda a, now: block(a, now, released_at=now),
    "suppressed for another sender": lambda a, now: block(a, now, scope="sender", scope_value="+12125550188"),
    "suppressed for this sender": lambda a, now: block(a, now, scope="sender", scope_value="SENDER"),
    "suppressed for a brand": lambda a, now: block(a, now, scope="brand", scope_value="any"),
    "suppressed by an old address": lambda a, now: block(a, now, value="+12025550187"),
    "no more consent": lambda a, now: consent(a.contact, "sms", at=now, opted_in=False),
    "consent given anew": lambda a, now: (
        consent(a.contact, "sms", at=now - LATER, opted_in=False), consent(a.contact, "sms", at=now),
    ),
    "both at the same moment": lambda a, now: (
        consent(a.contact, "sms", at=now), consent(a.contact, "sms", at=now, opted_in=False),
    ),
    "three strikes": lambda a, now: fail(a, 3),
    "two strikes": lambda a, now: fail(a, 2),
    "three strikes elsewhere": lambda a, now: fail(a, 3, "voice"),
    "not in service": lambda a, now: AddressHealth.objects.create(address=a, channel="sms", closed="number"),
    "a landline after all": lambda a, now: AddressHealth.objects.create(address=a, channel="sms", closed="texting"),
    "closed elsewhere": lambda a, now: AddressHealth.objects.create(address=a, channel="voice", closed="channel"),
    "marked": lambda a, now: AddressHealth.objects.create(address=a, channel="sms", marked_at=now),
    "marked elsewhere": lambda a, now: AddressHealth.objects.create(address=a, channel="mms", marked_at=now),
    "no hour in all of its zones": lambda a, now: Address.objects.filter(pk=a.pk).update(
        time_zone="America/Bogota Asia/Bangkok"
    ),
    "everything at once": lambda a, now: (
        fail(a, 5), block(a, now), consent(a.contact, "sms", at=now, opted_in=False),
    ),
    "to be corrected and stopped": lambda a, now: (
        block(a, now, origin="recipient"),
        Address.objects.filter(pk=a.pk).update(validity="needs_correction"),
    ),
}  # fmt: skip


def verdicts(campaign, now):
    """Why the gate stops each contact of the audience; '' for whoever may be written to."""
    return {key: verdict.reason for key, verdict in full_verdicts(campaign, now).items()}


def full_verdicts(campaign, now):
    """What the gate says of each contact of the audience."""
    route = routes([campaign])[campaign.pk, campaign.channel]
    kind = "email" if campaign.channel == "email" else "phone"
    preferred = {a.contact_id: a for a in Address.objects.filter(preferred=True, kind=kind)}
    contacts = [r.contact_id for r in Recipient.objects.filter(campaign=campaign)]
    asks = [ask(pk, campaign, route, pk, preferred.get(pk), campaign.channel) for pk in contacts]
    return check(asks, now)


def reasons(campaign):
    return dict(Recipient.objects.filter(campaign=campaign).values_list("contact_id", "skip_reason"))


def test_every_reason_to_skip_is_the_gates_own(people, account, now):
    campaign = launching(people, now=now)
    sender = campaign.contents.get().sender.value
    named = {}
    for name, happens in CASES.items():
        address = member(people, now)
        happens(address, now)
        named[address.contact_id] = name
    Suppression.objects.filter(scope_value="SENDER").update(scope_value=sender)
    nobody = factories.contact(lists=[people])
    named[nobody.pk] = "no consent ever, no address"
    never = member(people, now, agreed=False)
    named[never.contact_id] = "no consent ever"

    expand_wholly(campaign, now)

    told, gate = reasons(campaign), verdicts(campaign, now)
    assert {named[pk]: reason for pk, reason in told.items()} == {named[pk]: r for pk, r in gate.items()}
    assert {"", "no_address", "needs_correction", "invalid_address", "opted_out", "suppressed", "no_consent",
            "hard_fails", "no_common_hour", "not_in_service", "wrong_line"} == set(told.values())  # fmt: skip


def test_a_mailbox_that_failed_for_good_once_is_skipped(people, account, now):
    address = member(people, now, kind="email", channels=("email",))
    fail(address, 1, "email")
    campaign = launching(people, channel="email", now=now)

    expand_wholly(campaign, now)

    assert reasons(campaign) == verdicts(campaign, now) == {address.contact_id: "hard_fails"}


def test_the_gate_refuses_an_address_that_is_not_preferred_as_the_expansion_does(people, account, now):
    address = member(people, now)
    Address.objects.filter(pk=address.pk).update(preferred=False)
    campaign = launching(people, now=now)

    expand_wholly(campaign, now)

    assert reasons(campaign) == {address.contact_id: "no_address"}


@pytest.mark.parametrize("channel", Channel.values)
def test_every_line_and_every_consent_is_judged_as_the_gate_does(people, account, channel, now):
    kind = "email" if channel == "email" else "phone"
    lines = LineType.values if kind == "phone" else [LineType.UNKNOWN.value]
    given = [(), ("sms",), ("mms",), ("voice",), ("rvm",), ("email",), tuple(Channel.values)]
    for line, channels in product(lines, given):
        member(people, now, channels=channels, kind=kind, line_type=line)
    taken_back = member(people, now, channels=("sms", channel), kind=kind)
    consent(taken_back.contact, channel, at=now, opted_in=False)
    campaign = launching(people, channel=channel, now=now)

    expand_wholly(campaign, now)

    assert reasons(campaign) == verdicts(campaign, now)
    assert "" in reasons(campaign).values()
    assert "no_consent" in reasons(campaign).values()


# ---- Rows, chunks and books ---------------------------------------------------------------------------------------


def test_everybody_has_one_row_and_those_who_can_be_written_to_a_message_in_the_outbox(people, account, now):
    fine, blocked = member(people, now), member(people, now)
    block(blocked, now)
    campaign = launching(people, now=now)

    expand_wholly(campaign, now)

    message = Message.objects.get()
    recipient = Recipient.objects.get(contact=fine.contact)
    assert (recipient.state, recipient.next_step, message.recipient_id) == ("planned", "wait", recipient.pk)
    assert (message.address_id, message.account_id, message.channel) == (fine.pk, account.pk, "sms")
    assert (message.carrier, message.region, message.list_source_id) == ("Carrier A", "US-TX", people.pk)
    assert (message.status, message.disposition, message.created_on) == ("queued", "PENDING", now.date())
    assert message.uuid is not None
    assert Outbox.objects.get().message_id == message.pk
    assert Recipient.objects.get(contact=blocked.contact).state == "skipped"
    assert campaign.state == Campaign.State.SENDING
    assert agree()


def test_a_contact_on_two_lists_is_one_recipient(people, account, now):
    other = factories.contact_list()
    contact = factories.contact(lists=[people, other])
    factories.phone(contact)
    consent(contact, "sms", at=now)
    campaign = launching(people, other, now=now)

    expand_wholly(campaign, now)

    assert (campaign.audience_size, campaign.expanded_count, Recipient.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_chunks_of_any_size_come_to_the_same(people, account, chunk, now):
    members = [member(people, now) for _ in range(7)]
    block(members[3], now)
    campaign = launching(people, now=now)

    rounds = expand_wholly(campaign, now, chunk)

    strip = reconcile(campaign)
    assert rounds == -(-7 // chunk)
    assert (strip.audience, strip.skipped, strip.planned, strip.difference) == (7, 1, 6, 0)
    assert len(set(Message.objects.values_list("uuid", flat=True))) == 6
    assert agree()


def test_an_expansion_that_broke_off_goes_on_where_it_was(people, account, monkeypatch, now):
    from deliveries.sending import expansion

    for _ in range(6):
        member(people, now)
    campaign = launching(people, now=now)
    expand(campaign, now, 2)

    def die(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(expansion, "bump", die)
        with pytest.raises(KeyboardInterrupt):
            expand(campaign, now, 2)
    expand_wholly(campaign, now, 2)

    assert (campaign.expanded_count, Recipient.objects.count(), Outbox.objects.count()) == (6, 6, 6)
    assert reconcile(campaign).adds_up
    assert agree()


def test_expanding_again_adds_nothing(people, account, now):
    member(people, now)
    campaign = launching(people, now=now)
    expand_wholly(campaign, now)

    Campaign.objects.filter(pk=campaign.pk).update(state=Campaign.State.LAUNCHING, expanded_to=0)
    expand_wholly(campaign, now)

    assert (Recipient.objects.count(), Message.objects.count(), campaign.expanded_count) == (1, 1, 1)
    assert agree()


def test_an_empty_list_is_sent_to_nobody(people, account, now):
    campaign = launching(people, now=now)

    expand_wholly(campaign, now)

    assert (campaign.state, campaign.expanded_count) == (Campaign.State.SENDING, 0)
    assert reconcile(campaign).adds_up


@pytest.mark.parametrize("chunk", [1, 100])
def test_each_message_is_due_when_its_recipients_hours_open(people, account, chunk, now):
    night = now.replace(hour=12)  # seven in New York, six in Chicago, four in Los Angeles
    zones = {
        member(people, now, time_zone="America/New_York").pk: 14,
        member(people, now, time_zone="America/Los_Angeles").pk: 17,
        member(people, now, time_zone="America/Los_Angeles", zone="America/Chicago").pk: 15,
        member(people, now, time_zone="America/Chicago America/New_York").pk: 15,
        member(people, now, time_zone="America/Chicago America/New_York", zone="America/New_York").pk: 14,
        member(people, now, time_zone="America/Chicago", zone="Mars/Olympus").pk: 15,
        member(people, now, time_zone="").pk: 12,  # nobody knows: the operator's own zone, where it is noon
    }
    campaign = launching(people, now=night)

    expand_wholly(campaign, night, chunk)

    due = {m.address_id: m.due_at.hour for m in Message.objects.all()}
    assert due == zones
    assert {row.message_id: row.due_at for row in Outbox.objects.all()} == {
        m.pk: m.due_at for m in Message.objects.all()
    }


def test_nothing_is_due_before_the_campaign_starts(people, account, now):
    member(people, now, time_zone="America/New_York")
    campaign = launching(people, now=now, starts_at=now + timedelta(days=2))

    expand_wholly(campaign, now)

    assert Message.objects.get().due_at == now + timedelta(days=2)


def test_email_is_due_at_once(people, account, now):
    night = now.replace(hour=9)
    member(people, now, channels=("email",), kind="email")
    campaign = launching(people, channel="email", now=night)

    expand_wholly(campaign, night)

    assert Message.objects.get().due_at == night


def test_what_was_expanded_can_be_handed_over(people, account, now):
    for _ in range(3):
        member(people, now)
    campaign = launching(people, now=now, priority="urgent")
    expand_wholly(campaign, now)
    carriers = Fake()

    assert dispatch(now, carriers).handed_over == 3
    assert all(out.to.startswith("+1") and out.body.startswith("Hello Robin") for out in carriers.left)
    assert reconcile(campaign).open == 3
    assert agree()


def test_without_an_account_the_campaign_is_paused_and_goes_on_once_there_is_one(people, now):
    from deliveries.sending.launching import resume

    member(people, now)
    campaign = launching(people, now=now)
    with pytest.raises(CannotSend, match="no content or no active account"):
        expand(campaign, now)

    expand_all(now)
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.PAUSED
    factories.account()
    assert resume(campaign)
    while expand_all(now):
        pass

    campaign.refresh_from_db()
    assert (campaign.state, campaign.expanded_count) == (Campaign.State.SENDING, 1)


@pytest.mark.django_db(transaction=True)
def test_two_processes_at_once_expand_an_audience_once(people, account, now):
    from concurrent.futures import ThreadPoolExecutor

    for _ in range(20):
        member(people, now)
    campaign = launching(people, now=now)

    def work():
        try:
            while expand(campaign, now, 3):
                pass
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(work) for _ in range(3)]:
            future.result()

    campaign.refresh_from_db()
    assert (campaign.expanded_count, Recipient.objects.count(), Outbox.objects.count()) == (20, 20, 20)
    assert campaign.state == Campaign.State.SENDING
    assert agree()


# ---- Why somebody is skipped --------------------------------------------------------------------------------------


def test_every_skip_has_its_decision_with_the_gates_own_words(people, account, now):
    for happens in CASES.values():
        happens(member(people, now), now)
    member(people, now, agreed=False)
    landline = member(people, now, line_type="landline")
    dead = member(people, now)
    AddressHealth.objects.create(
        address=dead, channel="sms", closed="number", closed_why="Number not in service, reported by SMS"
    )
    campaign = launching(people, now=now)

    expand_wholly(campaign, now)

    skipped = dict(Recipient.objects.filter(state="skipped").values_list("pk", "skip_reason"))
    decided = Decision.objects.filter(by="gate")
    assert dict(decided.values_list("recipient", "rule")) == skipped
    assert decided.count() == len(skipped) > 20
    said = dict(decided.values_list("contact", "reason"))
    assert said[landline.contact_id] == (
        "Not sent: the number cannot take this channel (a landline number cannot take SMS)."
    )
    assert said[dead.contact_id] == ("Not sent: the number is not in service (reported by SMS).")
    assert all(one.startswith("Not sent: ") for one in said.values())
    assert {one.step for one in decided} == {"none"}


def test_who_is_written_to_gets_no_decision(people, account, now):
    member(people, now)
    expand_wholly(launching(people, now=now), now)

    assert not Decision.objects.exists()


@pytest.mark.parametrize("channel", ["sms", "mms", "rvm"])
def test_the_words_of_a_skip_are_those_of_the_gate_at_handover(people, account, channel, now):
    address = member(people, now, channels=(channel,), line_type="landline")
    campaign = launching(people, channel=channel, now=now)
    expand_wholly(campaign, now)

    route = routes([campaign])[campaign.pk, channel]
    verdict = check([ask(1, campaign, route, address.contact_id, address, channel)], now)[1]

    assert Decision.objects.get().reason == sentence(verdict.reason, verdict.detail)
