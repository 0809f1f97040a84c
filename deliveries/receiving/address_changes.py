"""People correct their own number or email on the page that a link of ours leads to: who sends the code, and what waits
to be sent once the new address counts."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns.models import Recipient, Sender
from contacts import changing
from contacts.channels import Channel, Kind
from contacts.models import Address
from contacts.states import SENDER_MAY_SEND
from deliveries.deciding.stopping import look_again
from deliveries.models import Account, Message
from deliveries.receiving.unsubscribing import evidence_of

ENTERED = "entered on the page"


class NoWay(Exception):
    """No account can send a code there now."""


def ask(message: Message, new: Address, now: datetime) -> bool:
    """Have a code sent to the new address of whoever got the message. False where they asked too often today.

    Raises NoWay.
    """
    way = _way(message, new.kind)
    if way is None:
        raise NoWay
    return changing.ask(message.address.contact, new, way, evidence=evidence_of(message, ENTERED), now=now)


@transaction.atomic
def confirm(message: Message, code: str, now: datetime) -> bool:
    """Whether it was the code; then what is planned for them is looked at again."""
    contact = message.address.contact
    if not changing.confirm(contact, code, now):
        return False
    look_again(Recipient.objects.filter(contact=contact, next_step_at__isnull=False), now)
    return True


def _way(message: Message, kind: str) -> changing.Way | None:
    """By the sender that they know: of this mail, or of the last text to them; else any that may send texts."""
    if kind == Kind.EMAIL:
        return changing.Way(Channel.EMAIL, message.sender.value, message.account_id)
    texts = Message.objects.filter(
        contact=message.contact_id, channel=Channel.SMS, handed_over_at__isnull=False
    )
    ready = {
        one.pk: one for one in Account.objects.filter(active=True).prefetch_related("senders") if one.is_ready
    }
    last = texts.filter(account__in=ready, sender__state__in=SENDER_MAY_SEND).select_related("sender").last()
    if last is not None:
        return changing.Way(Channel.SMS, last.sender.value, last.account_id)
    able = [one for one in ready.values() if Channel.SMS in one.channels]
    senders = list(Sender.objects.filter(channel=Channel.SMS, state__in=SENDER_MAY_SEND).order_by("pk"))
    owned = [(account, one) for account in able for one in senders if one in account.senders.all()]
    account, sender = next(iter([*owned, *((each, one) for each in able for one in senders)]), (None, None))
    return changing.Way(Channel.SMS, sender.value, account.pk) if account and sender else None
