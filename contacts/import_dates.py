"""In which order the dates of an uploaded file are written: guessed from its first lines, decided by all of them.

Whoever chooses the columns waits for the guess, so that looks at a few parts of the file. The worker looks at all of
them, a part at a time, before it imports the first.
"""

from __future__ import annotations

from django.utils import timezone

from contacts.dates import DateOrder, combined
from contacts.headers import UnreadableFile
from contacts.import_options import ImportOptions, date_order_of, day_first_by
from contacts.models import ContactImport, ImportChunk

GUESSED_FROM = 3  # parts


def guess(draft: ContactImport, options: ImportOptions) -> bool:
    """Whether the dates seem to begin with the day. Raises UnreadableFile where the first lines leave it open."""
    if not _asks(options):
        return options.dates == "day-first"
    order = DateOrder()
    for chunk in draft.chunks.order_by("number")[:GUESSED_FROM]:
        order = combined(order, date_order_of(draft.titles, options, chunk.rows()))
    try:
        return day_first_by(order)
    except UnreadableFile as problem:
        raise UnreadableFile(f"{problem} Choose below how they are meant.") from None


def _asks(options: ImportOptions) -> bool:
    """Whether the file has to tell."""
    return not options.dates and "consent_at" in options.uses


def is_settled(one: ContactImport) -> bool:
    """Whether nothing is left to look at before the lines are read."""
    return bool(one.dates_seen.get("all")) or one.done_lines > 0 or not _asks(ImportOptions.of(one))


def look_on(one: ContactImport) -> int:
    """Look at the next part, in the caller's transaction; return how many lines it has. Where all of them leave the
    order open, or contradict each other, nothing is imported."""
    parts = one.dates_seen.get("parts", 0)
    order = DateOrder(*(tuple(seen) if seen else None for seen in one.dates_seen.get("order", ())))
    chunk: ImportChunk | None = one.chunks.filter(number=parts).first()
    if chunk is None:
        _settle(one, order)
        return 1
    options = ImportOptions.of(one)
    order = combined(order, date_order_of(one.titles, options, chunk.rows()))
    one.dates_seen = {"parts": parts + 1, "order": order}
    one.save(update_fields=["dates_seen"])
    return chunk.lines


def _settle(one: ContactImport, order: DateOrder) -> None:
    try:
        one.options["day_first"] = day_first_by(order)
    except UnreadableFile as problem:
        one.failure = f"{problem} Choose how they are meant."
        one.state, one.finished_at = ContactImport.State.FAILED, timezone.now()
    one.dates_seen = {"all": True}
    one.save(update_fields=["options", "failure", "state", "finished_at", "dates_seen"])
