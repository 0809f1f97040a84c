"""Whom a campaign skipped: people without a message, so that they are listed by their own rows, not by an attempt's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns.models import Recipient
from contacts.channels import IMPOSSIBLE_LINES, KIND_OF, Channel
from contacts.gate import NOT_SENT_BY, REASONS, Reason, line_detail
from contacts.models import Address, Contact, ListMembership
from contacts.phones import mask
from contacts.searching import partly
from deliveries.models import Decision
from deliveries.outcomes.narrowing import NOBODY, SKIPPED, OutcomeView
from deliveries.wording import withdrawal

OF_THE_ADDRESS = frozenset(
    {
        Reason.NO_ADDRESS,
        Reason.NEEDS_CORRECTION,
        Reason.INVALID_ADDRESS,
        Reason.NOT_IN_SERVICE,
        Reason.WRONG_LINE,
    }
)


class SkippedRow(NamedTuple):
    """`address` is '' where the contact has none for the campaign's channel; masked unless whole ones were asked for.
    `reason` is one of contacts.gate.Reason, `why` the end of a sentence about it."""

    contact: Contact
    address: str
    reason: str
    why: str

    @property
    def is_of_the_address(self) -> bool:
        """Whether a corrected address may be all that it takes."""
        return self.reason in OF_THE_ADDRESS


def lists_skipped(view: OutcomeView) -> bool:
    """Whether the view's rows are people who were skipped."""
    return view.filters.get("person") == SKIPPED and not view.queue


def skipped(view: OutcomeView) -> QuerySet[Recipient]:
    """The recipients that such a view shows; unordered. Filters that only messages answer narrow nothing here."""
    found = Q(campaign_id=view.campaign_id, state=Recipient.State.SKIPPED)
    for name, value in view.filters.items():
        found &= _condition(name, value)
    return Recipient.objects.filter(found)


def _condition(name: str, value: str) -> Q:
    if name == "skip":
        return Q(skip_reason=value)
    if name == "s":
        return partly(value, "contact_id")
    if name == "stage":
        return Q(contact__stage="" if value == NOBODY else value)
    if name == "source":
        on = ListMembership.objects.filter(contact_id=OuterRef("contact_id"))
        return ~Q(Exists(on)) if value == NOBODY else Q(Exists(on.filter(contact_list_id=int(value))))
    return Q()


def skipped_rows(
    pairs: Sequence[tuple[int, str]], channel: str, by_channel: Mapping[int, str], *, full: bool = False
) -> list[SkippedRow]:
    """(contact, reason) with names and the address that was looked at. Two queries.

    `by_channel`: what stops each channel, in words, of those contacts whose first message could take several.
    """
    ids = [contact for contact, _ in pairs]
    contacts = Contact.objects.in_bulk(ids)
    held = Address.objects.filter(contact_id__in=ids, kind=KIND_OF[Channel(channel)], preferred=True)
    found: Mapping[int, tuple[str, str]] = {
        contact: (value, line)
        for contact, value, line in held.values_list("contact_id", "value", "line_type")
    }
    return [
        SkippedRow(
            contacts[contact],
            _shown(value, full=full),
            reason,
            by_channel.get(contact) or _why_them(reason, line, channel),
        )
        for contact, reason in pairs
        if contact in contacts
        for value, line in [found.get(contact, ("", ""))]
    ]


def rows_of(recipients: Iterable[Recipient], channel: str, *, full: bool = False) -> list[SkippedRow]:
    """Three queries."""
    those = list(recipients)
    pairs = [(one.contact_id, one.skip_reason) for one in those]
    return skipped_rows(pairs, channel, _said_by_channel(those), full=full)


def _said_by_channel(recipients: Sequence[Recipient]) -> dict[int, str]:
    """Contact -> what stops each channel, as it was decided when their row was made."""
    said = Decision.objects.filter(
        contact_id__in=[one.contact_id for one in recipients], recipient__in=[one.pk for one in recipients],
        message_id=None, by="gate", reason__startswith=NOT_SENT_BY,
    )  # fmt: skip
    return {one.contact_id: f"by {one.reason.removeprefix(NOT_SENT_BY).rstrip('.')}" for one in said}


def _shown(value: str, *, full: bool) -> str:
    return value if full or not value else mask(value)


def why(reason: str) -> str:
    """The reason as the end of a sentence."""
    return REASONS[Reason(reason)].sentence if reason in REASONS else withdrawal(reason).rstrip(".")


def _why_them(reason: str, line: str, channel: str) -> str:
    """As `why`, with what kind of line it is where that is the reason."""
    if reason == Reason.WRONG_LINE and line in IMPOSSIBLE_LINES.get(Channel(channel), ()):
        return line_detail(line, channel)
    return why(reason)
