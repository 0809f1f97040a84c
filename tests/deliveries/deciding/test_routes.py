"""Which account and sender a message leaves by: the lists of routes, and what holds without them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from campaigns.models import Sender
from contacts.channels import Channel
from deliveries.deciding.routes import country_of, routes
from deliveries.models import Decision, Message, Outbox, QueueEntry, Route
from deliveries.providers.facts import SendResult
from deliveries.sending.dispatch import dispatch
from deliveries.sending.expansion import CannotSend
from tests import factories
from tests.deliveries.sending.test_expansion import expand_wholly, launching, member
from tests.engine import Fake, agree, consent, sending, waiting, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def accounts():
    """Two that send everything; the first has the lower rank."""
    return factories.account(name="Primary", rank=1), factories.account(name="Second", rank=2)


def listed(*accounts, channel=Channel.SMS, sender=None, **fields):
    for position, account in enumerate(accounts, 1):
        Route.objects.create(channel=channel, position=position, account=account, sender=sender, **fields)


def names(campaign, region="US-TX"):
    route = routes([campaign])[campaign.pk, campaign.channel]
    return [option.account.name for option in route.listed(region)]


def test_without_a_list_the_owner_of_the_sender_is_used_and_then_the_lowest_rank(accounts):
    campaign = sending()
    route = routes([campaign])[campaign.pk, "sms"]

    assert (route.first("US-TX").account, route.listed("US-TX")) == (accounts[0], ())

    accounts[1].senders.add(route.content.sender)
    assert routes([campaign])[campaign.pk, "sms"].first("").account == accounts[1]


def test_a_list_names_the_order(accounts):
    listed(accounts[1], accounts[0])
    campaign = sending()

    assert names(campaign) == ["Second", "Primary"]
    assert routes([campaign])[campaign.pk, "sms"].first("GB").account == accounts[1]


def test_the_most_exact_list_counts_and_it_alone(accounts):
    first, second = accounts
    listed(first, second)
    listed(second, priority="urgent")
    listed(second, first, country="GB")
    listed(first, country="GB", priority="urgent")
    normal, urgent = sending(), sending(priority="urgent")

    assert [names(normal), names(normal, "GB")] == [["Primary", "Second"], ["Second", "Primary"]]
    assert [names(urgent), names(urgent, "GB-LND")] == [["Second"], ["Primary"]]


def test_what_cannot_send_is_passed_over(accounts):
    suspended = factories.sender(state=Sender.State.SUSPENDED)
    Route.objects.create(channel="sms", position=1, account=accounts[0], sender=suspended)
    Route.objects.create(channel="sms", position=2, account=accounts[1])
    Route.objects.create(channel="sms", position=3, account=factories.account(active=False))
    Route.objects.create(channel="sms", position=4, account=factories.account("twilio", credentials={}))
    Route.objects.create(channel="sms", position=5, account=factories.account(channels=["email"]))

    assert names(sending()) == ["Second"]


def test_a_list_of_another_country_leaves_the_others_as_they_were(accounts):
    listed(accounts[1], country="GB")
    campaign = sending()
    route = routes([campaign])[campaign.pk, "sms"]

    assert [route.first(region).account.name for region in ("GB", "US-TX", "")] == [
        "Second",
        "Primary",
        "Primary",
    ]


def test_an_audience_leaves_by_the_list_of_each_country(accounts, now):
    british = factories.sender(value="+447700900123")
    listed(accounts[1], country="GB", sender=british)
    people = factories.contact_list()
    home, abroad = member(people, now), member(people, now)
    abroad.region = "GB"
    abroad.save()
    campaign = launching(people, now=now)

    expand_wholly(campaign, now)

    own = campaign.contents.get().sender
    found = {m.address_id: (m.account, m.sender) for m in Message.objects.select_related("account", "sender")}
    assert found == {home.pk: (accounts[0], own), abroad.pk: (accounts[1], british)}
    lanes = {(row.account_id, row.sender_id) for row in Outbox.objects.all()}
    assert lanes == {(accounts[0].pk, own.pk), (accounts[1].pk, british.pk)}
    assert agree()


def test_a_list_in_which_nothing_can_send_is_no_leave_to_send_by_another_account(accounts, now):
    listed(factories.account(active=False), country="US")
    people = factories.contact_list()
    member(people, now)
    campaign = launching(people, now=now)

    with pytest.raises(CannotSend, match="no active account for sms to US"):
        expand_wholly(campaign, now)

    assert not Outbox.objects.exists()


# ---- What was refused -----------------------------------------------------------------------------------------


def refusal(code):
    return Fake(SendResult(False, native_status="rejected", native_code=code))


NO_ACCESS = "UNAUTHORIZED"  # the account's fault, as the code table of the sandbox has it


@pytest.fixture
def refused(accounts, now):
    """`refused(code, **campaign)`: a message that the primary has refused at handover."""

    def refuse(code=NO_ACCESS, account=accounts[0], **fields):
        message = waiting(sending(**fields), account, now)
        dispatch(now, refusal(code))
        return message

    return refuse


def test_what_one_account_refuses_the_next_one_sends_at_once_when_it_is_urgent(accounts, refused, now):
    listed(*accounts)
    message = refused(priority="urgent")

    work(now)

    again = Message.objects.get(follows=message)
    assert (again.account, again.attempt, again.status) == (accounts[1], 2, "sending")
    decision = Decision.objects.get(message_id=message.pk)
    assert (decision.rule, decision.step) == ("next-route", "retry")
    assert decision.reason.endswith(": sent again by Second.")
    assert agree()


def test_what_is_not_urgent_waits_first(accounts, refused, now):
    listed(*accounts)
    message = refused()

    work(now)
    assert not message.followers.exists()
    assert QueueEntry.objects.get().due_at == now + timedelta(minutes=5)

    work(now + timedelta(minutes=5))
    assert message.followers.get().account == accounts[1]


def test_each_route_is_tried_once(accounts, refused, now):
    listed(*accounts)
    refused(priority="urgent")

    work(now, refusal(NO_ACCESS))

    assert sorted(Message.objects.values_list("account__name", flat=True)) == ["Primary", "Second"]
    assert QueueEntry.objects.get().queue == "review"


@pytest.mark.parametrize("code", ["30007", "21610", "30005"], ids=["content", "opt-out", "person"])
def test_what_is_about_the_content_or_the_person_goes_by_no_other_route(refused, code, now):
    accounts = factories.account("twilio"), factories.account("twilio")
    listed(*accounts)
    message = refused(code, accounts[0], priority="urgent", playbook=factories.playbook(urgent_switch_to=[]))

    work(now + timedelta(hours=1))

    message.refresh_from_db()
    assert message.reason_code == code
    assert not message.followers.exists()


def test_whoever_opted_out_meanwhile_gets_no_second_try(accounts, refused, now):
    listed(*accounts)
    message = refused(priority="urgent")
    consent(message.contact, "sms", at=now, opted_in=False)

    work(now)

    assert not message.followers.exists()


def test_without_a_list_it_waits_for_a_person(accounts, refused, now):
    message = refused(priority="urgent")

    work(now)

    assert (QueueEntry.objects.get().queue, message.followers.count()) == ("review", 0)


# ---- What an administrator enters -----------------------------------------------------------------------------


@pytest.mark.parametrize(("region", "country"), [("US-TX", "US"), ("GB", "GB"), ("", "")])
def test_the_country_of_a_region(region, country):
    assert country_of(region) == country


@pytest.mark.parametrize(
    ("field", "fields", "says"),
    [
        ("sender", {"sender": {"channel": "email"}}, "This sender is for Email: choose one for SMS."),
        ("sender", {"sender": {"state": "suspended"}}, "is suspended: choose one that is approved"),
        ("account", {"account": {"channels": ["email"]}}, "does not send SMS: choose another, or add the channel"),
        ("account", {"account": {"provider": "twilio", "credentials": {}}}, "lacks"),
        ("country", {"country": "usa"}, "Two capital letters"),
    ],
)  # fmt: skip
def test_what_could_not_send_is_refused_with_the_way_out(field, fields, says):
    made = {
        "channel": "sms",
        "account": factories.account(**fields.get("account", {})),
        "sender": factories.sender(**fields["sender"]) if "sender" in fields else None,
        "country": fields.get("country", ""),
    }

    with pytest.raises(ValidationError) as problem:
        Route(**made).full_clean()

    assert list(problem.value.message_dict) == [field]
    assert says in str(problem.value)
