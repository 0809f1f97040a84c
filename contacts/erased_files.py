"""Lines of uploaded files about people who were erased: hidden at once, emptied by the worker within a day.

A file is kept in compressed parts, and only reading all of them shows in which somebody stands: minutes for millions of
lines, which no request can wait for. So an erasure leaves behind by what their lines are known, as keyed hashes of
which no address can be read (`FileErasure`). Until every part was emptied, whoever reads one gets it without their
lines, an import that is under way as well: it makes nobody anew.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Max, QuerySet

from contacts.erased_keys import secret_key
from contacts.models import Address, Contact, ContactImport, FileErasure, FileRow, ImportChunk
from contacts.models.imports import pack

GONE = "Erased."
WITHIN = timedelta(days=1)  # what a person is promised; the worker takes minutes
STEP_SECONDS = 2.0
LAST_DIGITS = 9  # of a number, by which it is found in whatever spelling
_EMAIL = re.compile(r"[^\s<>,;:|/\\\"'()\[\]]+@[^\s<>,;:|/\\\"'()\[\]]+")


def note(contact: Contact, theirs: Sequence[Address], now: datetime) -> None:
    """Have their lines emptied in every file that is here. `theirs`: their addresses, as they are until now."""
    found = ImportChunk.objects.aggregate(last=Max("pk"), parts=Count("pk"))
    if not found["parts"]:
        return
    numbers = {one.value.lstrip("+")[-LAST_DIGITS:] for one in theirs if "@" not in one.value}
    FileErasure.objects.create(
        contact_number=contact.pk,
        at=now,
        emails=[_hash(one.value.casefold()) for one in theirs if "@" in one.value],
        numbers=[[len(number), _hash(number)] for number in sorted(numbers)],
        ids=[_hash(contact.external_id)] if contact.external_id else [],
        names=[_hash(contact.name)] if contact.name else [],
        last_part=found["last"],
        parts=found["parts"],
    )


def rows_of(chunk: ImportChunk) -> list[FileRow]:
    """The lines of a part, those of the erased empty."""
    rows = chunk.rows()
    lines = _lines_of_erased(chunk, rows)
    return _emptied(rows, lines) if lines else rows


def reasons_of(chunk: ImportChunk) -> list[list[Any]]:
    """Why lines were refused, as `ImportChunk.reasons` has it, without what the erased wrote."""
    reasons = chunk.reasons()
    lines = _lines_of_erased(chunk, chunk.rows()) if reasons else set()
    return _without_cells(reasons, lines)


def run(now: datetime) -> int:
    """Go on, as long as the time of a step allows; return how many parts were looked at."""
    done, ends = 0, time.monotonic() + STEP_SECONDS
    for pk in list(_open().values_list("pk", flat=True)):
        while time.monotonic() < ends and _go_on(pk, now):
            done += 1
    return done


def late(now: datetime) -> bool:
    """Whether a promise was broken: an erasure that is not through after `WITHIN`."""
    return _open().filter(at__lt=now - WITHIN).exists()


def _open() -> QuerySet[FileErasure]:
    return FileErasure.objects.filter(finished_at=None).order_by("at", "pk")


@transaction.atomic
def _go_on(pk: int, now: datetime) -> bool:
    """One part; False where none is left, or another process is at it."""
    skip = connection.features.has_select_for_update
    one = FileErasure.objects.select_for_update(skip_locked=skip).filter(pk=pk, finished_at=None).first()
    if one is None:
        return False
    chunks = ImportChunk.objects.filter(pk__gt=one.looked_to, pk__lte=one.last_part).order_by("pk")
    of = chunks.values_list("contact_import_id", flat=True).first()
    if of is None:
        FileErasure.objects.filter(pk=pk).update(
            finished_at=now, emails=[], numbers=[], ids=[], names=[], looked=F("parts")
        )
        return False
    # The import first, as it is locked while it writes a part.
    whole = ContactImport.objects.select_for_update().filter(pk=of).first()
    chunk = chunks.first()
    if whole is None or chunk is None:
        return True  # deleted just now
    _empty(whole, chunk, one)
    FileErasure.objects.filter(pk=pk).update(looked_to=chunk.pk, looked=F("looked") + 1)
    return True


def _empty(whole: ContactImport, chunk: ImportChunk, erasure: FileErasure) -> None:
    rows = chunk.rows()
    lines = _lines_in(chunk, rows, [erasure])
    if not lines:
        return
    reasons = _without_cells(chunk.reasons(), lines)
    ImportChunk.objects.filter(pk=chunk.pk).update(
        packed=pack(_emptied(rows, lines)), packed_reasons=pack(reasons) if reasons else b""
    )
    whole.faults = _without_quotes(whole.faults, lines)
    if "faults" in whole.preview:
        whole.preview["faults"] = _without_quotes(whole.preview["faults"], lines)
    whole.save(update_fields=["faults", "preview"])


# ---- Which lines are theirs --------------------------------------------------------------------------------------


def _lines_of_erased(chunk: ImportChunk, rows: Sequence[FileRow]) -> set[int]:
    """By the erasures that have not come to this part yet."""
    waiting = _open().filter(looked_to__lt=chunk.pk, last_part__gte=chunk.pk)
    return _lines_in(chunk, rows, list(waiting))


def _lines_in(chunk: ImportChunk, rows: Sequence[FileRow], erasures: Sequence[FileErasure]) -> set[int]:
    if not erasures:
        return set()
    # A name alone may be somebody else's, who would be left out.
    theirs = _Traits(erasures, by_name=chunk.is_done)
    return {row.line for row in rows if any(map(theirs.are_in, row.cells))}


class _Traits:
    """By what the lines of erased people are known, by every key there was."""

    def __init__(self, erasures: Iterable[FileErasure], *, by_name: bool) -> None:
        self.words: set[str] = set()
        self.emails: set[str] = set()
        self.numbers: set[str] = set()
        self.lengths: set[int] = set()
        for one in erasures:
            self.words |= {*one.ids, *(one.names if by_name else ())}
            self.emails |= set(one.emails)
            for length, number in one.numbers:
                self.numbers.add(number)
                self.lengths.add(length)

    @cached_property
    def secrets(self) -> list[str]:
        return [settings.CREDENTIALS_KEY, *settings.FORMER_CREDENTIALS_KEYS]

    def are_in(self, cell: object) -> bool:
        text = str(cell).strip()
        if not text:
            return False
        if self.words and self._known(text, self.words):
            return True
        if self.emails and "@" in text:
            found = _EMAIL.findall(text.casefold())
            if any(self._known(one.strip("."), self.emails) for one in found):
                return True
        digits = re.sub(r"\D", "", text)
        return any(
            self._known(digits[at : at + length], self.numbers)
            for length in self.lengths
            for at in range(len(digits) - length + 1)
        )

    def _known(self, text: str, among: Collection[str]) -> bool:
        return any(_hash(text, secret) in among for secret in self.secrets)


def _hash(text: str, secret: str = "") -> str:
    return hmac.digest(secret_key(secret or settings.CREDENTIALS_KEY), text.encode(), "sha256").hex()[:32]


def _emptied(rows: Sequence[FileRow], lines: Collection[int]) -> list[FileRow]:
    return [FileRow(row.line, [""] * len(row.cells)) if row.line in lines else row for row in rows]


def _without_cells(reasons: list[list[Any]], lines: Collection[int]) -> list[list[Any]]:
    return [[one[0], one[1], "", GONE, ""] if one[0] in lines else one for one in reasons]


def _without_quotes(faults: Sequence[dict[str, Any]], lines: Collection[int]) -> list[dict[str, Any]]:
    """What a fault quotes of one of these lines goes."""
    return [
        one | {"why": re.sub(r"“[^”]*”", "“…”", one["why"])} if one.get("line") in lines else one
        for one in faults
    ]
