"""People correct their own number or email on the page that a link of ours leads to: who sends the code, and what waits
to be sent once the new address counts."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from campaigns.models import Recipient, Sender
from contacts import changing
from contacts.channels import Channel, Kind
from contacts.models import Address, AutomaticAnswer
from contacts.states import SENDER_MAY_SEND
from contacts.verifying import question_of
from deliveries.deciding.stopping import look_again
from deliveries.models import Account, Message
from deliveries.receiving.unsubscribing import evidence_of, message_of

ENTERED = "entered on the page"


class NoWay(Exception):
    """No account can send a code there now."""


Sent = Message | AutomaticAnswer


def sent_with(ref: str) -> Sent | None:
    """The message, or the question about an address, that a link stood in; None for one that is gone."""
    return message_of(ref) or question_of(ref)


def ask(message: Sent, new: Address, now: datetime) -> bool:
    """Have a code sent to the new address of whoever got the message. False where they asked too often today.

    Raises NoWay.
    """
    way = _way(message, new.kind)
    if way is None or message.address is None:
        raise NoWay
    if isinstance(message, Message):
        evidence = evidence_of(message, ENTERED)
    else:
        evidence = f"Link in question {message.pk}, {ENTERED}"
    return changing.ask(message.address.contact, new, way, evidence=evidence, now=now)


@transaction.atomic
def confirm(message: Sent, code: str, now: datetime) -> bool:
    """Whether it was the code; then what is planned for them, and what waits to be corrected, is looked at again."""
    contact = message.address.contact if message.address else None
    if contact is None or not changing.confirm(contact, code, now):
        return False
    waits = Q(next_step_at__isnull=False) | Q(messages__queue_entry__isnull=False)
    look_again(Recipient.objects.filter(waits, contact=contact), now)
    return True


def _way(sent: Sent, kind: str) -> changing.Way | None:
    """By the sender that they know: of this mail, or of the last message to them; else any that may send such."""
    channel = Channel.EMAIL if kind == Kind.EMAIL else Channel.SMS
    if sent.channel == Channel.EMAIL == channel:
        return changing.Way(channel, _sender_value(sent), sent.account_id)
    contact = sent.address.contact_id if sent.address else None
    before = Message.objects.filter(contact=contact, channel=channel, handed_over_at__isnull=False)
    ready = {
        one.pk: one for one in Account.objects.filter(active=True).prefetch_related("senders") if one.is_ready
    }
    last = before.filter(account__in=ready, sender__state__in=SENDER_MAY_SEND).select_related("sender").last()
    if last is not None:
        return changing.Way(channel, last.sender.value, last.account_id)
    return any_way(channel)


def any_way(channel: Channel) -> changing.Way | None:
    """By whichever sender and account can send there now."""
    accounts = Account.objects.filter(active=True).prefetch_related("senders").order_by("pk")
    able = [one for one in accounts if one.is_ready and channel in one.channels]
    senders = list(Sender.objects.filter(channel=channel, state__in=SENDER_MAY_SEND).order_by("pk"))
    owned = [(account, one) for account in able for one in senders if one in account.senders.all()]
    account, sender = next(iter([*owned, *((each, one) for each in able for one in senders)]), (None, None))
    return changing.Way(channel, sender.value, account.pk) if account and sender else None


def _sender_value(sent: Sent) -> str:
    return sent.sender.value if isinstance(sent, Message) else sent.sender_value
