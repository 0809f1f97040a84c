"""Outcomes in bulk for the tests of reports: a campaign, its messages, queue entries and tallies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from campaigns.models import Campaign, Recipient
from contacts.models import ContactList
from deliveries.ledger import failure_index, tallies
from deliveries.models import Message
from deliveries.statuses import Disposition, FailureClass, Fault, Queue, Status
from tests import factories

QUEUE_OF = {
    Disposition.PENDING_RETRY: Queue.RETRY,
    Disposition.BOUNCED_HARD: Queue.CORRECT,
    Disposition.BLOCKED_COMPLIANCE: Queue.REVIEW,
    Disposition.OPTOUT: Queue.SUPPRESS,
    Disposition.UNKNOWN: Queue.WATCH,
}
STATE_OF = {
    Disposition.DELIVERED: Recipient.State.REACHED,
    Disposition.PENDING: Recipient.State.OPEN,
    Disposition.UNKNOWN: Recipient.State.UNKNOWN,
}
# (status, class, fault, code): one of each bucket but unknown, which the last is.
KINDS = [
    (Status.DELIVERED, FailureClass.NONE, Fault.NONE, ""),
    (Status.UNDELIVERED, FailureClass.TEMPORARY, Fault.RECIPIENT, "30003"),
    (Status.UNDELIVERED, FailureClass.PERMANENT, Fault.RECIPIENT, "30005"),
    (Status.SENT, FailureClass.NONE, Fault.NONE, ""),
    (Status.UNDELIVERED, FailureClass.CONTENT, Fault.CONTENT, "30007"),
    (Status.OPTED_OUT, FailureClass.OPT_OUT, Fault.RECIPIENT, "21610"),
    (Status.TIMED_OUT, FailureClass.NONE, Fault.NONE, ""),
]


def campaign(
    outcomes: Iterable[int], *, lists: list[ContactList] | None = None, at: datetime | None = None, **fields
) -> Campaign:
    """A sending campaign with one message for each number in `outcomes`, an index of KINDS; tallies as they must be.

    Message i was made i minutes before `at`, to a contact of one of `lists` in turn.
    """
    fields.setdefault("state", Campaign.State.SENDING)
    made = factories.campaign(lists=lists, **fields)
    account, sender = factories.account("twilio"), factories.sender()
    at, lists = at or timezone.now(), lists or [factories.contact_list()]
    for number, kind in enumerate(outcomes):
        status, failure_class, fault, code = KINDS[kind]
        recipient = factories.recipient(made, factories.contact(lists=[lists[number % len(lists)]]))
        message = factories.message(
            recipient,
            account=account,
            sender=sender,
            status=status,
            failure_class=failure_class,
            fault=fault,
            reason_code=code,
            created_at=at - timedelta(minutes=number),
            updated_at=at - timedelta(minutes=number),
        )
        _settle(message, at - timedelta(minutes=number))
    Campaign.objects.filter(pk=made.pk).update(audience_size=number + 1, expanded_count=number + 1)
    count()
    made.refresh_from_db()
    return made


def _settle(message: Message, at: datetime) -> None:
    state = STATE_OF.get(Disposition(message.disposition), Recipient.State.FAILED)
    Recipient.objects.filter(pk=message.recipient_id).update(state=state)
    if queue := QUEUE_OF.get(Disposition(message.disposition)):
        factories.queue_entry(message, queue, at=at)


def count() -> None:
    """Make every tally, and the index of failures, say what the rows say."""
    for tally in tallies.ALL_TALLIES:
        tallies.rebuild(tally)
    with transaction.atomic():
        failure_index.repair(failure_index.differing())
