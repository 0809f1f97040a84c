"""Who may lift a suppression. The order of strength: the person's own word, what the law or a register asks for, and
what failed or we decided ourselves. Whoever lifts one asks here, whatever page or path it is.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import models
from django.db.models import Q

from accounts.models import User
from contacts.models import Suppression
from contacts.phones import ERASED

RELEASE, RELEASE_STRONG = "contacts.release_suppression", "contacts.release_legal_suppression"

Reason = Suppression.Reason
# What staff can judge for themselves: a bounce, and what a colleague entered for reasons of our own.
WEAK = (*Suppression.OF_FAILURES, Reason.STAFF)


class Lifter(models.TextChoices):
    """Who may lift it, the strongest first; the label completes "Can be lifted"."""

    PERSON = "person", "only by the person, who opts in again"
    ADMINISTRATOR = "administrator", "by an administrator, with a reason"
    STAFF = "staff", "by staff, with a reason"
    NOBODY = "nobody", "by nobody: the person was erased"


def lifter(suppression: Suppression) -> Lifter:
    if suppression.origin == Suppression.Origin.RECIPIENT:
        return Lifter.PERSON
    if _of_erased(suppression):
        return Lifter.NOBODY
    return Lifter.STAFF if suppression.reason in WEAK else Lifter.ADMINISTRATOR


def _of_erased(suppression: Suppression) -> bool:
    """Whether it is kept for somebody who was erased: for the whole person, or by the hash of an address."""
    if suppression.value:
        return suppression.match_key.startswith(ERASED)
    return suppression.contact is not None and suppression.contact.erased_at is not None


def may_lift(user: User, suppression: Suppression) -> bool:
    """Whether this colleague may release it. Nobody may what the person asked for."""
    return lifter(suppression) in _lifts(user)


def of(wanted: Collection[Lifter]) -> Q:
    """A condition on suppressions: those that one of these may lift."""
    theirs, weak = Q(origin=Suppression.Origin.RECIPIENT), Q(reason__in=WEAK)
    erased = Q(match_key__startswith=ERASED) | Q(value="", contact__erased_at__isnull=False)
    conditions = {
        Lifter.PERSON: theirs,
        Lifter.ADMINISTRATOR: ~theirs & ~erased & ~weak,
        Lifter.STAFF: ~theirs & ~erased & weak,
        Lifter.NOBODY: ~theirs & erased,
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
