"""How well a contact can be reached on each channel: a word, the chance that a message arrives, and its evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from campaigns.models import Campaign, Playbook, Sender
from contacts.blocking import Target, blocks_in_force, meets
from contacts.channels import KIND_OF, Channel, Kind, strike_limit
from contacts.consent_ledger import counting_on
from contacts.gate import Reason, Verdict, check
from contacts.gate_facts import unread_since
from contacts.models import Address, AddressHealth, Consent, Contact, Suppression
from deliveries.models import Message
from deliveries.outcomes.chance import Chance, compared, in_order
from deliveries.outcomes.chance_sql import chances
from deliveries.statuses import REACHING, Disposition, Fault, Status

LOOK_BACK = 12  # results on a channel that count as evidence
READ = (
    120  # messages read for all five channels together: twice LOOK_BACK of each, as one may crowd another out
)
# Where the gate says more than what was tried there.
IMPOSSIBLE: dict[str, tuple[str, str]] = {
    Reason.WRONG_LINE: ("Not possible", "permanent"),
    Reason.NO_CONSENT: ("No consent", "compliance"),
    Reason.NOT_CONFIRMED: ("Not confirmed", "compliance"),
}
ARRIVED = {Channel.VOICE: "Answered", Channel.RVM: "Dropped", Channel.EMAIL: "Accepted"}


@dataclass(frozen=True)
class Reach:
    """One channel of one contact."""

    channel: str
    word: str
    bucket: str  # the colour of the word
    evidence: str
    address: Address | None
    verdict: Verdict | None  # None where there is no address to ask about
    suppressions: tuple[Suppression, ...]  # that stand in the way, the newest first
    health: AddressHealth
    consent: Consent | None  # that counts on this channel
    strikes: int  # permanent failures in a row that close it
    chance: Chance  # that the next message arrives there, apart from whether one may be sent

    @property
    def likely(self) -> str:
        """The chance in words; '' where nothing may be sent, whatever the figure."""
        return f"Likely to arrive: {self.chance.words}" if self.usable else ""

    @property
    def label(self) -> str:
        return str(Channel(self.channel).label)

    @property
    def opted_out(self) -> bool:
        """By their own word on this channel."""
        return self.consent is not None and not self.consent.opted_in

    @property
    def hard_fails(self) -> int:
        return self.health.hard_fails

    @property
    def shut(self) -> str:
        """Why nothing is sent there, apart from what anybody decided: "Number not in service, reported by SMS"."""
        if self.health.closed:
            return self.health.closed_why
        return "Marked for correction" if self.health.marked_at else ""

    @property
    def off(self) -> bool:
        """Blocked for good, not just for the moment."""
        return bool(self.suppressions) or self.opted_out or bool(self.shut) or self.hard_fails >= self.strikes

    @property
    def usable(self) -> bool:
        """The gate lets it pass, now or once the permitted hours begin."""
        return (
            not self.off
            and self.verdict is not None
            and (self.verdict.allowed or self.verdict.until is not None)
        )


@dataclass(frozen=True)
class ChannelRecord:
    """What is known of one channel of a contact, from which its `Reach` follows."""

    channel: Channel
    address: Address | None  # the preferred one of its kind
    results: list[Message]  # settled, newest first, LOOK_BACK at most
    verdict: Verdict | None
    suppressions: tuple[Suppression, ...]
    health: AddressHealth
    consent: Consent | None
    chance: Chance


@dataclass(frozen=True)
class SidePanel:
    """Everything beside the timeline."""

    channels: list[Reach]
    consents: list[Consent]  # the latest of each channel
    suppressions: list[Suppression]  # in force
    addresses: list[Address]
    held_since: datetime | None = (
        None  # since when a reply waits to be read that something could be sent but for
    )

    @property
    def consent_lines(self) -> list[tuple[str, Consent]]:
        """Each with the channels it counts on, in words: MMS go by what was said of texts until they have their own."""
        said = {one.channel for one in self.consents}
        found = []
        for one in self.consents:
            also = [each for each in Channel if one.channel in counting_on(each) and each not in said]
            found.append((" and ".join(each.label for each in (Channel(one.channel), *also)), one))
        return found

    @property
    def off(self) -> list[Reach]:
        return [reach for reach in self.channels if reach.off]

    @property
    def allowed(self) -> list[Reach]:
        """Channels that are not blocked; some may have to wait for the morning."""
        return [reach for reach in self.channels if reach.usable]

    @property
    def range_words(self) -> str:
        """How the first of the figures is read; '' where there is none."""
        first = next((reach for reach in self.channels if reach.likely), None)
        return f"{first.label}: {first.chance.explained}" if first else ""

    @property
    def silenced(self) -> bool:
        """Every channel there is an address for is off."""
        return all(reach.off for reach in self.channels if reach.address)

    @property
    def _now(self) -> dict[str, Reach]:
        """The channels that may be used now and did not fail for good; those blocked last for what we sent, only where
        there is no other."""
        now = [
            reach
            for reach in self.allowed
            if reach.verdict and reach.verdict.allowed and reach.bucket not in ("permanent", "pending")
        ]
        well = [reach for reach in now if reach.bucket != "compliance"]
        return {reach.channel: reach for reach in well or now}

    @property
    def best(self) -> Reach | None:
        """The channel most likely to reach them now; None when none may be used now."""
        now = self._now
        order = in_order({channel: reach.chance for channel, reach in now.items()})
        return now[order[0]] if order else None

    @property
    def why_best(self) -> str:
        """Why it is the best, where there is a choice."""
        now = self._now
        if len(now) < 2:
            return ""
        figures = compared({channel: reach.chance for channel, reach in now.items()})
        silent = any(reach.chance.record.silences for reach in now.values())
        added = " Here, what had no receipt counts as not arrived." if silent else ""
        return f"Of what may be used now, the likeliest to arrive is best: {figures}.{added}"


def side_panel(contact: Contact, now: datetime) -> SidePanel:
    """What we know of this contact's channels. A fixed number of queries."""
    addresses = sorted(
        contact.addresses.all(), key=lambda one: (one.kind != Kind.PHONE, not one.preferred, one.pk)
    )
    suppressions = blocks_in_force(contact, addresses, now)
    health = {
        (one.address_id, one.channel): one
        for one in AddressHealth.objects.filter(address__in=[address.pk for address in addresses])
    }
    preferred = {one.kind: one for one in reversed(addresses)}
    results = _results(contact, preferred.values())
    verdicts = _ask(contact, preferred, now)
    consents = Consent.objects.filter(contact=contact).select_related("recorded_by").in_order()
    latest = {one.channel: one for one in consents}
    likely = chances(
        {c: (contact, preferred[KIND_OF[c]], c) for c in Channel if KIND_OF[c] in preferred}, now
    )
    channels = [
        _reach(
            ChannelRecord(
                channel=channel,
                address=(address := preferred.get(KIND_OF[channel])),
                results=results[channel],
                verdict=verdicts.get(channel),
                suppressions=tuple(
                    one for one in suppressions if meets(one, Target.at(address, contact.pk, channel))
                ),
                health=health.get((address.pk, channel) if address else (0, ""), AddressHealth()),
                consent=next((latest[each] for each in counting_on(channel) if each in latest), None),
                chance=likely.get(channel, Chance()),
            )
        )
        for channel in Channel
    ]
    consented = [latest[c] for c in Channel if c in latest]
    held = any(verdict.reason == Reason.REPLY_UNREAD for verdict in verdicts.values())
    since = unread_since([contact.pk]).get(contact.pk) if held else None
    return SidePanel(channels, consented, suppressions, addresses, since)


def _results(contact: Contact, current: Iterable[Address]) -> Mapping[str, list[Message]]:
    """Settled messages by channel, newest first, as many as count. An address replaced says nothing of the new one."""
    rows = (
        Message.objects.filter(contact=contact, address__in=[one.pk for one in current])
        .exclude(disposition__in=["", Disposition.PENDING])
        .only("channel", "status", "disposition", "fault", "created_at", "updated_at")
        .order_by("-id")[:READ]
    )
    found: dict[str, list[Message]] = defaultdict(list)
    for message in rows:
        if len(found[message.channel]) < LOOK_BACK:
            found[message.channel].append(message)
    return found


def _ask(contact: Contact, preferred: Mapping[str, Address], now: datetime) -> dict[str, Verdict]:
    """The gate's word for each channel we have an address for, as for an ordinary campaign."""
    channels = [channel for channel in Channel if KIND_OF[channel] in preferred]
    campaign = ordinary_campaign()
    asks = [
        campaign.ask(
            number,
            contact_id=contact.pk,
            address_id=preferred[KIND_OF[channel]].pk,
            channel=channel,
            sender=Sender(state=Sender.State.APPROVED),
        )
        for number, channel in enumerate(channels)
    ]
    verdicts = check(asks, now)
    return {channel: verdicts[number] for number, channel in enumerate(channels) if number in verdicts}


def ordinary_campaign() -> Campaign:
    """One that is sending, with the window and the playbook that a new one is offered; not saved."""
    return Campaign(state=Campaign.State.SENDING, playbook=Playbook())


def _reach(record: ChannelRecord) -> Reach:
    channel, address, verdict = record.channel, record.address, record.verdict
    opted_out = record.consent is not None and not record.consent.opted_in
    word, bucket = ("Opted out", "optout") if opted_out else _word(record)
    if verdict and verdict.reason == Reason.REPLY_UNREAD and bucket not in ("optout", "permanent"):
        word, bucket = "On hold", "pending"
    return Reach(
        channel=channel,
        word=word,
        bucket=bucket,
        evidence=_evidence(channel, record.results)
        if address
        else f"No {Kind(KIND_OF[channel]).label.lower()} on record",
        address=address,
        verdict=verdict,
        suppressions=record.suppressions,
        health=record.health,
        consent=record.consent,
        strikes=strike_limit(channel, ordinary_campaign().playbook.strikes, record.health.enough),
        chance=record.chance,
    )


def _word(record: ChannelRecord) -> tuple[str, str]:
    """How well the channel works, and the bucket of that: first what closes it, then what came of it."""
    dead = record.health.closed == AddressHealth.Closed.NUMBER
    if any(not (dead and one.counts_failures) for one in record.suppressions):
        return "Suppressed", "optout"
    if record.address is None:
        return "No address", "unknown"
    if dead:
        return "Not in service", "permanent"
    if record.health.marked_at:
        return "To be corrected", "permanent"
    if _fails(record, record.address):
        return "Not reachable", "permanent"
    if record.verdict and record.verdict.reason in IMPOSSIBLE:
        return IMPOSSIBLE[record.verdict.reason]
    return _word_of_results(record)


def _fails(record: ChannelRecord, address: Address) -> bool:
    wrong = address.validity in (Address.Validity.INVALID, Address.Validity.NEEDS_CORRECTION)
    failed = record.health.hard_fails or record.health.closed
    return bool(failed or wrong or _carrier_refuses(record.results))


def _word_of_results(record: ChannelRecord) -> tuple[str, str]:
    if record.results and record.results[0].disposition == Disposition.BLOCKED_COMPLIANCE:
        return "At risk", "compliance"
    if not record.chance.record.results:
        return "Unknown", "unknown"
    return ("Reachable", "success") if record.chance.value > 0.5 else ("Uncertain", "retryable")


def _carrier_refuses(results: list[Message]) -> bool:
    """Whether the carrier said last that it does not do this. The address's health counts no failure for that."""
    final = (Disposition.DELIVERED, Disposition.BOUNCED_HARD)
    last = next((message for message in results if message.disposition in final), None)
    return last is not None and last.disposition == Disposition.BOUNCED_HARD and last.fault == Fault.CARRIER


def _evidence(channel: Channel, results: list[Message]) -> str:
    """What the word stands on, never a bare score."""
    if not results:
        return "Never tried"
    reaching = {Status.ANSWERED} if channel == Channel.VOICE else REACHING
    arrived = sum(message.status in reaching for message in results)
    word = ARRIVED.get(channel, "Delivered")
    if len(results) == 1:
        return f"{word} once" if arrived else f"One try: {Status(results[0].status).label.lower()}"
    if not arrived:
        return f"{Status(results[0].status).label}, none of the last {len(results)} arrived"
    return f"{word} {arrived} of last {len(results)}"
