"""What the gate is asked, and what the tables hold about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, time
from typing import NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import OuterRef, Subquery

from contacts.addresses import match_key
from contacts.among import Among
from contacts.answering import is_owed
from contacts.blocking import Block, Target, blocks
from contacts.channels import KIND_OF, STRIKES, Channel, LineType
from contacts.consent_ledger import LatestConsent, counting_on, latest_consents
from contacts.jurisdictions import Purpose
from contacts.models import Address, AddressHealth, AutomaticAnswer, ListMembership, Reply
from contacts.opt_ins import ANY_LIST, Sent, awaited
from contacts.phones import NotAPhone, parse_phone


class Dimension(models.TextChoices):
    """What a part of an audience has in common, that a campaign may go on without."""

    CARRIER = "carrier", "Carrier"
    REGION = "region", "Region"
    SOURCE = "source", "List source"


@dataclass(frozen=True, slots=True)
class Ask:
    """One message that somebody wants to send. `key` is the caller's own, and comes back with the verdict.

    The window is in the recipient's local time; `campaign_state` and `sender_state` are the words of
    `contacts.states`; `strikes` is the playbook's number of permanent failures in a row that are too many, which
    `strike_limit` lowers for email; `purpose` says what it is for, as `Purpose` has it. `answer`: it is no message but
    this automatic answer to a word of the person. `left_out`: (dimension, value) of those whom its campaign goes on
    without on this channel.
    """

    key: int
    contact_id: int
    address_id: int | None
    channel: str
    sender_value: str
    window_start: time
    window_end: time
    campaign_state: str
    sender_state: str
    relevant_until: datetime | None
    strikes: int = STRIKES
    purpose: str = Purpose.MARKETING
    answer: int | None = None
    campaign_id: int = 0  # 0: of none
    left_out: tuple[tuple[str, str], ...] = ()
    by_lists: bool = True  # the campaign names lists, and means whoever is on one
    excluded: tuple[int, ...] = ()  # lists of whom it means nobody
    hold_out: int = 0  # per cent of its people that get nothing, to compare with


class AddressFacts(NamedTuple):
    id: int
    contact_id: int
    kind: str
    match_key: str
    line_type: str
    validity: str
    time_zone: str
    contact_time_zone: str
    region: str
    carrier: str = ""
    source: int | None = None  # the contact's list source

    def has(self, dimension: str, value: str) -> bool:
        """Whether it is of that part of an audience."""
        match dimension:
            case Dimension.CARRIER:
                return self.carrier == value
            case Dimension.REGION:
                return self.region == value
        return str(self.source or 0) == value


class HealthFacts(NamedTuple):
    """How the address fares on the channel of the ask."""

    hard_fails: int = 0
    enough: int = 0
    closed: str = ""
    closed_why: str = ""
    marked_at: datetime | None = None


NOTHING_WRONG = HealthFacts()


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What the tables hold about one ask: its address, the suppressions in force that meet it, the consent that
    counts on its channel, how it fares there, and since when a reply of the person waits to be read. `owed`: the kind
    of automatic answer that it is, where that is owed to the address, and waits. `awaited`: the campaign has them by
    lists alone that wait for them to confirm. `excluded`: they are on a list that it leaves out."""

    address: AddressFacts | None
    suppressions: tuple[Block, ...] = ()
    consent: LatestConsent | None = None
    health: HealthFacts = NOTHING_WRONG
    unread_since: datetime | None = None  # of a reply that sends wait for
    owed: str = ""
    awaited: bool = False
    excluded: bool = False


def gather(asks: Sequence[Ask], now: datetime, *, past: bool = False) -> Iterator[GateFacts]:
    """`past`: what was blocked and said, and waited to be read, at a `now` that is over. Of an address itself and how
    it fares only the present is known."""
    contact_ids = {ask.contact_id for ask in asks}
    addresses = _addresses({ask.address_id for ask in asks if ask.address_id is not None})
    targets = {
        ask: Target(addresses[ask.address_id].match_key, ask.contact_id, ask.channel, ask.sender_value)
        for ask in asks
        if ask.address_id in addresses
    }
    met = blocks(set(targets.values()), now, past=past)
    consents = latest_consents(contact_ids, now if past else None)
    health = _health(addresses)
    unread = unread_since(contact_ids, now if past else None)
    answers = AutomaticAnswer.objects.in_bulk([ask.answer for ask in asks if ask.answer is not None])
    unconfirmed = awaited([one for ask in asks if (one := _sent(ask)).campaign_id])
    left_out = _left_out(asks)
    for ask in asks:
        address = addresses.get(ask.address_id) if ask.address_id is not None else None
        answer = answers.get(ask.answer or 0)
        owed = answer and address and is_owed(answer, address.match_key, ask.channel, now)
        yield GateFacts(
            address=address,
            suppressions=met[targets[ask]] if address else (),
            consent=_consent_for(ask, consents),
            health=health.get((address.id, ask.channel), NOTHING_WRONG) if address else NOTHING_WRONG,
            unread_since=unread.get(ask.contact_id),
            owed=answer.kind if answer and owed else "",
            awaited=_sent(ask) in unconfirmed,
            excluded=any((ask.contact_id, one) in left_out for one in ask.excluded),
        )


def _sent(ask: Ask) -> Sent:
    return Sent(ask.campaign_id if ask.by_lists else ANY_LIST, ask.contact_id, ask.channel)


def _left_out(asks: Sequence[Ask]) -> set[tuple[int, int]]:
    """(contact, list) of those who are on a list that some campaign leaves out. No query where none does."""
    lists = {one for ask in asks for one in ask.excluded}
    if not lists:
        return set()
    contacts = {ask.contact_id for ask in asks if ask.excluded}
    members = ListMembership.objects.filter(Among("contact_id", contacts), Among("contact_list_id", lists))
    return set(members.values_list("contact_id", "contact_list_id"))


def of_nobody(value: str, channel: str, now: datetime, *, past: bool = False) -> GateFacts:
    """The same for an address, in normal form, that no contact has: what blocks it, and what the number itself tells.

    To be judged with an ask of contact 0.
    """
    key, line, zone, region = match_key(value), LineType.UNKNOWN.value, "", ""
    if "@" not in value:
        with suppress(
            NotAPhone
        ):  # a block may name what no country has given out: a short code, an old number
            phone = parse_phone(value, settings.DEFAULT_REGION)
            line, zone, region = phone.line_type, phone.time_zone, phone.region
    kind, validity = KIND_OF[Channel(channel)], Address.Validity.UNVERIFIED
    address = AddressFacts(0, 0, kind, key, line, validity, zone, "", region)
    target = Target(key, 0, channel)
    return GateFacts(address=address, suppressions=blocks({target}, now, past=past)[target])


def _addresses(ids: set[int]) -> dict[int, AddressFacts]:
    names = (
        "id",
        "contact_id",
        "kind",
        "match_key",
        "line_type",
        "validity",
        "time_zone",
        "contact__time_zone",
        "region",
        "carrier",
        "contact__source_id",
    )
    rows = Address.objects.filter(Among("pk", ids)).values_list(*names)
    return {row[0]: AddressFacts(*row) for row in rows}


def unread_since(contact_ids: Iterable[int], then: datetime | None = None) -> dict[int, datetime]:
    """Contacts with a reply that sends wait for, from whichever of their addresses, and when it was written; `then`: a
    moment that is over, or now."""
    holding = Reply.objects.holding() if then is None else Reply.objects.holding_then(then)
    theirs = holding.filter(match_key=OuterRef("match_key")).order_by("at")
    found: dict[int, datetime] = {}
    rows = Address.objects.filter(Among("contact_id", contact_ids)).annotate(
        since=Subquery(theirs.values("at")[:1])
    )
    for contact_id, since in rows.exclude(since=None).values_list("contact_id", "since"):
        found[contact_id] = min(since, found.get(contact_id, since))
    return found


def _consent_for(ask: Ask, latest: dict[tuple[int, str], LatestConsent]) -> LatestConsent | None:
    words = (latest.get((ask.contact_id, channel)) for channel in counting_on(ask.channel))
    return next(filter(None, words), None)


def _health(ids: Iterable[int]) -> dict[tuple[int, str], HealthFacts]:
    rows = AddressHealth.objects.filter(Among("address_id", ids)).values_list(
        "address_id", "channel", *HealthFacts._fields
    )
    return {(address_id, channel): HealthFacts(*rest) for address_id, channel, *rest in rows}
