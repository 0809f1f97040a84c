"""Which channel first messages take where the playbook says "best chance": asked of people at random, and by hand."""

from __future__ import annotations

import random
from collections import Counter
from datetime import time, timedelta

import pytest

from campaigns.models import ChannelOrder
from contacts.channels import KIND_OF, Channel
from contacts.drawing import HOLD_OUT, place
from contacts.gate import check
from contacts.models import Address, AddressHealth, Consent, Contact, ListMembership, Suppression
from deliveries.deciding.context import ask
from deliveries.deciding.routes import routes
from deliveries.ledger import base_rates
from deliveries.models import Bookmark, DayTally, Decision, Message, RecipientTally
from deliveries.outcomes.chance import Chance, Record, Result, in_order, outcome_of, weigh
from deliveries.outcomes.reconciling import reconcile
from deliveries.sending.audience import forecast, left_out
from deliveries.statuses import Fault
from tests import factories
from tests.deliveries.sending.test_expansion import expand_wholly, launching, member
from tests.deliveries.sending.test_twin_at_random import some_addresses, some_block, some_health, some_words
from tests.engine import agree, consent, rebuild

pytestmark = pytest.mark.django_db

CHANNELS = ("sms", "voice", "email")  # the campaign's own first


@pytest.fixture
def people():
    return factories.contact_list()


@pytest.fixture
def account():
    return factories.account()


def choosing(people, now, *, channels=CHANNELS, **fields):
    """A campaign that chooses among these channels, its audience to be expanded."""
    playbook = factories.playbook(
        switch_to=list(channels[1:]),
        urgent_switch_to=list(channels[1:]),
        channel_order=ChannelOrder.BEST_CHANCE,
    )
    made = launching(people, channel=channels[0], now=now, playbook=playbook, **fields)
    for channel in channels[1:]:
        factories.content(made, channel)
    return made


def senders(campaign):
    found = {one.channel: one.sender.value for one in campaign.contents.select_related("sender")}
    return {channel: found[channel] for channel in campaign.first_channels}


def came(contact, channel, now, *statuses):
    address = Address.objects.get(contact=contact, kind=KIND_OF[Channel(channel)])
    for status in statuses:
        failed = {"failure_class": "temporary", "fault": "recipient"} if status == "undelivered" else {}
        factories.message(
            factories.recipient(contact=contact), address=address, channel=channel, status=status,
            created_at=now - timedelta(days=3), **failed,
        )  # fmt: skip


def of(campaign, contact):
    return campaign.messages.get(contact=contact)


# ---- By hand ------------------------------------------------------------------------------------------------------


def test_whoever_has_no_email_gets_a_text_where_there_is_one(people, account, now):
    phone = member(people, now)
    campaign = choosing(people, now, channels=("email", "sms"))

    expand_wholly(campaign, now)

    message = of(campaign, phone.contact)
    assert (message.channel, message.sender_id) == ("sms", campaign.contents.get(channel="sms").sender_id)
    assert message.cause_reason == "The only channel that they may be sent this on"


def test_a_playbook_with_a_fixed_order_skips_them(people, account, now):
    phone = member(people, now)
    campaign = choosing(people, now, channels=("email", "sms"))
    campaign.playbook.channel_order = ChannelOrder.FIXED
    campaign.playbook.save()

    expand_wholly(campaign, now)

    assert campaign.recipients.get(contact=phone.contact).skip_reason == "no_address"


def test_the_likeliest_is_taken_and_the_message_says_why(people, account, now):
    phone = member(people, now, channels=("sms", "email"))
    factories.email(phone.contact)
    came(phone.contact, "sms", now, "undelivered")
    came(phone.contact, "email", now, "delivered", "delivered")
    campaign = choosing(people, now, channels=("sms", "email"))

    expand_wholly(campaign, now)

    message = of(campaign, phone.contact)
    assert message.channel == "email"
    assert message.cause_reason == "Best chance to arrive: 75% by 2 results; next best SMS, 33%"


def test_silence_is_not_taken_for_arrival(people, account, now):
    phone = member(people, now, channels=("sms", "email"))
    factories.email(phone.contact)
    came(phone.contact, "sms", now, *["timed_out"] * 4)
    campaign = choosing(people, now, channels=("sms", "email"))

    expand_wholly(campaign, now)

    assert of(campaign, phone.contact).channel == "email"


@pytest.mark.parametrize("how", ["dead", "suppressed", "opted out"])
def test_what_is_closed_is_never_taken_whatever_came_of_it(people, account, now, how):
    phone = member(people, now, channels=("sms", "email"))
    mail = factories.email(phone.contact)
    came(phone.contact, "email", now, *["delivered"] * 9)
    came(phone.contact, "sms", now, "undelivered")
    if how == "dead":
        AddressHealth.objects.create(address=mail, channel="email", closed="channel", closed_why="Gone")
    elif how == "suppressed":
        Suppression.objects.create(value=mail.value, reason="staff", origin="staff")
    else:
        consent(phone.contact, "email", at=now - timedelta(days=1), opted_in=False)
    campaign = choosing(people, now, channels=("sms", "email"))

    expand_wholly(campaign, now)

    assert of(campaign, phone.contact).channel == "sms"


def test_whoever_can_be_sent_nothing_is_skipped_for_what_stops_the_campaigns_own_channel(
    people, account, now
):
    phone = member(people, now, channels=())
    campaign = choosing(people, now, channels=("sms", "email"))

    expand_wholly(campaign, now)

    assert campaign.recipients.get(contact=phone.contact).skip_reason == "no_consent"
    assert Decision.objects.filter(contact=phone.contact, by="gate").count() == 1


def test_a_channel_without_a_permitted_hour_is_not_taken(people, account, now):
    phone = member(people, now, channels=("sms", "email"), value="+12035550142", region="US")
    factories.email(phone.contact)
    came(phone.contact, "sms", now, *["delivered"] * 5)
    campaign = choosing(
        people,
        now,
        channels=("sms", "email"),
        window_start=time(20),
        window_end=time(22),
        purpose="marketing",
    )

    expand_wholly(campaign, now)

    assert of(campaign, phone.contact).channel == "email"


def test_a_channel_without_content_is_not_taken(people, account, now):
    phone = member(people, now, channels=("sms", "email"))
    factories.email(phone.contact)
    came(phone.contact, "email", now, *["delivered"] * 5)
    campaign = choosing(people, now, channels=("sms", "email"))
    campaign.contents.filter(channel="email").delete()

    expand_wholly(campaign, now)

    message = of(campaign, phone.contact)
    assert (message.channel, message.cause_reason) == ("sms", "")


def test_a_channel_whose_sender_may_not_send_yet_is_not_taken(people, account, now):
    phone = member(people, now, channels=("sms", "email"))
    factories.email(phone.contact)
    came(phone.contact, "email", now, *["delivered"] * 5)
    campaign = choosing(people, now, channels=("sms", "email"))
    type(campaign.contents.get(channel="email").sender).objects.filter(channel="email").update(
        state="in_review"
    )

    expand_wholly(campaign, now)

    assert of(campaign, phone.contact).channel == "sms"


def test_the_launch_page_says_that_each_person_gets_the_likeliest(login, people, account, now):
    phone = member(people, now, channels=("sms", "email"))
    factories.email(phone.contact)
    campaign = choosing(people, now, channels=("sms", "email"))
    type(campaign).objects.filter(pk=campaign.pk).update(state="draft", launched_at=None)

    page = login("marketer").get(campaign.get_absolute_url(), follow=True).content.decode()

    assert (
        "each gets one message, by SMS or email, whichever they may be sent and is likeliest to arrive."
        in page
    )


def test_what_is_usual_decides_for_people_of_whom_nothing_is_known(people, account, now):
    phone = member(people, now, channels=("sms", "email"))
    factories.email(phone.contact)
    for channel, disposition, n in [
        ("sms", "DELIVERED", 60),
        ("sms", "PENDING_RETRY", 40),
        ("email", "DELIVERED", 99),
    ]:
        DayTally.objects.create(
            day=now.date(), channel=channel, account_id=1, carrier="", disposition=disposition, n=n
        )
    base_rates.refresh(now)
    campaign = choosing(people, now, channels=("sms", "email"))

    expand_wholly(campaign, now)

    assert of(campaign, phone.contact).channel == "email"


# ---- At random ----------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(people, account, now):
    """People with addresses, consent, blocks, health and results at random, and what is usual."""
    draw = random.Random(7)
    contacts = Contact.objects.bulk_create(Contact() for _ in range(120))
    ListMembership.objects.bulk_create(ListMembership(contact_list=people, contact=one) for one in contacts)
    addresses = Address.objects.bulk_create(each for one in contacts for each in some_addresses(draw, one))
    Consent.objects.bulk_create(
        each for one in contacts for channel in CHANNELS for each in some_words(draw, one, channel, now)
    )
    AddressHealth.objects.bulk_create(each for one in addresses for each in some_health(draw, one, now))
    Suppression.objects.bulk_create(some_block(draw, contacts, "sms", "+1", now) for _ in range(9))
    some_results(draw, addresses, now)
    detail = {
        channel: {"odds": odds, "strength": 4.0, "carriers": {"": 0.9}, "sources": {}}
        for channel, odds in [("sms", 4.0), ("email", 3.0)]  # nothing is known of calls
    }
    Bookmark.objects.create(name=base_rates.NAME, at=now, detail=detail)
    rebuild()
    return contacts


def some_results(draw, addresses, now):
    recipient = factories.recipient()
    shared = {"sender": factories.sender(), "account": factories.account()}
    for address in addresses:
        channels = [channel for channel in CHANNELS if KIND_OF[Channel(channel)] == address.kind]
        for _ in range(draw.randrange(4)):
            made = factories.message(
                recipient, address=address, channel=draw.choice(channels),
                disposition=draw.choice(["DELIVERED", "DELIVERED", "PENDING_RETRY", "UNKNOWN", "BLOCKED_COMPLIANCE"]),
                fault=draw.choice(["none", "recipient", *Fault.values]),
                created_at=now - timedelta(days=draw.randrange(800)), **shared,
            )  # fmt: skip
            Message.objects.filter(pk=made.pk).update(contact=address.contact_id)


def expected(campaign, contact, now):
    """(channel, '') by the gate and the function of one; or (the campaign's own, why not)."""
    found = {channel: route for (_, channel), route in routes([campaign]).items()}
    addresses = {one.kind: one for one in contact.addresses.filter(preferred=True)}
    asks = [
        ask(place, campaign, found[channel], contact.pk, addresses.get(KIND_OF[Channel(channel)]), channel)
        for place, channel in enumerate(CHANNELS)
    ]
    verdicts = check(asks, now)
    usable = [c for place, c in enumerate(CHANNELS) if verdicts[place].allowed or verdicts[place].until]
    usual = base_rates.load()
    chances = {
        channel: Chance(
            record_of(addresses[KIND_OF[Channel(channel)]], channel, now),
            usual.of(channel, addresses[KIND_OF[Channel(channel)]].carrier, contact.source_id),
        )
        for channel in usable
    }
    return (in_order(chances)[0], "") if chances else (CHANNELS[0], verdicts[0].reason)


def record_of(address, channel, now) -> Record:
    rows = Message.objects.filter(address=address, channel=channel)
    outcomes = [(outcome_of(one.disposition, one.fault, one.evidence), one.created_at) for one in rows]
    return weigh([Result(outcome, at) for outcome, at in outcomes if outcome], now)


def test_everybody_gets_what_the_gate_permits_and_the_function_of_one_puts_first(people, crowd, now):
    campaign = choosing(people, now)
    campaign.state = "sending"  # as it is once they are asked about
    wanted = {one.pk: expected(campaign, one, now) for one in crowd}

    expand_wholly(campaign, now, chunk=50)

    taken = dict(campaign.messages.values_list("contact_id", "channel"))
    skipped = dict(campaign.recipients.values_list("contact_id", "skip_reason"))
    assert {pk: (taken.get(pk, CHANNELS[0]), skipped[pk]) for pk in skipped} == wanted
    assert set(taken.values()) == set(CHANNELS)
    assert reconcile(campaign).adds_up
    assert agree()
    planned = RecipientTally.objects.get(campaign_id=campaign.pk, state="planned")
    assert planned.n == len(taken)


def test_what_is_forecast_comes_about_and_whoever_is_left_out_is_listed_page_by_page(people, crowd, now):
    Address.objects.update(time_zone="")  # it knows nothing of hours
    campaign = choosing(people, now)
    outcome = forecast(campaign, senders(campaign), now)

    first = left_out(campaign, senders(campaign), now, most=20)
    rest = left_out(campaign, senders(campaign), now, after=first[-1][0], most=200)

    assert Counter(reason for _, reason in first + rest) == outcome - Counter({"": outcome[""]})
    expand_wholly(campaign, now, chunk=50)
    assert Counter(campaign.recipients.values_list("skip_reason", flat=True)) == outcome


def test_of_whom_every_channel_is_closed_to_it_is_said_of_each_why(people, account, now, login):
    """On the trail, and in the list of those who were skipped, or would be."""
    phone = member(people, now, agreed=False)
    campaign = choosing(people, now, channels=("email", "sms"))
    client, address = login("marketer"), f"/campaigns/{campaign.slug}/skipped/"
    campaign.state = "draft"
    campaign.save()
    before = client.get(address).content.decode()
    campaign.state = "launching"
    campaign.save()

    expand_wholly(campaign, now)

    decision = Decision.objects.get(contact=phone.contact)
    assert decision.rule == "no_address"
    said = "by email: there is no address for this channel. By SMS: there is no consent for this channel"
    assert decision.reason == f"Not sent {said}."
    after = client.get(address, follow=True).content.decode()
    shown = said[0].upper() + said[1:]
    assert shown in before
    assert shown in after


def test_whoever_is_held_out_is_so_on_every_channel_also_where_the_first_is_closed_to_them(
    people, account, now
):
    texts = [member(people, now).contact for _ in range(40)]
    campaign = choosing(people, now, channels=("email", "sms"))
    campaign.conditions = {"hold_out": 40}
    campaign.save()
    outcome = forecast(campaign, senders(campaign), now)

    expand_wholly(campaign, now)

    held = {one.pk for one in texts if place(one.pk, campaign.pk, HOLD_OUT) < 40}
    found = dict(campaign.recipients.values_list("contact", "skip_reason"))
    assert found == {one.pk: "hold_out" if one.pk in held else "" for one in texts}
    assert outcome == {"hold_out": len(held), "": 40 - len(held)}
    assert held
