"""What was written about a person who is erased, by them or by others, in the tables that nobody else has a share in.

That it was written, and when, stays. Texts of messages are none of a person's: every wording is a version of its
campaign's. What providers reported, and mails that came back, is redacted by `deliveries.deciding.erasing`; lines of
uploaded files by `contacts.erased_files`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.contrib.admin.models import LogEntry
from django.db.models import Q

from contacts.models import (
    Address,
    AutomaticAnswer,
    Consent,
    Contact,
    ImportedContact,
    Note,
    Suppression,
    SuppressionLapse,
)
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
