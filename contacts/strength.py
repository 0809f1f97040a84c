"""Who may lift a suppression. The order of strength: the person's own word, what the law or a register asks for, and
what failed or we decided ourselves. Whoever lifts one asks here, whatever page or path it is.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import models
from django.db.models import Q

from accounts.models import User
from contacts.models import Suppression

RELEASE, RELEASE_STRONG = "contacts.release_suppression", "contacts.release_legal_suppression"

Reason = Suppression.Reason
# What staff can judge for themselves: a bounce, and what a colleague entered for reasons of our own.
WEAK = (*Suppression.OF_FAILURES, Reason.STAFF)


class Lifter(models.TextChoices):
    """Who may lift it, the strongest first; the label completes "Can be lifted"."""

    PERSON = "person", "only by the person, who opts in again"
    ADMINISTRATOR = "administrator", "by an administrator, with a reason"
    STAFF = "staff", "by staff, with a reason"


def lifter(suppression: Suppression) -> Lifter:
    if suppression.origin == Suppression.Origin.RECIPIENT:
        return Lifter.PERSON
    return Lifter.STAFF if suppression.reason in WEAK else Lifter.ADMINISTRATOR


def may_lift(user: User, suppression: Suppression) -> bool:
    """Whether this colleague may release it. Nobody may what the person asked for."""
    return lifter(suppression) in _lifts(user)


def of(wanted: Collection[Lifter]) -> Q:
    """A condition on suppressions: those that one of these may lift."""
    theirs, weak = Q(origin=Suppression.Origin.RECIPIENT), Q(reason__in=WEAK)
    conditions = {
        Lifter.PERSON: theirs,
        Lifter.ADMINISTRATOR: ~theirs & ~weak,
        Lifter.STAFF: ~theirs & weak,
    }
    found = Q(pk__in=[])
    for one in wanted:
        found |= conditions[one]
    return found


def liftable_by(user: User | None) -> Q:
    """A condition on suppressions: those that this colleague may release; None is Waybill, on nobody's behalf."""
    return of([Lifter.ADMINISTRATOR, Lifter.STAFF] if user is None else _lifts(user))


def _lifts(user: User) -> list[Lifter]:
    strong = [Lifter.ADMINISTRATOR, Lifter.STAFF] if user.has_perm(RELEASE_STRONG) else []
    return strong or ([Lifter.STAFF] if user.has_perm(RELEASE) else [])
