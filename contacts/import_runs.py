"""Imports in the background: a part of a file in each transaction, everybody on the list at once in the end.

Half a million lines in one transaction would hold locks for minutes, on SQLite against every receipt. So each part is
written on its own, with what it changed (`ImportedContact`). The list, by which campaigns choose people, gets them in
one statement when all parts are done; and where a part cannot be imported, the parts before it are taken back.
"""

from __future__ import annotations

import gc
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone

from contacts import import_dates
from contacts.chunks import in_lists
from contacts.erased_files import emptied, namesakes, part_of, without_cells, without_quotes
from contacts.import_columns import ReadLine
from contacts.import_opt_outs import record_file_opt_outs, record_opt_outs_of_erased
from contacts.import_options import ImportOptions, LineReader
from contacts.import_plan import EarlierLine, ImportPlan, ImportResult, PlannedPerson, PlanOptions
from contacts.import_undo import take_back
from contacts.importing import MANY, count_rows, list_to_fill
from contacts.lists import count_at_once
from contacts.models import ContactImport, ImportChunk, ImportedContact
from contacts.models.imports import UNDER_WAY, pack
from contacts.row_writing import insert_values
from contacts.sheet_lines import Refusal, SheetLine

logger = logging.getLogger(__name__)

State = ContactImport.State
STEP_SECONDS = 2.0
MOST_TRIES = 5  # of one part
KINDS = 40  # of faults that are told apart; the file of refused lines names each
DRAFTS_KEPT = timedelta(days=2)


def start(draft: ContactImport, now: datetime) -> bool:
    """Have the worker import it; False where somebody started it before, or it is not ready."""
    with transaction.atomic():
        mine = ContactImport.objects.filter(pk=draft.pk, state=State.DRAFT).exclude(options={})
        if not mine.update(state=State.RUNNING, started_at=now):
            return False
        draft.refresh_from_db()
        if draft.contact_list is None:
            draft.contact_list = list_to_fill(ImportOptions.of(draft).list_name)
            draft.save(update_fields=["contact_list"])
    return True


def run(now: datetime) -> int:
    """Go on with the imports under way, as long as the time of a step allows; return how many lines were done."""
    done, ends = 0, time.monotonic() + STEP_SECONDS
    for pk in (
        ContactImport.objects.filter(state__in=UNDER_WAY).order_by("started_at").values_list("pk", flat=True)
    ):
        while time.monotonic() < ends:
            part = _go_on(pk, now)
            if not part:
                break
            done += part
    return done


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without Python's search for circular garbage, a quarter of the time that a part takes: its rows make none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _go_on(pk: int, now: datetime) -> int:
    """One part of one import; 0 where nothing is left, another process is at it, or it failed."""
    try:
        with _uncollected(), transaction.atomic():
            found = ContactImport.objects.select_for_update(
                skip_locked=connection.features.has_select_for_update, of=("self",)
            )
            one = found.filter(pk=pk, state__in=UNDER_WAY).select_related("contact_list", "source").first()
            if one is None:
                return 0
            return _part(one, now) if one.state == State.RUNNING else take_back(one, now)
    except Exception as problem:
        tries = _count_try(pk)
        if isinstance(problem, OperationalError | InterfaceError) and tries < MOST_TRIES:
            raise
        logger.exception("Import %d failed, try %d", pk, tries)
    return 0


def _count_try(pk: int) -> int:
    """How often this part has failed. After the last try what was imported is taken back."""
    ContactImport.objects.filter(pk=pk, tries__lt=MOST_TRIES).update(tries=F("tries") + 1)
    one = ContactImport.objects.get(pk=pk)
    if one.tries >= MOST_TRIES and one.state == State.RUNNING:
        one.failure = (
            f"The part after line {one.done_lines + 1:,} could not be written. An administrator finds the reason in "
            "the log of the worker."
        )
        one.state, one.tries = State.FAILING, 0
        one.save(update_fields=["failure", "state", "tries"])
    return one.tries or MOST_TRIES


# ---- One part ------------------------------------------------------------------------------------------------


def _part(one: ContactImport, now: datetime) -> int:
    if not import_dates.is_settled(one):
        return import_dates.look_on(one)
    chunk = one.chunks.filter(is_done=False).order_by("number").first()
    if chunk is None:
        return _finish(one, now)
    done = import_lines(one, chunk, now)
    result = done.result
    for name in ("added", "updated", "unchanged", "consents"):
        setattr(one, name, getattr(one, name) + getattr(result, name))
    one.refused += result.refused_lines
    one.opt_outs += done.opt_outs
    one.done_lines += chunk.lines
    one.tries = 0
    empty = namesakes(chunk)
    one.faults = without_quotes(add_faults(one.faults, result), empty)
    one.save()
    refused = {each.line for each in result.refused}
    chunk.packed = pack(emptied((row for row in done.rows if row.line in refused), empty))
    chunk.packed_reasons = pack(without_cells(result.refused, empty))
    chunk.is_done = True
    chunk.save(update_fields=["packed", "packed_reasons", "is_done"])
    return chunk.lines


class PartPlan:
    """A part of a file, understood and compared with the database: the plan, its result and the lines as read."""

    def __init__(
        self, one: ContactImport, chunk: ImportChunk, now: datetime, *, most: int | None = None
    ) -> None:
        self.one = one
        options = ImportOptions.of(one)
        reader = LineReader(one.titles, options, now)
        rows, self.hidden = part_of(chunk)
        self.rows = rows = rows[:most]
        self.result = ImportResult(lines=len(rows))
        self.read: list[ReadLine] = [reader.read(row) for row in rows]
        lines: list[SheetLine] = []
        for read in self.read:
            found = reader.understand(read)
            if isinstance(found, SheetLine):
                lines.append(found)
            else:
                self.result.refused += found
        self.lines = lines
        self.region = options.region
        plan_options = PlanOptions(
            fill_in=options.fill_in,
            source=one.source,
            brought_by=one,
            join=False,
            name=f"Import {one.pk}",
            wording=options.wording,
            earlier=_earlier(one),
        )
        into = one.contact_list or options.list_name
        self.plan = ImportPlan(lines, into, self.result, now, one.created_by, plan_options)
        self.result.refused.sort(key=lambda each: each.line)
        self.opt_outs = 0


def import_lines(one: ContactImport, chunk: ImportChunk, now: datetime) -> PartPlan:
    """Write a part, in the caller's transaction."""
    part = PartPlan(one, chunk, now)
    assert one.contact_list is not None
    part.plan.write(one.contact_list)
    at = timezone.now()
    insert_values(ImportedContact, _KEPT, (_row(one, person, at) for person in part.plan.people))
    part.opt_outs = record_opt_outs_of_erased(one, part.hidden, now)
    part.opt_outs += record_file_opt_outs(one, part.read, part.region, now)
    return part


def _earlier(one: ContactImport) -> Callable[[Collection[int]], dict[int, EarlierLine]]:
    def find(contact_ids: Collection[int]) -> dict[int, EarlierLine]:
        found: dict[int, EarlierLine] = {}
        for ids in in_lists(contact_ids):
            rows = ImportedContact.objects.filter(contact_import=one, contact__in=ids)
            for pk, line, added in rows.values_list("contact_id", "line", "added"):
                found[pk] = EarlierLine(line, added)
        return found

    return find


_KEPT = ("contact_import_id", "contact_id", "line", "added", "joins", "before", "at", "kept")


def _row(one: ContactImport, person: PlannedPerson, at: datetime) -> tuple[Any, ...]:
    """The values of `_KEPT`."""
    before: dict[str, Any] = {
        "fields": {} if person.added else person.fields,
        "addresses": [each.pk for each in person.addresses],
        "replaced": person.replaced,
        "consents": [each.pk for each in person.consents],
    }
    changed = {name: value for name, value in before.items() if value}
    return one.pk, person.contact.pk, person.line, person.added, person.joins, changed, at, ""


# ---- Faults by kind ------------------------------------------------------------------------------------------


def add_faults(known: list[dict[str, Any]], result: ImportResult) -> list[dict[str, Any]]:
    """Faults grouped by kind, most frequent first: {"kind", "column", "why", "remedy", "count", "line", "refused"}."""
    found = {each["kind"]: dict(each) for each in known}
    for refused, faults in ((True, result.refused), (False, result.without_consent)):
        for fault in faults:
            kind = f"{refused}:{kind_of(fault)}"
            kind = kind if kind in found or len(found) < KINDS else f"{refused}:other"
            if kind not in found:
                found[kind] = _kind(kind, fault, refused=refused)
            found[kind]["count"] += 1
    return sorted(found.values(), key=lambda each: (not each["refused"], -each["count"]))


def _kind(kind: str, fault: Refusal, *, refused: bool) -> dict[str, Any]:
    other = kind.endswith(":other")
    return {
        "kind": kind,
        "column": "" if other else fault.column,
        "why": "other faults" if other else fault.why,
        "remedy": "The file of refused lines names each." if other else fault.remedy,
        "count": 0,
        "line": fault.line,
        "refused": refused,
    }


def kind_of(fault: Refusal) -> str:
    """What faults of one kind have in common: the column and the words but for numbers, dates and what is quoted."""
    return f"{fault.column}:{re.sub(r'“[^”]*”|[0-9]+( [A-Z][a-z]+ [0-9]+)?', '#', fault.why)}"


# ---- The end -------------------------------------------------------------------------------------------------

_JOIN = """
INSERT INTO contacts_listmembership (contact_list_id, contact_id, added_at)
SELECT DISTINCT %s, coalesce(c.merged_into_id, c.id), %s
FROM contacts_importedcontact i JOIN contacts_contact c ON c.id = i.contact_id
WHERE i.contact_import_id = %s AND i.joins AND c.erased_at IS NULL
ON CONFLICT DO NOTHING"""


def _finish(one: ContactImport, now: datetime) -> int:
    """Everybody comes onto the list, in the transaction that says that the import is done. Whoever was merged meanwhile
    as the one that stays, and nobody who was erased."""
    with connection.cursor() as cursor:
        cursor.execute(_JOIN, [one.contact_list_id, now, one.pk])
    one.state, one.finished_at = State.DONE, timezone.now()
    one.save(update_fields=["state", "finished_at"])
    if one.contact_list:
        count_at_once(one.contact_list, now)
    if one.added + one.updated >= MANY:
        count_rows()
    return 1


def drop_old(now: datetime) -> int:
    """Files that nobody imported; 0, for there is no hurry. Those of imports are dropped with all else that is old."""
    never = (State.DRAFT, State.READING)
    ContactImport.objects.filter(state__in=never, created_at__lt=now - DRAFTS_KEPT).delete()
    return 0


def undo_until(one: ContactImport) -> datetime:
    """As long as what undoes it is kept."""
    return one.created_at + timedelta(days=settings.IMPORT_FILE_RETENTION_DAYS)


def is_undoable(one: ContactImport, now: datetime) -> bool:
    return one.state == State.DONE and now < undo_until(one)
