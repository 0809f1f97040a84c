"""The rows on the screen as CSV: same filter, same order, streamed."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from contacts.channels import Channel
from contacts.phones import concealed
from deliveries.models import Message, QueueEntry, StatusEvent
from deliveries.reporting.filters import View, entries
from deliveries.reporting.outcomes import ENTRY_LINKS, MESSAGE_LINKS, Row, messages_of, rows
from deliveries.statuses import Disposition, Status

COLUMNS = (
    "message", "contact_id", "contact", "address", "campaign", "channel", "result", "status", "status_in_words",
    "native_status", "native_code", "native_text", "what_happened", "next_step", "carrier", "list_source", "attempt",
    "queue", "owner", "snoozed_until_utc", "created_utc", "delivered_utc", "updated_utc", "updated_local",
)  # fmt: skip
CHUNK = 1_000
# A spreadsheet runs what starts with one of these as a formula; the quote makes it text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Echo:
    """What csv.writer needs of a file: each line is handed straight back."""

    def write(self, line: str) -> str:
        return line


def lines(view: View, now: datetime, *, full: bool = False) -> Iterator[str]:
    """CSV lines of every row of `view`, header first. Raises BadFilter before the first line.

    Addresses are masked, and unless `full` those in the providers' sentences are too.
    """
    found = _messages(view, now)
    return _written(found, now, full=full)


def _written(found: Iterator[Message | QueueEntry], now: datetime, *, full: bool) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(COLUMNS)
    while chunk := list(islice(found, CHUNK)):
        told = _events(chunk)
        for row in rows(chunk, now):
            yield writer.writerow([safe(cell) for cell in _cells(row, told.get(row.message.pk), full=full)])


def _messages(view: View, now: datetime) -> Iterator[Message | QueueEntry]:
    if view.queue:
        found = entries(view, now).select_related(*ENTRY_LINKS).order_by("-at", "-message_id")
        return found.iterator(chunk_size=CHUNK)
    return messages_of(view, now).select_related(*MESSAGE_LINKS).order_by("-id").iterator(chunk_size=CHUNK)


def _events(chunk: list[Message | QueueEntry]) -> dict[int, StatusEvent]:
    """Message id -> the event it shows: the one with the greatest standing."""
    events = StatusEvent.objects.filter(message_id__in=[one.pk for one in chunk]).order_by("standing")
    return {event.message_id: event for event in events}


def _cells(row: Row, event: StatusEvent | None, *, full: bool) -> list[Any]:
    message = row.message
    told = event.native_text if event else ""
    sentence = told if full else concealed(told)
    result = Disposition(message.disposition).label if message.disposition else "Withdrawn"
    return [
        message.uuid, message.contact_id, row.name, row.address, message.campaign.name,
        Channel(message.channel).label, result, Status(message.status).label, row.label,
        event.native_status if event else "", (event.native_code if event else "") or message.reason_code,
        sentence, row.what, row.next_step, message.carrier, row.source, message.attempt,
        row.queue, row.owner.display_name if row.owner else "", utc(row.asleep_until),
        utc(message.created_at), utc(message.delivered_at), utc(row.at), local(row.at),
    ]  # fmt: skip


def safe(cell: Any) -> str:
    """`cell` as text that no spreadsheet runs."""
    text = str(cell)
    return f"'{text}" if text.startswith(FORMULA) else text


def utc(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""


def local(moment: datetime, zone: ZoneInfo | None = None) -> str:
    """`moment` where the reader is, with the zone's name."""
    return timezone.localtime(moment, zone).strftime("%Y-%m-%d %H:%M:%S %Z")
