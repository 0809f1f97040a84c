"""The index of failures: messages that did not arrive, or that carry a code, in a narrow table for lists."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from deliveries.ledger.statements import chunks
from deliveries.models import FailureIndex, Message
from deliveries.statuses import REACHING, SETTLED, Disposition, Status

ARRIVED_OR_OPEN = ("", Disposition.DELIVERED, Disposition.PENDING)
IS_FAILURE = ~Q(reason_code="") | ~Q(disposition__in=ARRIVED_OR_OPEN)
DISPOSITIONS = frozenset(Disposition) - frozenset(ARRIVED_OR_OPEN)
# Words whose messages are all here, whatever the campaign's goal.
STATUSES = (SETTLED - REACHING - {Status.CANCELED}) | {Status.TIMED_OUT, Status.UNKNOWN}
COPIED = (
    "campaign_id", "contact_id", "channel", "status", "disposition", "reason_code", "carrier", "list_source_id",
)  # fmt: skip


def note(message_ids: Collection[int]) -> None:
    """Let the table say what these messages say now. Call inside a transaction.

    They stay locked, so that nothing can be written here that they no longer say.
    """
    found = Message.objects.filter(IS_FAILURE, pk__in=message_ids).only(*COPIED, "updated_at")
    failures = [of(message) for message in found.select_for_update().order_by("pk")]
    FailureIndex.objects.filter(pk__in=message_ids).delete()
    FailureIndex.objects.bulk_create(failures, batch_size=300)


def of(message: Message) -> FailureIndex:
    copied = {name: getattr(message, name) for name in COPIED}
    return FailureIndex(message_id=message.pk, at=message.updated_at, **copied)


def differing() -> set[int]:
    """The messages that the table is wrong about. Reads whole tables: for checks and repair only."""
    columns = ("pk", *COPIED)
    held = FailureIndex.objects.order_by().values_list(*columns)
    expected = Message.objects.order_by().filter(IS_FAILURE).values_list(*columns)
    return {row[0] for wrong in (held.difference(expected), expected.difference(held)) for row in wrong}


def repair(message_ids: Collection[int]) -> None:
    for chunk in chunks(message_ids):
        note(chunk)
