"""What the tests of the engine share: a provider that answers as told, receipts in one line, and the books."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from campaigns.models import Campaign, Recipient
from contacts.channels import KIND_OF, Channel, Kind
from contacts.models import Address, Consent, Contact
from deliveries.deciding.followup import follow_due, follow_status_changes
from deliveries.ledger import tallies
from deliveries.ledger.events import apply, event
from deliveries.models import Account, Message, Outbox
from deliveries.providers.facts import SendResult
from deliveries.sending.dispatch import dispatch
from deliveries.sending.transport import Answered, Transport
from deliveries.statuses import Evidence, FailureClass, Fault, Meaning, Status
from tests import factories

TAKEN = SendResult(True, provider_message_id="id")
ABSENT = Meaning(Status.UNDELIVERED, FailureClass.TEMPORARY, Fault.RECIPIENT)
DEAD = Meaning(Status.UNDELIVERED, FailureClass.PERMANENT, Fault.RECIPIENT)
SPAM = Meaning(Status.BLOCKED, FailureClass.CONTENT, Fault.CONTENT)
SENT = Meaning(Status.SENT)
DELAYED = Meaning(Status.DELAYED, FailureClass.TEMPORARY, Fault.CARRIER)
DELIVERED = Meaning(Status.DELIVERED)

Told = SendResult | None | Callable[[Message], SendResult | None]


class Fake(Transport):
    """Answers as told: one answer for all, or one for each message; `found` to look-ups. Remembers what left, and what
    was asked about."""

    def __init__(self, answer: Told = TAKEN, found: Told = None, during: Callable = lambda: None) -> None:
        super().__init__()
        self.answer, self.found, self.during = answer, found, during
        self.left: list = []
        self.asked: list = []

    def hand_over(self, claimed):
        for each in claimed:
            (self.asked if each.began else self.left).append(each.outgoing)
        if claimed:
            self.during()
        return [
            Answered(each, self.answer_of(each, self.found if each.began else self.answer))
            for each in claimed
        ]

    def answer_of(self, claimed, answer_given):
        answer = answer_given(claimed.message) if callable(answer_given) else answer_given
        if answer and answer.accepted:
            return SendResult(True, provider_message_id=f"{answer.provider_message_id}-{claimed.message.pk}")
        return answer


def sending(*channels: str, **fields) -> Campaign:
    """A campaign that is being sent, with content for these channels; the first is its own."""
    channels = channels or (Channel.SMS,)
    fields.setdefault("state", Campaign.State.SENDING)
    made = factories.campaign(channel=channels[0], **fields)
    for channel in channels:
        factories.content(made, channel)
    return made


def person(*channels: str, at: datetime, **fields) -> Contact:
    """Somebody with an address and consent for these channels since nine days."""
    made = factories.contact(**fields)
    kinds = {KIND_OF[Channel(channel)] for channel in channels}
    for kind in sorted(kinds):
        (factories.phone if kind == Kind.PHONE else factories.email)(made)
    consent(made, *channels, at=at - timedelta(days=9))
    return made


def consent(contact: Contact, *channels: str, at: datetime, opted_in: bool = True) -> None:
    for channel in channels:
        Consent.objects.create(contact=contact, channel=channel, opted_in=opted_in, at=at, how="Form")


def waiting(
    campaign: Campaign, account: Account, now: datetime, contact: Contact | None = None, **fields
) -> Message:
    """A first message that waits for its handover, the tallies in order."""
    contact = contact or person(campaign.channel, at=now)
    recipient = factories.recipient(campaign, contact, state=Recipient.State.PLANNED, next_step="wait")
    if "address" not in fields:
        fields["address"] = Address.objects.get(contact=contact, kind=KIND_OF[Channel(campaign.channel)])
    made = factories.message(
        recipient, status=Status.QUEUED, account=account, precedence=0, evidence=Evidence.CLOCK,
        sender=campaign.contents.get(channel=campaign.channel).sender, created_at=now, **fields,
    )  # fmt: skip
    Outbox.objects.create(
        message=made,
        campaign_id=campaign.pk,
        account_id=made.account_id,
        sender_id=made.sender_id,
        due_at=made.due_at,
    )
    rebuild()
    return made


def report(message: Message, meaning: Meaning, at: datetime, code: str = "") -> None:
    """A receipt about `message`, recorded but not decided upon yet."""
    with transaction.atomic():
        apply([event(message.pk, message.goal, meaning, at=at, native=(meaning.status, code, ""))], at)


def work(now: datetime, transport: Transport | None = None) -> None:
    """Decide and send until nothing is left to do at `now`. Fails when that never comes."""
    transport = transport or Fake()
    for _ in range(20):
        if not follow_status_changes(now) + follow_due(now) + dispatch(now, transport).looked_at:
            return
    raise AssertionError("There is always something more to do.")


def rebuild() -> None:
    """Count the rows that a test made by hand."""
    tallies.fold_all()
    for tally in tallies.ALL_TALLIES:
        tallies.rebuild(tally)


def agree() -> bool:
    """Whether every tally equals its rows."""
    tallies.fold_all()
    wrong = {tally.__name__: found for tally in tallies.ALL_TALLIES if (found := tallies.differences(tally))}
    assert not wrong, wrong
    return True
