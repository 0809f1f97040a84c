"""What receipts report of numbers' lines, from the recorder's notes to the addresses: a moment later, set-based."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import connection, transaction

from contacts.chunks import in_lists
from contacts.line_facts import LineFact, keep
from deliveries.models import Account, LineNote, Message

LIMIT = 5  # notes at a time, each of a whole batch of receipts


def take_over(now: datetime, limit: int = LIMIT) -> int:
    """Give the addresses what the oldest notes say; return how many notes there were."""
    if not LineNote.objects.exists():
        return 0  # without taking SQLite's only write lock
    skip = connection.features.has_select_for_update_skip_locked
    with transaction.atomic():
        notes = list(LineNote.objects.order_by("pk").select_for_update(skip_locked=skip)[:limit])
        keep(_facts(notes))
        LineNote.objects.filter(pk__in=[note.pk for note in notes]).delete()
    return len(notes)


def _facts(notes: Iterable[LineNote]) -> Iterator[LineFact]:
    reported = [fact for note in notes for fact in note.facts]
    accounts = Account.objects.names()
    rows = (
        Message.objects.filter(pk__in=part).values_list("pk", "address__match_key", "account_id")
        for part in in_lists({message_id for message_id, *_ in reported})
    )
    about = {pk: (key, account) for part in rows for pk, key, account in part}
    for message_id, at, network, carrier, line_type in reported:
        if message_id in about:  # else its contact is gone
            key, account = about[message_id]
            source = f"reported by {accounts.get(account, 'an account')}"
            yield LineFact(key, datetime.fromisoformat(at), source, network, carrier, line_type)
