"""The rows on the screen as CSV: same filter, same order, streamed."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.text import slugify

from accounts.zones import zone_name
from campaigns.models import Campaign
from contacts.channels import Channel
from contacts.phones import concealed
from dashboard.shell.pages import may_see, who
from deliveries.bulk.left_to_try import left_to_try
from deliveries.models import Message, QueueEntry, StatusEvent
from deliveries.outcomes.filter_choices import PERSON_CHOICES
from deliveries.outcomes.filters import filter_of
from deliveries.outcomes.narrowing import SKIPPED, OutcomeView, entries, matching
from deliveries.outcomes.rows import ENTRY_LINKS, MESSAGE_LINKS, OutcomeRow, rows
from deliveries.outcomes.saved_views import in_words
from deliveries.outcomes.skipped_people import lists_skipped, rows_of, skipped
from deliveries.statuses import Disposition, Status

PERSON_WORDS = dict(PERSON_CHOICES)
logger = logging.getLogger(__name__)

COLUMNS = (
    "message", "contact_id", "external_id", "contact", "address", "campaign", "channel", "result", "status",
    "status_in_words", "failure_class", "native_status", "native_code", "native_text", "what_happened", "next_step",
    "carrier", "list_source", "attempt", "segments", "queue", "owner", "snoozed_until_utc", "created_utc",
    "delivered_utc", "updated_utc", "created_local", "delivered_local", "updated_local", "time_zone",
)  # fmt: skip
# Beside these, in lists of people: where they stand, and what the screen says is left to try.
PERSON_COLUMNS = ("person", "reached_by", "reached_utc", "reached_local", "left_to_try")
SKIPPED_COLUMNS = ("contact_id", "external_id", "contact", "address", "campaign", "person", "reason", "why")
CHUNK = 1_000  # rows whose events are read at a time: a few hundred kilobytes in memory
BOM = "\ufeff"  # without it Excel takes UTF-8 for the code page of its country
LONGEST_NAME = 80  # of what a file name says about the filter
# A spreadsheet runs what starts so as a formula, some of them after blanks and quotes, or in full width. One that takes
# another sign than the comma to part cells sees starts inside of ours as well.
FORMULA = re.compile(r"""(^|\r\n|[;|\t\r\n])(?=[\s"']*[=+\-@＝＋－＠])|^(?=[\t\r\n])""")
NUMBER = re.compile(r"-?[0-9]+(?:[.,][0-9]+)?")


class Echo:
    """What csv.writer needs of a file: each line is handed straight back."""

    def write(self, line: str) -> str:
        return line


def csv_of(request: HttpRequest, campaign_id: int | None, queue: str, name: str) -> HttpResponseBase:
    """The rows of that list, narrowed by the query string, as a file called by `name`. A bad filter is a 422 in words.

    `campaign_id` and `queue` as in an OutcomeView.
    """
    form = filter_of(campaign_id, queue, request.GET.dict(), me=who(request).pk)
    if not form.is_valid():
        words = "\n".join(f"{form.fields[field].label}: {errors[0]}" for field, errors in form.errors.items())
        return HttpResponse(words, status=422, content_type="text/plain; charset=utf-8")
    now, full = timezone.now(), may_see(request)
    view = form.view(campaign_id, queue)
    # A warning, so that it is on record at the level logs are usually kept at.
    logger.warning("%s exports %s, queue %s: %s", request.user, name, queue or "all", in_words(form))
    answer = StreamingHttpResponse(lines(view, now, full=full), content_type="text/csv; charset=utf-8")
    named = file_name(name, queue or "all", form.file_words(), now=now)
    answer["Content-Disposition"] = f'attachment; filename="{named}"'
    answer["Cache-Control"] = "no-store"
    return answer


def lines(view: OutcomeView, now: datetime, *, full: bool = False) -> Iterator[str]:
    """CSV lines of every row of `view`, header first.

    Addresses are masked, those in the providers' sentences too, unless `full`: the reader may see whole ones.
    """
    if lists_skipped(view):
        return _skipped(view, full=full)
    people = "person" in view.filters and not view.queue
    return _written(_messages(view, now), now, people=people, full=full)


def _written(
    found: Iterator[Message | QueueEntry], now: datetime, *, people: bool = False, full: bool
) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield BOM + writer.writerow(COLUMNS + PERSON_COLUMNS if people else COLUMNS)
    while chunk := list(islice(found, CHUNK)):
        events = _events(chunk)
        left = left_to_try([one for one in chunk if isinstance(one, Message)], now) if people else {}
        for row in rows(chunk, now):
            cells = _cells(row, events.get(row.message.pk), full=full)
            if people:
                cells += _person(row.message, left[row.message.pk])
            yield writer.writerow([safe(cell) for cell in cells])


def _person(message: Message, left: str) -> list[Any]:
    recipient = message.recipient
    by = Channel(recipient.reached_by).label if recipient.reached_by else ""
    return [PERSON_WORDS[recipient.state], by, utc(recipient.reached_at), local(recipient.reached_at), left]


def _skipped(view: OutcomeView, *, full: bool) -> Iterator[str]:
    """In the order of the screen."""
    writer = csv.writer(Echo())
    yield BOM + writer.writerow(SKIPPED_COLUMNS)
    campaign = Campaign.objects.get(pk=view.campaign_id or 0)
    found = skipped(view).only("contact_id", "skip_reason").order_by("-contact_id").iterator(chunk_size=CHUNK)
    while chunk := list(islice(found, CHUNK)):
        for row in rows_of(chunk, campaign.channel, full=full):
            one = row.contact
            cells = [one.pk, one.external_id, str(one), row.address, campaign.name, PERSON_WORDS[SKIPPED]]
            yield writer.writerow([safe(cell) for cell in [*cells, row.reason, row.why.capitalize()]])


def _messages(view: OutcomeView, now: datetime) -> Iterator[Message | QueueEntry]:
    if view.queue:
        found = entries(view, now).select_related(*ENTRY_LINKS).order_by("-at", "-message_id")
        return found.iterator(chunk_size=CHUNK)
    return matching(view, now).select_related(*MESSAGE_LINKS).order_by("-id").iterator(chunk_size=CHUNK)


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


def safe(cell: Any) -> str:
    """`cell` as text that no spreadsheet runs: an apostrophe stands before what would be a formula.

    Numbers stay numbers. A phone number gets the apostrophe too, or its plus would be lost.
    """
    text = str(cell)
    return text if NUMBER.fullmatch(text) else FORMULA.sub(r"\1'", text)


def utc(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""


def local(moment: datetime | None) -> str:
    """`moment` by the reader's clock, as spreadsheets read it; `time_zone` beside it says which clock that is."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}" if moment else ""


def file_name(*parts: str, now: datetime) -> str:
    """What is in the file and when it was made, in letters that every system takes."""
    words = [slugify(part)[:LONGEST_NAME].strip("-") for part in parts]
    return "-".join(["waybill", *filter(None, words), f"{timezone.localtime(now):%Y%m%d-%H%M}"]) + ".csv"
