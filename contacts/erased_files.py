"""Lines of uploaded files about people who were erased: hidden at once, emptied by the worker within a day.

A file is kept in compressed parts, and only reading all of them shows in which somebody stands: minutes for millions of
lines, which no request can wait for. So an erasure leaves behind by what their lines are known, as keyed hashes of
which no address can be read (`erased_traits`). Until every part was emptied, whoever reads one gets it without their
lines, an import that is under way as well: it makes nobody anew. What such a line says no to is recorded all the same.

A name alone may be somebody else's, who would be left out. So of a part that is not imported yet those lines are only
noted, and emptied if the import refuses them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Count, F, Max, QuerySet

from contacts.erased_traits import ErasedTraits, traits_of
from contacts.import_opt_outs import record_opt_outs_of_erased
from contacts.models import Address, Contact, ContactImport, FileErasure, FileRow, ImportChunk
from contacts.models.imports import pack

GONE = "Erased."
WITHIN = timedelta(days=1)  # what a person is promised; the worker takes minutes
STEP_SECONDS = 2.0
_State = ContactImport.State
_WAITING = (_State.READING, _State.DRAFT, _State.RUNNING)  # what their lines say is still to be recorded


def note(contact: Contact, theirs: Sequence[Address], now: datetime) -> None:
    """Have their lines emptied in every file that is here. `theirs`: their addresses, as they are until now."""
    found = ImportChunk.objects.aggregate(last=Max("pk"), parts=Count("pk"))
    if found["parts"]:
        FileErasure.objects.create(
            contact_number=contact.pk,
            at=now,
            last_part=found["last"],
            parts=found["parts"],
            **traits_of(contact, theirs),
        )


class VisiblePart(NamedTuple):
    """The lines of a part, those of the erased empty; and these as they were uploaded."""

    rows: list[FileRow]
    hidden: list[FileRow]


def part_of(chunk: ImportChunk) -> VisiblePart:
    rows = chunk.rows()
    lines = _lines_in(chunk, rows, list(_waiting_for(chunk.pk)))
    return VisiblePart(emptied(rows, lines), [row for row in rows if row.line in lines])


def imported_parts(one: ContactImport) -> Iterator[tuple[list[FileRow], list[list[Any]]]]:
    """The refused lines with the reasons, part by part, each as it is when it comes to it."""
    imported = one.chunks.filter(is_done=True)
    for pk in list(imported.order_by("number").values_list("pk", flat=True)):
        waiting = list(_waiting_for(pk))  # before it is read: what is done by then is done in what is read
        chunk = imported.filter(pk=pk).first()
        if chunk is not None:
            rows = chunk.rows()
            lines = _lines_in(chunk, rows, waiting)
            yield emptied(rows, lines), without_cells(chunk.reasons(), lines)


def namesakes(chunk: ImportChunk) -> set[int]:
    """Lines that are emptied if they are refused, of a part that is not imported yet."""
    return {reason[0] for reason in chunk.reasons()}


def run(now: datetime) -> int:
    """Go on, as long as the time of a step allows; return how many parts were looked at."""
    done, ends = 0, time.monotonic() + STEP_SECONDS
    while time.monotonic() < ends and (looked := _go_on(now)) is not None:
        done += looked
    return done


def late(now: datetime) -> bool:
    """Whether a promise was broken: an erasure that is not through after `WITHIN`."""
    return _open().filter(at__lt=now - WITHIN).exists()


def _open() -> QuerySet[FileErasure]:
    return FileErasure.objects.filter(finished_at=None).order_by("at", "pk")


def _waiting_for(part: int) -> QuerySet[FileErasure]:
    """The erasures that have not come to this part yet."""
    return _open().filter(looked_to__lt=part, last_part__gte=part)


@transaction.atomic
def _go_on(now: datetime) -> int | None:
    """One part, for the oldest erasure and all that stand where it does; None where none is left, or another process is
    at it. Those that came later begin together when it is through: two rounds at most, however many come."""
    skip = connection.features.has_select_for_update
    erasures = _open().select_for_update(skip_locked=skip)
    first = erasures.first()
    if first is None:
        return None
    chunks = ImportChunk.objects.filter(pk__gt=first.looked_to, pk__lte=first.last_part).order_by("pk")
    part = chunks.values("pk", "contact_import_id").first()
    if part is None:
        FileErasure.objects.filter(pk=first.pk).update(
            finished_at=now, emails=[], numbers=[], ids=[], names=[], looked=F("parts")
        )
        return 0
    together = list(
        erasures.filter(looked_to__gte=first.looked_to, looked_to__lt=part["pk"], last_part__gte=part["pk"])
    )
    # The import first, as it is locked while it writes a part.
    whole = ContactImport.objects.select_for_update().filter(pk=part["contact_import_id"]).first()
    chunk = chunks.filter(pk=part["pk"]).first()
    if whole is None or chunk is None:
        return 0  # deleted just now
    _empty(whole, chunk, together, now)
    reached = FileErasure.objects.filter(pk__in=[one.pk for one in together])
    reached.update(looked_to=chunk.pk, looked=F("looked") + 1)
    return 1


def _empty(whole: ContactImport, chunk: ImportChunk, erasures: Sequence[FileErasure], now: datetime) -> None:
    rows = chunk.rows()
    lines, named = ErasedTraits(erasures).lines(rows)
    is_waiting = not chunk.is_done and whole.state in _WAITING
    if not is_waiting:
        lines |= named
        reasons = without_cells(chunk.reasons(), lines)
    else:
        reasons = [[line, "", "", GONE, ""] for line in sorted(namesakes(chunk) | named)]
    if not lines | named:
        return
    if is_waiting:
        hidden = [row for row in rows if row.line in lines]
        whole.opt_outs += record_opt_outs_of_erased(whole, hidden, now)
    ImportChunk.objects.filter(pk=chunk.pk).update(
        packed=pack(emptied(rows, lines)), packed_reasons=pack(reasons) if reasons else b""
    )
    whole.faults = without_quotes(whole.faults, lines)
    if "faults" in whole.preview:
        whole.preview["faults"] = without_quotes(whole.preview["faults"], lines)
    whole.save(update_fields=["faults", "preview", "opt_outs"])


# ---- A part without their lines ----------------------------------------------------------------------------------


def _lines_in(chunk: ImportChunk, rows: Sequence[FileRow], erasures: Sequence[FileErasure]) -> set[int]:
    if not erasures:
        return set()
    theirs, named = ErasedTraits(erasures).lines(rows)
    return theirs | named if chunk.is_done else theirs


def emptied(rows: Iterable[FileRow], lines: Collection[int]) -> list[FileRow]:
    return [FileRow(row.line, [""] * len(row.cells)) if row.line in lines else row for row in rows]


def without_cells(reasons: Iterable[Sequence[Any]], lines: Collection[int]) -> list[list[Any]]:
    """`ImportChunk.reasons` without what stood in these lines."""
    return [[one[0], one[1], "", GONE, ""] if one[0] in lines else list(one) for one in reasons]


def without_quotes(faults: Sequence[dict[str, Any]], lines: Collection[int]) -> list[dict[str, Any]]:
    """What a fault quotes of one of these lines goes."""
    return [
        one | {"why": re.sub(r"“[^”]*”", "“…”", one["why"])} if one.get("line") in lines else one
        for one in faults
    ]
