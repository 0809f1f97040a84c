"""What a suppression has held back: people whom campaigns skipped for it. Counted before it is released, and sent then
if that is wanted. What is too old stays unsent; what follows an earlier attempt, deciding looks at by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import Q

from campaigns.models import Campaign, Recipient
from contacts.blocking import Target, meets
from contacts.channels import KIND_OF, Channel
from contacts.gate import REASONS, Reason, Verdict, judge
from contacts.gate_facts import NOTHING_WRONG, Ask, gather
from contacts.hours import local_zones
from contacts.models import Address, Suppression
from deliveries.deciding.attempts import outbox_of
from deliveries.deciding.followup import settle
from deliveries.deciding.routes import RouteOption, routes
from deliveries.ledger.statements.values import MESSAGE_DIMENSIONS
from deliveries.ledger.tallies import append
from deliveries.models import Canary, Message, Outbox
from deliveries.models.work import CANARY, NOT_NOW

MOST = 500  # recipients looked at: one address has seldom more


@dataclass(frozen=True)
class HeldBack:
    """`ready` would be sent once the suppression is lifted; for `blocked` something else stands against it."""

    ready: list[Ready] = field(default_factory=list)
    too_old: int = 0
    blocked: int = 0


@dataclass(frozen=True)
class Ready:
    recipient: Recipient
    address: Address
    option: RouteOption
    content_version: int
    verdict: Verdict  # allowed, or held until later
    channel: str


def held_back(block: Suppression, now: datetime) -> HeldBack:
    """Reads only, in a fixed number of queries."""
    rows = list(Suppression.objects.filter(Q(pk=block.pk) | Q(follows=block), released_at=None))
    found = _skipped(rows)
    addresses = preferred_addresses({one.contact_id for one in found})
    met = [
        (one, address)
        for one in found
        if (address := addresses.get((one.contact_id, KIND_OF[Channel(one.campaign.channel)])))
        and any(
            meets(row, Target.at(address, one.contact_id, one.campaign.channel, row.scope_value))
            for row in rows
        )
    ]
    fresh = [pair for pair in met if is_in_time(pair[0].campaign, now)]
    ways = routes({one.campaign for one, _ in fresh})
    ready: list[Ready] = []
    blocked = 0
    asks: dict[int, tuple[Recipient, Address, RouteOption, int]] = {}
    for one, address in fresh:
        route = ways.get((one.campaign_id, one.campaign.channel))
        option = route and route.pick(address.region, address.carrier, one.pk)
        if route and option:
            asks[one.pk] = (one, address, option, route.content.version)
        else:
            blocked += 1
    for pk, verdict in _without(rows, asks_of(asks), now, forgiven=block.counts_failures).items():
        if verdict.allowed or REASONS[Reason(verdict.reason)].holds:
            ready.append(Ready(*asks[pk], verdict, asks[pk][0].campaign.channel))
        else:
            blocked += 1
    return HeldBack(ready, len(met) - len(fresh), blocked)


@transaction.atomic
def send_held_back(ready: Collection[Ready], why: str, now: datetime) -> int:
    """Make the first message of each, once nothing blocks it any more; return how many. The gate has the last word, at
    its handover. Whoever is no longer skipped is left alone; where a first slice goes first, they wait."""
    sliced = _with_a_slice({one.recipient.campaign_id for one in ready})
    ids = [one.recipient.pk for one in ready]
    waiting = (
        Recipient.objects.select_for_update().filter(pk__in=ids, state=Recipient.State.SKIPPED).order_by("pk")
    )
    still = set(waiting.values_list("pk", flat=True))
    made = [_message(one, why, now) for one in ready if one.recipient.pk in still]
    messages = Message.objects.bulk_create(made, batch_size=300)
    Outbox.objects.bulk_create([_outbox(message, sliced) for message in messages], batch_size=500)
    append(Counter(tuple(getattr(one, name) for name in MESSAGE_DIMENSIONS) for one in messages))
    settle(still, now)
    return len(messages)


def _with_a_slice(campaigns: Collection[int]) -> set[int]:
    """Those of which others wait for a first slice. Locked, so that whatever lets these go finds the new ones too."""
    waiting = Canary.objects.filter(over_at=None, campaign__in=campaigns).values_list("pk", flat=True)
    if found := list(waiting):
        list(Campaign.objects.select_for_update().filter(pk__in=found).order_by("pk").values_list("pk"))
    return set(waiting.all())  # once more: it may have ended before the lock


def _outbox(message: Message, sliced: Collection[int]) -> Outbox:
    """As the others of its campaign: without a time while they wait for the first slice."""
    made = outbox_of(message)
    if message.campaign_id in sliced:
        made.due_at, made.held = NOT_NOW, CANARY
    return made


def _skipped(rows: Sequence[Suppression]) -> list[Recipient]:
    """People of these blocks whom a campaign skipped for a block."""
    keys = {row.match_key for row in rows if row.value}
    whose = (
        Q(contact__in=Address.objects.filter(match_key__in=keys).values("contact_id"))
        if keys
        else Q(pk__in=[])
    )
    whole = {row.contact_id for row in rows if not row.value}
    skipped = Recipient.objects.filter(state=Recipient.State.SKIPPED, skip_reason=Reason.SUPPRESSED)
    found = skipped.filter(whose | Q(contact__in=whole)).select_related("campaign__playbook", "contact")
    return list(found.order_by("-pk")[:MOST])


def preferred_addresses(contacts: Collection[int]) -> Mapping[tuple[int, str], Address]:
    preferred = Address.objects.filter(contact__in=contacts, preferred=True)
    return {(one.contact_id, one.kind): one for one in preferred}


def is_in_time(campaign: Campaign, now: datetime) -> bool:
    return campaign.is_going and (campaign.relevant_until is None or now < campaign.relevant_until)


def asks_of(asks: Mapping[int, tuple[Recipient, Address, RouteOption, int]], channel: str = "") -> list[Ask]:
    """What the gate is asked about each; by the channel of its campaign unless another is named."""
    return [
        one.campaign.ask(
            pk,
            contact_id=one.contact_id,
            address_id=address.pk,
            channel=channel or one.campaign.channel,
            sender=option.sender,
        )
        for pk, (one, address, option, _) in asks.items()
    ]


def _without(
    rows: Collection[Suppression], asks: Sequence[Ask], now: datetime, *, forgiven: bool
) -> dict[int, Verdict]:
    """The gate's verdicts if these blocks were lifted, and the failures `forgiven` that they stood for."""
    lifted = {row.pk for row in rows}
    verdicts = {}
    for ask, facts in zip(asks, gather(asks, now), strict=True):
        left = tuple(one for one in facts.suppressions if one.id not in lifted)
        health = NOTHING_WRONG if forgiven else facts.health
        verdicts[ask.key] = judge(replace(facts, suppressions=left, health=health), ask, now)
    return verdicts


def _message(ready: Ready, why: str, now: datetime) -> Message:
    recipient, address, campaign = ready.recipient, ready.address, ready.recipient.campaign
    begins = max(now, campaign.starts_at) if campaign.starts_at else now
    begins = campaign.start_in(local_zones(recipient.contact.time_zone, address.time_zone), begins)
    return Message(
        recipient_id=recipient.pk,
        campaign_id=campaign.pk,
        contact_id=recipient.contact_id,
        address_id=address.pk,
        sender_id=ready.option.sender.pk,
        account_id=ready.option.account.pk,
        list_source_id=recipient.contact.source_id or 0,
        channel=ready.channel,
        cause_reason=why[:200],
        rule_version=campaign.playbook.version,
        priority=campaign.priority,
        goal=campaign.goal,
        carrier=address.carrier,
        region=address.region,
        content_version=ready.content_version,
        created_at=now,
        created_on=begins.astimezone(UTC).date(),
        due_at=max(begins, ready.verdict.until or begins),
        updated_at=now,
    )
