"""Changing a shared playbook: every change makes a new version, and is kept with who made it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from campaigns.models import Playbook, PlaybookChange


class PlaybookSavedMeanwhile(Exception):
    """Somebody else has saved it since it was looked at; the argument is the playbook as it is now."""


def as_it_is(playbook: Playbook) -> dict[str, Any]:
    """Its name and rules, as a change keeps them."""
    return {"name": playbook.name, **playbook.rules}


@transaction.atomic
def save_playbook(playbook: Playbook, *, by: User, now: datetime, seen: int = 0) -> bool:
    """Store it as it stands here, and keep what that changed; False where it changes nothing.

    `seen`: the version that was looked at; 0 where that does not matter. Raises PlaybookSavedMeanwhile. Of campaigns
    that go on, the next decision about each person follows the new version: decisions name the one they followed.
    """
    stored = Playbook.objects.select_for_update().filter(pk=playbook.pk).first() if playbook.pk else None
    if stored and seen and stored.version != seen:
        raise PlaybookSavedMeanwhile(stored)
    before, after = (as_it_is(stored) if stored else {}), as_it_is(playbook)
    if before == after:
        return False
    playbook.version = stored.version + 1 if stored else 1
    playbook.save()
    PlaybookChange.objects.create(
        playbook=playbook, version=playbook.version, at=now, by=by, before=before, after=after
    )
    return True
