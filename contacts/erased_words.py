"""What was written about a person who is erased, by them or by others, in the tables that nobody else has a share in.

That it was written, and when, stays. Texts of messages are none of a person's: every wording is a version of its
campaign's. What providers reported, and mails that came back, is redacted by `deliveries.deciding.erasing`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Q

from contacts.models import (
    Address,
    AutomaticAnswer,
    Consent,
    Contact,
    ContactImport,
    ImportChunk,
    ImportedContact,
    Note,
    Suppression,
    SuppressionLapse,
)
from contacts.models.imports import pack
from contacts.phones import ERASED
from contacts.suppressing import MAPPING_CORRECTED, MISTAKEN, PAUSE_OVER

GONE = "Erased."
_OURS = (MAPPING_CORRECTED, MISTAKEN, PAUSE_OVER)  # notes that no person typed begin so
State = AutomaticAnswer.State


def redact_words(contact: Contact, theirs: Sequence[Address]) -> None:
    """`theirs`: their addresses, as they are until now."""
    Note.objects.filter(contact=contact).update(text=GONE)
    Consent.objects.filter(contact=contact).exclude(evidence="").update(evidence=GONE)
    kept = ImportedContact.Kept.CHANGED
    ImportedContact.objects.filter(contact=contact).update(before={}, kept=kept)
    _redact_answers(contact, theirs)
    _redact_files(contact, theirs)
    if len(contact.name) > 2:  # the admin's own log names what was changed by what it was called
        LogEntry.objects.filter(object_repr__contains=contact.name).update(object_repr=GONE)


def _redact_answers(contact: Contact, theirs: Sequence[Address]) -> None:
    """What we answered to them, and tests that went to a colleague with their details."""
    ids = [one.pk for one in theirs]
    answers = AutomaticAnswer.objects.filter(
        Q(address__in=ids) | Q(person_id=contact.pk, kind=AutomaticAnswer.Kind.TEST)
    )
    answers.filter(state=State.WAITING).update(state=State.DROPPED, why="The person was erased.")
    answers.update(subject="", text=GONE, html="", media_url="")
    for one in theirs:
        # Not the hash: whoever was erased before may have had an answer to the same word.
        AutomaticAnswer.objects.filter(address=one).update(match_key=f"{ERASED}{one.pk}")


def redact_notes(blocks: Collection[int]) -> None:
    """What colleagues noted as they lifted these suppressions, by id, and what was noted as they were put back."""
    typed = Q()
    for start in _OURS:
        typed &= ~Q(release_note__startswith=start)
    Suppression.objects.filter(typed, pk__in=blocks).exclude(release_note="").update(release_note=GONE)
    SuppressionLapse.objects.filter(typed, suppression__in=blocks).update(release_note=GONE)


# ---- Lines of uploaded files -------------------------------------------------------------------------------------


def _redact_files(contact: Contact, theirs: Sequence[Address]) -> None:
    """Their lines are emptied in files that are still here: an import that is under way leaves them out."""
    found: dict[int, set[int]] = {}
    for chunk in ImportChunk.objects.order_by("pk").iterator(50):
        # A name alone may be somebody else's, who would be left out.
        is_theirs = _line_test(contact, theirs, by_name=chunk.is_done)
        rows = chunk.rows()
        lines = {row.line for row in rows if is_theirs(row.cells)}
        if not lines:
            continue
        found.setdefault(chunk.contact_import_id, set()).update(lines)
        emptied = [(row.line, [""] * len(row.cells) if row.line in lines else row.cells) for row in rows]
        reasons = [[one[0], one[1], "", GONE, ""] if one[0] in lines else one for one in chunk.reasons()]
        ImportChunk.objects.filter(pk=chunk.pk).update(
            packed=pack(emptied), packed_reasons=pack(reasons) if reasons else b""
        )
    for one in ContactImport.objects.filter(pk__in=found):
        one.faults = _without_quotes(one.faults, found[one.pk])
        if "faults" in one.preview:
            one.preview["faults"] = _without_quotes(one.preview["faults"], found[one.pk])
        one.save(update_fields=["faults", "preview"])


def _line_test(
    contact: Contact, theirs: Sequence[Address], *, by_name: bool
) -> Callable[[Sequence[str]], bool]:
    """Whether the cells of a line are about them."""
    emails = {one.value.casefold() for one in theirs if "@" in one.value}
    numbers = {one.value.lstrip("+")[-9:] for one in theirs if "@" not in one.value}
    names = {contact.external_id, contact.name if by_name else ""} - {""}

    def is_theirs(cells: Sequence[str]) -> bool:
        for cell in cells:
            text = str(cell).strip()
            if text in names or any(one in text.casefold() for one in emails):
                return True
            digits = re.sub(r"\D", "", text)
            if any(one in digits for one in numbers):
                return True
        return False

    return is_theirs


def _without_quotes(faults: Sequence[dict[str, Any]], lines: Collection[int]) -> list[dict[str, Any]]:
    """What a fault quotes of one of these lines goes."""
    return [
        one | {"why": re.sub(r"“[^”]*”", "“…”", one["why"])} if one.get("line") in lines else one
        for one in faults
    ]
