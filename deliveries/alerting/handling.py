"""What people do about an alert: take it, let it stand aside, write a note. Closing it is left to its cause.

Every act changes one row by one UPDATE under the condition it was seen in, and says whether it did.
"""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from deliveries.models import Alert

LONGEST_NOTE = 500


def take(pk: int, user: User, seen: int | None) -> bool:
    """Make `user` the owner, if the owner still is the one they saw: `seen`, an id, None for nobody."""
    return bool(Alert.objects.filter(pk=pk, closed_at=None, owner_id=seen).update(owner=user))


def give_back(pk: int, user: User) -> bool:
    return bool(Alert.objects.filter(pk=pk, owner=user).update(owner=None))


def snooze(pk: int, until: datetime) -> bool:
    return bool(Alert.objects.filter(pk=pk, closed_at=None).update(snoozed_until=until))


def wake(pk: int, now: datetime) -> bool:
    return bool(Alert.objects.filter(pk=pk, snoozed_until__gt=now).update(snoozed_until=None))


def note(pk: int, text: str, user: User) -> bool:
    """Write it in place of the one that stood there; '' takes that away. Also on a closed one: why it came."""
    clean = " ".join(text.split())[:LONGEST_NOTE]
    return bool(Alert.objects.filter(pk=pk).update(note=clean, noted_by=user if clean else None))
