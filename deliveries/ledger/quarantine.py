"""Work that fails must not hold up its neighbours, nor be tried for ever.

Two tools. `isolated` does something for many rows at once and narrows down to the one at fault when it fails.
`run` does one thing, with the attempt counted before it is made: what raises, and what ends its process, is tried
ever later and in the end set aside with its reason, where administrators see it and can have it tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q

from contacts.among import Among
from deliveries.models import Quarantined

logger = logging.getLogger(__name__)

Kind = Quarantined.Kind

# Pauses after each attempt that came to no end; after the last the work is set aside.
PAUSES = [timedelta(seconds=s) for s in (2, 5, 10, 60, 300, 1_800)]
# While somebody is at it the others pass over it; a process that was killed has it tried again after that.
LONGEST_LEASE = timedelta(seconds=10)
LONGEST_REASON = 300
# The database is busy or away: nothing is wrong with the row, the next round tries again.
PASSING = (OperationalError, InterfaceError)
ONE_BY_ONE = (Kind.DECIDE, Kind.REPLAY_MESSAGE)  # found by `due` alone: nothing else tries them again
STALE = timedelta(days=1)
NO_END = "It came to no end: the process that did it stopped."


def isolated(
    ids: Sequence[int], act: Callable[[list[int]], None], at_fault: Callable[[int, Exception], None]
) -> None:
    """`act` on all of `ids`; when that fails, on each half, until the one at fault stands alone: `at_fault` gets it.

    Call in a transaction. What failed leaves no trace in the database. A busy database is nobody's fault and raises.
    """
    ids = list(ids)
    if not ids:
        return
    try:
        with transaction.atomic():
            act(ids)
    except PASSING:
        raise
    except Exception as problem:
        if len(ids) == 1:
            logger.exception("Row %d is at fault", ids[0])
            at_fault(ids[0], problem)
            return
    else:
        return
    half = len(ids) // 2
    isolated(ids[:half], act, at_fault)
    isolated(ids[half:], act, at_fault)


def run(
    kind: str,
    pk: int,
    act: Callable[[], int],
    now: datetime,
    hopeless: tuple[type[Exception], ...] = (),
) -> int:
    """What `act` returns; 0 where it failed, or rests after a failure. Call outside of a transaction.

    What raises one of `hopeless` is set aside at once: trying again cannot help before somebody has acted.
    """
    if not _begin(kind, pk, now):
        return 0
    try:
        done = act()
    except PASSING:
        _not_counted(kind, pk, now)
        raise
    except hopeless as problem:
        logger.error("%s: %d is set aside: %s", Kind(kind).label, pk, problem)
        set_aside(kind, pk, str(problem), now)
        return 0
    except Exception as problem:
        logger.exception("%s: %d failed", Kind(kind).label, pk)
        _because(kind, pk, problem, now)
        return 0
    forget(kind, [pk])
    return done


def _begin(kind: str, pk: int, now: datetime) -> bool:
    """Count the attempt before it is made; False when it is not to be made now."""
    rows = Quarantined.objects.filter(kind=kind, object_id=pk)
    if rows.filter(Q(not_before=None) | Q(not_before__gt=now)).exists():
        return False  # without taking SQLite's only write lock
    with transaction.atomic():
        row = rows.select_for_update().first() or Quarantined(kind=kind, object_id=pk, first_at=now)
        pause = _pause(row.attempts)
        row.not_before, row.last_at = now + min(pause, LONGEST_LEASE) if pause else None, now
        row.attempts, row.reason = row.attempts + 1, NO_END
        if row.pk:
            row.save()
        else:
            Quarantined.objects.bulk_create([row], ignore_conflicts=True)
    return True


def _pause(attempts: int) -> timedelta | None:
    """How long to wait after so many earlier attempts and this one; None: for ever."""
    return PAUSES[attempts] if attempts < len(PAUSES) else None


def _not_counted(kind: str, pk: int, now: datetime) -> None:
    rows = Quarantined.objects.filter(kind=kind, object_id=pk, attempts__gt=0)
    rows.update(attempts=F("attempts") - 1, not_before=now)


def _because(kind: str, pk: int, problem: Exception, now: datetime) -> None:
    rows = Quarantined.objects.filter(kind=kind, object_id=pk)
    for row in rows:
        pause = _pause(row.attempts - 1)
        rows.update(reason=words(problem), not_before=now + pause if pause else None)


def words(problem: Exception) -> str:
    """What went wrong, as the column holds it."""
    text = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    text = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return f"An error of ours ({text[: LONGEST_REASON - 22]})."


def failed(kind: str, pk: int, problem: Exception, now: datetime) -> None:
    """A row that `isolated` found at fault: `due` will give it, alone, after a pause."""
    fresh = Quarantined(
        kind=kind, object_id=pk, attempts=1, first_at=now, last_at=now, not_before=now + PAUSES[0],
        reason=words(problem),
    )  # fmt: skip
    Quarantined.objects.bulk_create([fresh], ignore_conflicts=True)
    Quarantined.objects.filter(kind=kind, object_id=pk).update(reason=words(problem), last_at=now)


def count(kind: str, ids: Collection[int], now: datetime) -> dict[int, int]:
    """Count one more attempt for each, before it is made; how often each was tried, this one included."""
    fresh = [Quarantined(kind=kind, object_id=pk, first_at=now, last_at=now, not_before=now) for pk in ids]
    Quarantined.objects.bulk_create(fresh, batch_size=300, ignore_conflicts=True)
    rows = Quarantined.objects.filter(kind=kind, object_id__in=ids)
    rows.update(attempts=F("attempts") + 1, last_at=now, not_before=now, reason=NO_END)
    return dict(rows.values_list("object_id", "attempts"))


def set_aside(kind: str, pk: int, reason: str, now: datetime, attempts: int = 1) -> None:
    """Not to be tried again before somebody asks for it. `attempts`: where they were counted elsewhere."""
    fresh = Quarantined(kind=kind, object_id=pk, attempts=attempts, first_at=now, last_at=now)
    Quarantined.objects.bulk_create([fresh], ignore_conflicts=True)
    Quarantined.objects.filter(kind=kind, object_id=pk).update(
        not_before=None, reason=reason[:LONGEST_REASON], last_at=now
    )


def due(kind: str, now: datetime, limit: int) -> list[int]:
    """What is to be tried again by now, the longest waiting first."""
    rows = Quarantined.objects.filter(kind=kind, not_before__lte=now).order_by("not_before", "pk")
    return list(rows.values_list("object_id", flat=True)[:limit])


def troubled(kind: str, ids: Collection[int], least: int = 1) -> set[int]:
    """Those of `ids` that failed so often at `least`, and have not come to their end since."""
    rows = Quarantined.objects.filter(Among("object_id", ids), kind=kind, attempts__gte=least)
    return set(rows.values_list("object_id", flat=True))


def reasons(kind: str, ids: Collection[int]) -> dict[int, str]:
    """Why those of `ids` are set aside that are."""
    rows = Quarantined.objects.filter(Among("object_id", ids), kind=kind, not_before=None)
    return dict(rows.values_list("object_id", "reason"))


def forget(kind: str, ids: Collection[int]) -> None:
    """These came to their end."""
    Quarantined.objects.filter(Among("object_id", ids), kind=kind).delete()


def forget_stale(now: datetime) -> None:
    """Rows of work that has ended since by other ways, such as a campaign that was canceled meanwhile."""
    stale = Quarantined.objects.filter(not_before__lt=now - STALE).exclude(kind__in=ONE_BY_ONE)
    if stale.exists():  # without taking SQLite's only write lock
        stale.delete()
