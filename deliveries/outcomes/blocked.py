"""Is this address blocked, on which channel, why, and could it be sent to at a moment? Reads only; the gate answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q

from campaigns.models import Campaign, Sender
from contacts.addresses import match_key
from contacts.blocking import Target, meets
from contacts.channels import KIND_OF, Channel, takes
from contacts.gate import REASONS, Reason, Verdict, check, judge
from contacts.gate_facts import of_nobody
from contacts.models import Address, Contact, Suppression
from contacts.suppression_lists import BlockState, state_of
from deliveries.outcomes.reachability import ordinary_campaign

PEOPLE = 10  # of those who have the address, asked about one by one
ROWS = 100  # suppressions of one address, those in force first


@dataclass(frozen=True)
class ChannelBlocks:
    """What blocks an address on one channel now, the newest first; `one_sender`: sends from one sender alone."""

    channel: Channel
    blocks: list[Suppression]

    @property
    def one_sender(self) -> bool:
        return all(one.scope == Suppression.Scope.SENDER for one in self.blocks)


@dataclass(frozen=True)
class GateAnswer:
    """The gate's, of one channel at the moment asked about."""

    channel: Channel
    verdict: Verdict

    @property
    def words(self) -> str:
        if self.verdict.allowed:
            return "Would be sent"
        rule = REASONS[Reason(self.verdict.reason)]
        detail = f" ({self.verdict.detail})" if self.verdict.detail else ""
        return f"{'Would wait' if rule.holds else 'Would not be sent'}: {rule.sentence}{detail}"

    @property
    def bucket(self) -> str:
        """The colour of the words."""
        if self.verdict.allowed:
            return "success"
        if self.verdict.reason == Reason.OPTED_OUT:
            return "optout"
        return "pending" if REASONS[Reason(self.verdict.reason)].holds else "permanent"


@dataclass(frozen=True)
class PersonAsked:
    contact: Contact
    answers: list[GateAnswer]


@dataclass(frozen=True)
class LookUp:
    """`at`: the moment asked about; `past`: it is over. `nobody`: the answers where no contact has the address."""

    value: str  # '' for a whole contact
    at: datetime
    past: bool
    rows: list[Suppression]  # in force and over, those in force first; with `state`
    channels: list[ChannelBlocks]
    people: list[PersonAsked]
    others: int  # more people who have it
    nobody: list[GateAnswer]

    @property
    def blocked(self) -> bool:
        return any(one.blocks for one in self.channels)


def look_up(
    value: str,
    at: datetime,
    now: datetime,
    *,
    contact: Contact | None = None,
    campaign: Campaign | None = None,
) -> LookUp:
    """Of an address in normal form, or with '' of a whole contact. A number of queries that does not grow.

    Of `campaign`, or as an ordinary one would send, from an approved sender.
    """
    addresses, others = _held(value, contact)
    people = {address.contact_id: address.contact for address in addresses}
    if contact is not None:
        people.setdefault(contact.pk, contact)
    past = at < now
    asking = campaign or ordinary_campaign()
    answers = _ask(asking, addresses, at, past=past)
    rows = _rows(value, list(people), now)
    return LookUp(
        value=value,
        at=at,
        past=past,
        rows=rows,
        channels=_by_channel(value, list(people), rows, now),
        people=[PersonAsked(one, answers.get(pk, [])) for pk, one in people.items()],
        others=others,
        nobody=[] if people or not value else _of_nobody(asking, value, at, past=past),
    )


def _held(value: str, contact: Contact | None) -> tuple[list[Address], int]:
    """The addresses to ask about, and how many people more have the address."""
    found = Address.objects.select_related("contact").order_by("contact_id", "-preferred", "id")
    if not value:
        return list(found.filter(contact=contact, preferred=True)), 0
    theirs = found.filter(match_key=match_key(value)).exclude(value="")
    first: dict[int, Address] = {}
    for address in theirs[: 2 * PEOPLE]:
        if len(first) < PEOPLE:
            first.setdefault(address.contact_id, address)
    total = theirs.order_by().values("contact_id").distinct().count()
    return list(first.values()), max(total - len(first), 0)


def _rows(value: str, people: Sequence[int], now: datetime) -> list[Suppression]:
    wanted = Q(contact__in=people, value="")
    if value:
        wanted |= Q(match_key=match_key(value)) & ~Q(value="")
    found = Suppression.objects.filter(wanted).select_related("contact", "created_by", "released_by")
    rows = list(found.order_by(F("released_at").desc(nulls_first=True), "-created_at", "-id")[:ROWS])
    for row in rows:
        row.state = state_of(row, now)  # type: ignore[attr-defined]
    return sorted(rows, key=lambda row: row.state != BlockState.BLOCKING)  # type: ignore[attr-defined]


def _by_channel(
    value: str, people: Sequence[int], rows: Sequence[Suppression], now: datetime
) -> list[ChannelBlocks]:
    """Blocks of the address wherever it stands; with those of a whole contact where only one person has it."""
    in_force = [row for row in rows if state_of(row, now) == BlockState.BLOCKING]
    whose = people[0] if len(people) == 1 else 0
    return [
        ChannelBlocks(
            channel,
            [
                row
                for row in in_force
                if meets(row, Target(match_key(value), whose, channel, row.scope_value))
            ],
        )
        for channel in Channel
        if not value or takes(value, channel)
    ]


def _ask(
    campaign: Campaign, addresses: Sequence[Address], at: datetime, *, past: bool
) -> dict[int, list[GateAnswer]]:
    """The gate's answers by contact."""
    pairs = [
        (address, channel) for address in addresses for channel in Channel if KIND_OF[channel] == address.kind
    ]
    sender = Sender(state=Sender.State.APPROVED)
    asks = [
        campaign.ask(n, contact_id=address.contact_id, address_id=address.pk, channel=channel, sender=sender)
        for n, (address, channel) in enumerate(pairs)
    ]
    verdicts = check(asks, at, past=past)
    found: dict[int, list[GateAnswer]] = {}
    for n, (address, channel) in enumerate(pairs):
        found.setdefault(address.contact_id, []).append(GateAnswer(channel, verdicts[n]))
    return found


def _of_nobody(campaign: Campaign, value: str, at: datetime, *, past: bool) -> list[GateAnswer]:
    sender = Sender(state=Sender.State.APPROVED)
    return [
        GateAnswer(
            channel,
            judge(
                of_nobody(value, channel, at, past=past),
                campaign.ask(0, contact_id=0, address_id=0, channel=channel, sender=sender),
                at,
            ),
        )
        for channel in Channel
        if takes(value, channel)
    ]
