"""Who looks after a row of an action queue, and until when it stands aside.

Neither changes what is planned: the playbook retries a snoozed row at its time all the same. Every function changes
one row by one UPDATE under the condition it was seen in, and says whether it did.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.utils import timezone

from accounts.models import User
from deliveries.models import QueueEntry

MORNING = 9  # o'clock, where the reader is: most begin to work about then


class SnoozeChoice(NamedTuple):
    label: str
    until: datetime


def snooze_choices(now: datetime) -> dict[str, SnoozeChoice]:
    """How long a row can be snoozed, by the name of the choice, in the current time zone."""
    here = timezone.localtime(now)  # adding days to it keeps the wall clock, also over a change of the clocks
    morning = here.replace(hour=MORNING, minute=0, second=0, microsecond=0)
    return {
        "tomorrow": SnoozeChoice("Until tomorrow, 09:00", morning + timedelta(days=1)),
        "days": SnoozeChoice("For 3 days", here + timedelta(days=3)),
        "monday": SnoozeChoice("Until Monday, 09:00", morning + timedelta(days=7 - here.weekday())),
    }


def take(message_id: int, queue: str, user: User, seen: int | None) -> bool:
    """Make `user` the owner, if the owner still is the one they saw: `seen`, an id, None for nobody."""
    rows = QueueEntry.objects.filter(pk=message_id, queue=queue, owner_id=seen)
    return bool(rows.update(owner=user))


def give_back(message_id: int, queue: str, user: User) -> bool:
    """Leave the row to nobody, if it is `user`'s."""
    rows = QueueEntry.objects.filter(pk=message_id, queue=queue, owner=user)
    return bool(rows.update(owner=None))


def snooze(message_id: int, queue: str, until: datetime) -> bool:
    return bool(QueueEntry.objects.filter(pk=message_id, queue=queue).update(snoozed_until=until))


def wake(message_id: int, queue: str, now: datetime) -> bool:
    """Let it come back at once.

    The moment is kept rather than cleared: a selection that was made before, of what was shown then, still is without
    this row.
    """
    rows = QueueEntry.objects.filter(pk=message_id, queue=queue, snoozed_until__gt=now)
    return bool(rows.update(snoozed_until=now))
