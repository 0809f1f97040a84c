"""People as a table: who they are, what they agreed to, what became of the last message to them.

What somebody agreed to and what arrived last is no column: it is worked out for the people a page looks at. So a page
looks at LOOKED_AT of them at most, and says where the next one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.db.models import BooleanField, Exists, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL

from contacts.asking_members import answered_how
from contacts.channels import Channel
from contacts.consent_ledger import LatestConsent, counting_on, latest_consents, sql_latest
from contacts.models import Contact, ContactList, DoubleOptIn, ListMembership
from deliveries.ledger.source_figures import is_true
from deliveries.models import Message
from deliveries.outcomes.counting import Count, counted
from deliveries.outcomes.keyset import Cursor, Page, page
from deliveries.outcomes.rows import PAGE_SIZE
from deliveries.statuses import BUCKETS

LOOKED_AT = 10_000  # people, where what a filter asks has to be worked out for each
OPTED_IN, OPTED_OUT, NOTHING_SAID = "in", "out", "nothing"
NOT_WRITTEN_TO = "none"
DISPOSITION_OF = {bucket: disposition for disposition, bucket in BUCKETS.items()}


@dataclass(frozen=True)
class PeopleFilter:
    """What narrows the table; None and '' narrow nothing. `consent` says of `channel` whether they are in, out or said
    nothing; `result` names a bucket, or NOT_WRITTEN_TO; `ever` is one of `Ever`; `first_import` is the import that
    brought them in. `answer`: on which channel `contact_list` asked them to confirm, and what they said: "sms-silent".
    """

    contact_list: int | None = None
    source: int | None = None
    first_import: int | None = None
    channel: str = ""
    consent: str = ""
    result: str = ""
    ever: str = ""
    answer: str = ""

    @property
    def is_worked_out(self) -> bool:
        """Whether it asks for what no index knows."""
        return bool(self.consent or self.result or self.ever or self.answer)

    @property
    def asking(self) -> DoubleOptIn | None:
        """What asked them; None where the list asks by that channel no more, or it was not asked for."""
        channel = self.answer.partition("-")[0]
        asks = DoubleOptIn.objects.filter(contact_list=self.contact_list, channel=channel)
        return asks.first() if self.answer and self.contact_list is not None else None


@dataclass(frozen=True)
class PersonRow:
    """One person. `said` is what counts on each channel, in the order of `Channel`: None where nothing was said."""

    contact: Contact
    said: list[tuple[Channel, LatestConsent | None]]
    last: Message | None  # the newest that was not withdrawn
    lists: list[ContactList]


@dataclass(frozen=True)
class PeoplePage:
    """`count` is of the newest LOOKED_AT people where it has to be worked out; `looked_at` is not 0 where the page
    ended for that."""

    page: Page
    rows: list[PersonRow]
    count: Count
    looked_at: int = 0


class _Narrowed(NamedTuple):
    """Rows with one contact each, in `key`, that the filter lets pass as far as an index knows; `column` is its name.

    Those of a list are read from its members: the database would look at every contact for a small list.
    """

    rows: QuerySet[Any]
    key: str
    column: str


def people(wanted: PeopleFilter, mark: str) -> PeoplePage:
    """A page of the table, the newest contact first, after the cursor `mark`. A fixed number of queries."""
    found, key, column = _narrowed(wanted)
    last, passing = None, found
    if wanted.is_worked_out:
        last = _last_looked_at(found, key, mark)
        within = found.filter(**{f"{key}__gt": last}) if last is not None else found
        passing = within.filter(_worked_out(wanted, key, column))
    shown = page(passing, PAGE_SIZE, mark, pk=key)
    looked_at = 0
    if last is not None and not shown.after:
        shown, looked_at = replace(shown, after=str(Cursor(None, last + 1))), LOOKED_AT
    if shown.first and not shown.after:
        count = Count(len(shown))
    elif wanted.is_worked_out:
        count = _worked_out_count(wanted, found, key, column)
    else:
        count = counted(found)
    return PeoplePage(shown, rows([getattr(one, key) for one in shown.rows]), count, looked_at)


def _worked_out_count(wanted: PeopleFilter, found: QuerySet[Any], key: str, column: str) -> Count:
    """How many pass of the newest LOOKED_AT; `more` where there are others that were not looked at."""
    last = _last_looked_at(found, key, "")
    within = found.filter(**{f"{key}__gt": last}) if last is not None else found
    return Count(within.filter(_worked_out(wanted, key, column)).count(), more=last is not None)


def _last_looked_at(found: QuerySet[Any], key: str, mark: str) -> int | None:
    """The contact that this page looks at no more; None where there are not so many."""
    cursor = Cursor.read(mark)
    if cursor and cursor.at is None:
        found = found.filter(**{f"{key}__lt": cursor.pk})
    ids = found.order_by(f"-{key}").values_list(key, flat=True)
    return next(iter(ids[LOOKED_AT : LOOKED_AT + 1]), None)


def among(ids: Sequence[int], wanted: PeopleFilter) -> list[int]:
    """Those of these contacts who pass the filter, in their order."""
    if wanted == PeopleFilter():
        return list(ids)
    found, key, column = _narrowed(wanted)
    those = found.filter(_worked_out(wanted, key, column), **{f"{key}__in": ids})
    passing = set(those.values_list(key, flat=True))
    return [pk for pk in ids if pk in passing]


def _narrowed(wanted: PeopleFilter) -> _Narrowed:
    given = {"source": wanted.source, "first_import": wanted.first_import}
    origin = {name: pk for name, pk in given.items() if pk is not None}
    if wanted.contact_list is None:
        everybody = Contact.objects.filter(merged_into=None, erased_at=None).only("pk")
        return _Narrowed(everybody.filter(**origin), "id", "contacts_contact.id")
    members = ListMembership.objects.filter(contact_list=wanted.contact_list).only("contact_id")
    members = members.filter(**{f"contact__{name}": pk for name, pk in origin.items()})
    return _Narrowed(members, "contact_id", "contacts_listmembership.contact_id")


def _worked_out(wanted: PeopleFilter, key: str, column: str) -> Q:
    condition = Q()
    if wanted.consent and wanted.channel:
        says = {OPTED_IN: "", OPTED_OUT: " = FALSE", NOTHING_SAID: " IS NULL"}[wanted.consent]
        sql = f"({sql_latest(wanted.channel, column)}{says})"
        condition &= Q(RawSQL(sql, [], output_field=BooleanField()))  # noqa: S611 - constants of ours
    if wanted.result == NOT_WRITTEN_TO:
        condition &= ~Q(Exists(_written(OuterRef(key))))
    elif wanted.result:
        newest = _written(OuterRef(OuterRef(key))).order_by("-pk").values("pk")[:1]
        is_last = Message.objects.filter(pk=Subquery(newest), disposition=DISPOSITION_OF[wanted.result])
        condition &= Q(Exists(is_last))
    if wanted.ever:
        condition &= is_true(wanted.ever, key)
    if wanted.answer:
        asking = wanted.asking
        condition &= answered_how(asking, wanted.answer.partition("-")[2], column) if asking else Q(pk=None)
    return condition


def _written(contact: OuterRef) -> QuerySet[Message]:
    """The messages to a contact that were not withdrawn."""
    return Message.objects.filter(contact_id=contact).exclude(disposition="")


def rows(ids: Sequence[int]) -> list[PersonRow]:
    """These contacts in this order, each with what the table says of them. Five queries."""
    listed = ListMembership.objects.select_related("contact_list").order_by("contact_list__name")
    known = (
        Contact.objects.select_related("source")
        .prefetch_related("addresses", Prefetch("memberships", listed))
        .annotate(last_message=Subquery(_written(OuterRef("pk")).order_by("-pk").values("pk")[:1]))
        .in_bulk(ids)
    )
    consents = latest_consents(known)
    newest = {one.last_message for one in known.values()} - {None}
    messages = Message.objects.select_related("campaign").in_bulk(newest)
    return [
        PersonRow(
            contact=known[pk],
            said=_said(pk, consents),
            last=messages.get(known[pk].last_message),
            lists=[each.contact_list for each in known[pk].memberships.all()],
        )
        for pk in ids
        if pk in known
    ]


def _said(
    contact: int, consents: Mapping[tuple[int, str], LatestConsent]
) -> list[tuple[Channel, LatestConsent | None]]:
    found = []
    for channel in Channel:
        words = (consents.get((contact, each)) for each in counting_on(channel))
        found.append((channel, next(filter(None, words), None)))
    return found
