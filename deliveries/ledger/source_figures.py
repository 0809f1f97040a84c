"""What became of the people that each list source and each import brought in: what is counted, and the counting.

A person counts once, however often they were written to: people are what a source brings, and messages to one person do
not fail independently of each other.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, TextChoices

from contacts.grounds import ELSEWHERE
from contacts.lists import USABLE
from contacts.models import Address, Consent, Contact, ContactImport, ContactList
from deliveries.models import ImportFigures, Message, PeopleFigures, SourceFigures
from deliveries.statuses import Disposition, Fault, Status

PORTION = 5_000  # people counted in one statement
EVERY = timedelta(hours=2)  # between two counts of a source

_ARRIVED = Q(disposition=Disposition.DELIVERED) | Q(
    status=Status.COMPLAINED
)  # nobody complains of what never came
_THEIR_FAULT = Q(fault=Fault.RECIPIENT)
_HARD = Q(disposition=Disposition.BOUNCED_HARD) & _THEIR_FAULT
_TEMPORARY = Q(disposition=Disposition.PENDING_RETRY) & _THEIR_FAULT


class Ever(TextChoices):
    """What is true of a person, whatever the last message came to. Each is a column of `PeopleFigures`."""

    VALID = "valid", "Has a valid address"
    WITH_RESULT = "with_result", "Has a result"
    DELIVERED = "delivered", "Was delivered to"
    HARD_FAILS = "hard_fails", "Failed permanently"
    COMPLAINTS = "complaints", "Complained"
    OPT_OUTS = "opt_outs", "Opted out"


def is_true(ever: str, contact: str = "pk") -> Q:
    """The condition on rows whose `contact` is a person's id.

    A result is one that says something of the person: what is on its way, what nobody reported about, and what failed
    for the content, the sender or the account says nothing of where they came from. An opt-out that the file itself
    brought is no answer to what we sent.
    """
    messages = {
        Ever.WITH_RESULT: _ARRIVED | _HARD | _TEMPORARY | Q(disposition=Disposition.OPTOUT),
        Ever.DELIVERED: _ARRIVED,
        Ever.HARD_FAILS: _HARD,
        Ever.COMPLAINTS: Q(status=Status.COMPLAINED),
    }
    if ever == Ever.VALID:
        return Q(
            Exists(Address.objects.filter(contact=OuterRef(contact), preferred=True, validity__in=USABLE))
        )
    if ever == Ever.OPT_OUTS:
        said_no = Consent.objects.filter(
            contact=OuterRef(contact), opted_in=False, origin=Consent.Origin.RECIPIENT
        )
        return Q(Exists(said_no.exclude(how__in=ELSEWHERE).counting())) & is_true(Ever.WITH_RESULT, contact)
    return Q(Exists(Message.objects.filter(messages[Ever(ever)], contact=OuterRef(contact))))


def count_some(now: datetime) -> int:
    """Count some people of the source or the import whose turn it is; return how many were looked at. A step of the
    worker."""
    for whose_turn in (_next_source, _next_import):
        figures = whose_turn(now)
        if figures is not None:
            _count_portion(figures, now)
            return 1
    return 0


def _next_source(now: datetime) -> SourceFigures | None:
    new = ContactList.objects.filter(source_figures=None).order_by("pk").first()
    if new is not None:
        return SourceFigures.objects.get_or_create(contact_list=new)[0]
    return _due(SourceFigures.objects.all(), now)


def _next_import(now: datetime) -> ImportFigures | None:
    done = ContactImport.objects.filter(state=ContactImport.State.DONE)
    new = done.filter(figures=None).order_by("pk").first()
    if new is not None:
        return ImportFigures.objects.get_or_create(contact_import=new)[0]
    return _due(ImportFigures.objects.filter(contact_import__in=done), now)


def _due(figures: QuerySet[Any], now: datetime) -> Any:
    """What was begun, else what was counted longest ago; None where nothing is due."""
    begun = figures.filter(next_contact__gt=0).order_by("pk").first()
    due = Q(counted_at=None) | Q(counted_at__lt=now - EVERY)
    return begun or figures.filter(due).order_by("counted_at", "pk").first()


def _count_portion(figures: PeopleFigures, now: datetime) -> None:
    """Count the next PORTION people. The figures change once all of them are counted."""
    theirs = _people(figures).filter(pk__gte=figures.next_contact)
    ends = theirs.order_by("pk").values_list("pk", flat=True)[PORTION : PORTION + 1]
    end = next(iter(ends), None)
    within = theirs if end is None else theirs.filter(pk__lt=end)
    found = within.aggregate(
        people=Count("pk"), **{ever.value: Count("pk", filter=is_true(ever)) for ever in Ever}
    )
    so_far = {name: figures.so_far.get(name, 0) + n for name, n in found.items()}
    if end is not None:
        figures.so_far, figures.next_contact = so_far, end
    else:
        for name, n in so_far.items():
            setattr(figures, name, n)
        figures.so_far, figures.next_contact, figures.counted_at = {}, 0, now
    figures.save()


def _people(figures: PeopleFigures) -> QuerySet[Contact]:
    everybody = Contact.objects.filter(merged_into=None, erased_at=None)
    if isinstance(figures, SourceFigures):
        return everybody.filter(source=figures.contact_list_id)
    return everybody.filter(first_import=figures.pk)
