"""The rows that a list of outcomes shows, all of them, for a file: same filter, same order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from accounts.zones import zone_name
from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.phones import concealed
from deliveries.bulk.left_to_try import left_to_try
from deliveries.models import Message, QueueEntry, StatusEvent
from deliveries.outcomes.filter_choices import PERSON_CHOICES
from deliveries.outcomes.keyset import page
from deliveries.outcomes.narrowing import SKIPPED, OutcomeView, entries, matching
from deliveries.outcomes.rows import ENTRY_LINKS, MESSAGE_LINKS, OutcomeRow, rows
from deliveries.outcomes.skipped_people import lists_skipped, rows_of, skipped
from deliveries.reporting.spreadsheets import CHUNK, ExportTable, local, utc
from deliveries.statuses import Disposition, Status

PERSON_WORDS = dict(PERSON_CHOICES)
COLUMNS = (
    "message", "contact_id", "external_id", "contact", "address", "campaign", "channel", "result", "status",
    "status_in_words", "failure_class", "native_status", "native_code", "native_text", "what_happened", "next_step",
    "carrier", "list_source", "attempt", "segments", "queue", "owner", "snoozed_until_utc", "created_utc",
    "delivered_utc", "updated_utc", "created_local", "delivered_local", "updated_local", "time_zone",
)  # fmt: skip
# Beside these, in lists of people: where they stand, and what the screen says is left to try.
PERSON_COLUMNS = ("person", "reached_by", "reached_utc", "reached_local", "left_to_try")
SKIPPED_COLUMNS = ("contact_id", "external_id", "contact", "address", "campaign", "person", "reason", "why")


def export_table(view: OutcomeView, now: datetime, *, full: bool = False) -> ExportTable:
    """Every row of `view`. Cells are as they are: whoever writes them sees that no spreadsheet runs them.

    Addresses are masked, those in the providers' sentences too, unless `full`: the reader may see whole ones.
    """
    if lists_skipped(view):
        return ExportTable(SKIPPED_COLUMNS, _skipped(view, full=full))
    people = "person" in view.filters and not view.queue
    columns = COLUMNS + PERSON_COLUMNS if people else COLUMNS
    return ExportTable(columns, _outcomes(_messages(view, now), now, people=people, full=full))


def _outcomes(
    found: Iterator[Message | QueueEntry], now: datetime, *, people: bool, full: bool
) -> Iterator[list[Any]]:
    while chunk := list(islice(found, CHUNK)):
        events = _events(chunk)
        left = left_to_try([one for one in chunk if isinstance(one, Message)], now) if people else {}
        for row in rows(chunk, now):
            cells = _cells(row, events.get(row.message.pk), full=full)
            yield [*cells, *_person(row.message, left[row.message.pk])] if people else cells


def _person(message: Message, left: str) -> list[Any]:
    recipient = message.recipient
    by = Channel(recipient.reached_by).label if recipient.reached_by else ""
    return [PERSON_WORDS[recipient.state], by, utc(recipient.reached_at), local(recipient.reached_at), left]


def _skipped(view: OutcomeView, *, full: bool) -> Iterator[list[Any]]:
    """In the order of the screen."""
    campaign = Campaign.objects.get(pk=view.campaign_id or 0)
    found = skipped(view).only("contact_id", "skip_reason").order_by("-contact_id").iterator(chunk_size=CHUNK)
    while chunk := list(islice(found, CHUNK)):
        for row in rows_of(chunk, campaign.channel, full=full):
            one = row.contact
            cells = [one.pk, one.external_id, str(one), row.address, campaign.name, PERSON_WORDS[SKIPPED]]
            yield [*cells, row.reason, row.why.capitalize()]


def _messages(view: OutcomeView, now: datetime) -> Iterator[Message | QueueEntry]:
    if view.queue:
        found = entries(view, now).select_related(*ENTRY_LINKS).order_by("-at", "-message_id")
        yield from found.iterator(chunk_size=CHUNK)
        return
    # Page after page: a cursor of the database would hold all rows of all campaigns before the first one comes.
    messages, last = matching(view, now).select_related(*MESSAGE_LINKS), ""
    while True:
        part = page(messages, CHUNK, last)
        yield from part.rows
        last = part.after
        if not last:
            return


def _events(chunk: list[Message | QueueEntry]) -> dict[int, StatusEvent]:
    """Message id -> the event it shows: the one with the greatest precedence."""
    events = StatusEvent.objects.filter(message_id__in=[one.pk for one in chunk]).order_by("precedence")
    return {event.message_id: event for event in events}


def _cells(row: OutcomeRow, event: StatusEvent | None, *, full: bool) -> list[Any]:
    message = row.message
    native_text = event.native_text if event else ""
    sentence = native_text if full else concealed(native_text)
    result = Disposition(message.disposition).label if message.disposition else "Canceled"
    return [
        message.uuid, message.contact_id, message.contact.external_id, row.name,
        message.address.value if full else row.address, message.campaign.name,
        Channel(message.channel).label, result, Status(message.status).label, row.label, message.failure_class,
        event.native_status if event else "", (event.native_code if event else "") or message.reason_code,
        sentence, row.what, row.next_step, message.carrier, row.source, message.attempt,
        message.segments if message.channel == Channel.SMS else "",
        row.queue, row.owner.display_name if row.owner else "", utc(row.asleep_until),
        utc(message.created_at), utc(message.delivered_at), utc(row.at), local(message.created_at),
        local(message.delivered_at), local(row.at), zone_name(),
    ]  # fmt: skip
