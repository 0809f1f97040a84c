"""Everything that a decision about recipients depends on, beside their attempts.

Read for many recipients at once, in a fixed number of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Max

from campaigns.models import Campaign
from contacts.blocking import Block, Target, blocks, stand_for
from contacts.channels import KIND_OF, Channel
from contacts.chunks import in_lists
from contacts.consent_ledger import latest_consents
from contacts.gate import REASONS, Ask, Reason, Verdict, check
from contacts.hours import local_zones
from contacts.jurisdictions import Law, laws
from contacts.models import Address, Consent
from deliveries.deciding.decide import STILL_WORTH_IT
from deliveries.deciding.facts import Facts, Rules
from deliveries.deciding.health import NO_FAILURES, Health, examine, is_forgiven, troubled
from deliveries.deciding.recipients import RecipientContext
from deliveries.deciding.routes import CampaignRoute, refused_by_route, routes
from deliveries.deciding.rules import hindrance_of, rules_of
from deliveries.meaning.mappings import describe
from deliveries.models import Account, Message, ReceiptGap
from deliveries.outcomes.chance import Chance, compared, in_order
from deliveries.outcomes.chance_sql import chances
from deliveries.statuses import REACHING, Disposition, Fault, Status, is_miss

PASS_ON_AFTER = timedelta(minutes=settings.PASS_ON_AFTER_MINUTES)  # of what is not urgent, to the next route
TO_CORRECT = {Reason.NEEDS_CORRECTION, Reason.INVALID_ADDRESS, Reason.NOT_IN_SERVICE}


@dataclass
class Context:
    """What the database says about a set of recipients, read in a fixed number of queries."""

    routes: dict[tuple[int, str], CampaignRoute]
    addresses: dict[tuple[int, str], Address]  # (contact, kind) -> the preferred one
    providers: dict[int, str]
    health: Mapping[tuple[int, str], Health]
    verdicts: dict[tuple[int, str], Verdict] = field(default_factory=dict)  # (recipient, channel)
    blocks: dict[int, tuple[Block, ...]] = field(default_factory=dict)  # recipient -> what meets one more
    opted_out: dict[int, dict[str, datetime]] = field(default_factory=dict)  # contact -> channel -> when
    chances: dict[tuple[int, str], Chance] = field(default_factory=dict)  # (recipient, channel)
    silent: dict[int, datetime] = field(
        default_factory=dict
    )  # account -> since when its receipts are missing
    refused: set[int] = field(default_factory=set)  # recipients for whom nothing is sent by itself any more


def load_context(
    views: Sequence[RecipientContext], now: datetime, health: Mapping[tuple[int, str], Health] | None = None
) -> Context:
    """Routes, addresses, health, and the gate's verdict on each channel that could be used. Writes nothing.

    `health`: what `refresh` has just stored of `fallible(views)`; None to read it from the messages. The gate goes by
    what is stored.
    """
    contacts = {view.recipient.contact_id for view in views}
    preferred = Address.objects.filter(contact_id__in=contacts, preferred=True)
    context = Context(
        routes=routes({view.campaign for view in views}),
        addresses={(a.contact_id, a.kind): a for a in preferred},
        providers=Account.objects.providers(),
        health=examine(fallible(views)) if health is None else health,
    )
    context.verdicts = _ask(views, context, now)
    context.chances = _chances(views, context, now)
    context.blocks = _blocks(views, context, now)
    context.opted_out, context.refused = _opted_out(contacts), _refused(views, now)
    if any(view.head.disposition == Disposition.PENDING for view in views):
        context.silent = ReceiptGap.held()
    return context


def fallible(views: Sequence[RecipientContext]) -> set[tuple[int, int, str]]:
    """The (contact, address, channel) whose health these attempts bear on: where one failed for good, did not reach the
    person, or arrived after others had failed."""
    failed = {
        (m.contact_id, m.address_id, m.channel)
        for v in views
        for m in v.messages
        if (m.disposition == Disposition.BOUNCED_HARD and m.fault == Fault.RECIPIENT)
        or is_miss(m.disposition, m.fault, m.failure_class, m.status)
    }
    fine = {m.address_id: m.contact_id for v in views for m in v.messages if m.status in REACHING}
    return failed | {(fine[address], address, channel) for address, channel in troubled(fine)}


def _blocks(
    views: Sequence[RecipientContext], context: Context, now: datetime
) -> dict[int, tuple[Block, ...]]:
    """By recipient, the suppressions in force that meet one more attempt on the channel of the last."""
    targets = {view.recipient.pk: _target(view, context) for view in views if _needs_an_answer(view, now)}
    met = blocks(set(targets.values()), now) if targets else {}
    return {recipient: met[target] for recipient, target in targets.items()}


def _target(view: RecipientContext, context: Context) -> Target:
    head = view.head
    address = context.addresses.get((head.contact_id, KIND_OF[Channel(head.channel)]))
    route = context.routes.get((view.campaign.pk, head.channel))
    sender = route.content.sender.value if route else ""
    return Target.at(address, head.contact_id, head.channel, sender)


def _needs_an_answer(view: RecipientContext, now: datetime) -> bool:
    """Whether it matters if the gate lets one more attempt pass: not of what arrived, nor while it is under way."""
    under_way = view.head.disposition == Disposition.PENDING and not _late(view, now)
    return not (view.reached_by or under_way)


def _opted_out(contacts: Collection[int]) -> dict[int, dict[str, datetime]]:
    """When each of them opted out of a channel: contact -> channel -> when; without those who opted in again since."""
    found: dict[int, dict[str, datetime]] = defaultdict(dict)
    for (contact, channel), consent in latest_consents(contacts).items():
        if not consent.opted_in:
            found[contact][channel] = consent.at
    return found


def _refused(views: Sequence[RecipientContext], now: datetime) -> set[int]:
    """The recipients whose attempt is old, and who answered it with a no before they opted in again: they ask for what
    comes next. What a colleague sends since goes on."""
    last: dict[int, datetime] = {}
    for part in in_lists({view.recipient.contact_id for view in views}):
        opt_outs = Consent.objects.filter(contact_id__in=part, opted_in=False).counting().order_by()
        last |= dict(opt_outs.values_list("contact_id").annotate(last=Max("at")))
    return {
        view.recipient.pk
        for view in views
        if (opted_out_at := last.get(view.recipient.contact_id))
        and (left := view.head.handed_over_at)
        and left <= min(opted_out_at, now - STILL_WORTH_IT)
    }


def has_opted_out(view: RecipientContext, context: Context) -> bool:
    """Whether the person opted out, of whichever channel, in answer to what this campaign sent, or after it."""
    if any(message.disposition == Disposition.OPTOUT for message in view.messages):
        return True
    return bool(_opted_out_since(view, context))


def _opted_out_since(view: RecipientContext, context: Context) -> set[str]:
    """The channels that the person opted out of since the first attempt left."""
    first = view.messages[0].handed_over_at
    opted_out = context.opted_out.get(view.recipient.contact_id, {})
    return {channel for channel, at in opted_out.items() if first and at >= first}


def _is_over(view: RecipientContext) -> bool:
    """Whether nothing is sent by itself any more: it was canceled, a colleague stopped it, or the attempt was old when
    a corrected code said what became of it."""
    canceled, read_at = view.campaign.state == Campaign.State.CANCELED, view.recipient.read_anew_at
    return canceled or not view.recipient.automatic or bool(read_at and view.head.created_at < read_at)


def _ask(
    views: Sequence[RecipientContext], context: Context, now: datetime
) -> dict[tuple[int, str], Verdict]:
    """What the gate would say to each recipient's channels."""
    asks: list[Ask] = []
    keys: list[tuple[int, str]] = []
    for view in views:
        if not _needs_an_answer(view, now):
            continue
        for channel in [view.head.channel, *_others(view)]:
            route = context.routes.get((view.campaign.pk, channel))
            address = context.addresses.get((view.recipient.contact_id, KIND_OF[Channel(channel)]))
            if route is None:
                continue
            asks.append(ask(len(keys), view.campaign, route, view.recipient.contact_id, address, channel))
            keys.append((view.recipient.pk, channel))
    verdicts = check(asks, now)
    return {keys[number]: verdict for number, verdict in verdicts.items()}


def _late(view: RecipientContext, now: datetime) -> bool:
    """Whether a pending attempt is old enough for another channel to matter."""
    head = view.head
    waited = now - head.handed_over_at if head.handed_over_at else timedelta(0)
    return head.status == Status.DELAYED or waited >= rules_of(view.campaign.playbook).next_look(timedelta(0))


def _others(view: RecipientContext) -> list[str]:
    """The playbook's channels that this recipient has not been tried on."""
    tried = {m.channel for m in view.messages}
    return [channel for channel in view.campaign.moves_to if channel not in tried]


def _usable(view: RecipientContext, context: Context) -> list[str]:
    """Those of them that the gate lets pass, now or later; one whose sender may not send only if there is no other."""
    found = [
        channel
        for channel in _others(view)
        if (verdict := context.verdicts.get((view.recipient.pk, channel)))
        and (verdict.allowed or REASONS[Reason(verdict.reason)].holds)
    ]
    waits = {
        channel
        for channel in found
        if context.verdicts[view.recipient.pk, channel].reason == Reason.SENDER_NOT_APPROVED
    }
    return [channel for channel in found if channel not in waits] or found


def _chances(
    views: Sequence[RecipientContext], context: Context, now: datetime
) -> dict[tuple[int, str], Chance]:
    """How likely a message arrives on each channel, of recipients whose playbook chooses by that among several."""
    wanted = {
        (view.recipient.pk, channel): (view.recipient.contact, address, channel)
        for view in views
        if view.campaign.playbook.by_chance and len(usable := _usable(view, context)) > 1
        for channel in usable
        if (address := context.addresses.get((view.recipient.contact_id, KIND_OF[Channel(channel)])))
    }
    return chances(wanted, now)


def ask(
    key: int, campaign: Campaign, route: CampaignRoute, contact_id: int, address: Address | None, channel: str
) -> Ask:
    """The gate's question about one message of this campaign, by the route that it would take.

    What somebody said of the campaign's own sender holds whichever it leaves by.
    """
    option = route.first(address.region if address else "")
    asked = campaign.ask(
        key,
        contact_id=contact_id,
        address_id=address.pk if address else None,
        channel=channel,
        sender=route.content.sender,
    )
    return replace(asked, sender_state=option.sender.state) if option else asked


def _next_route(view: RecipientContext, context: Context, address: Address | None) -> str:
    """The account that may take what another has refused; '' where nothing was refused, or no list names one more."""
    head = view.head
    route = context.routes.get((view.campaign.pk, head.channel))
    if route is None or address is None or not refused_by_route(head):
        return ""
    option = route.unused(address.region, view.tried_by(head.channel))
    return option.account.name if option else ""


def arguments(view: RecipientContext, context: Context) -> tuple[Facts, Rules]:
    """The facts of one recipient, as `decide` wants them, with the rules that hold for it."""
    head, campaign = view.head, view.campaign
    reached = view.reached_by
    address = context.addresses.get((head.contact_id, KIND_OF[Channel(head.channel)]))
    own = context.verdicts.get((view.recipient.pk, head.channel))
    health = context.health.get((head.address_id, head.channel), NO_FAILURES)
    met = context.blocks.get(view.recipient.pk, ())
    usable = _usable(view, context)
    likely = {c: chance for c in usable if (chance := context.chances.get((view.recipient.pk, c)))}
    facts = Facts(
        channel=head.channel,
        status=head.status,
        failure_class=head.failure_class,
        fault=head.fault,
        disposition=head.disposition,
        reason=reason_of(head, context),
        handed_over_at=head.handed_over_at,
        settled_at=head.settled_at,
        attempts=sum(m.channel == head.channel for m in view.messages),
        first_attempt_at=view.since(view.messages),
        channel_since=view.since([m for m in view.messages if m.channel == head.channel]),
        reached_by=reached.channel if reached else "",
        evidence_missing=_evidence_missing(head, context),
        hindrance=hindrance_of(head, context.providers.get(head.account_id, "")),
        opted_out_here=bool(own and own.reason == "opted_out")
        or head.channel in _opted_out_since(view, context),
        opted_out_since=has_opted_out(view, context),
        blocked=_blocked(own),
        suppressed=bool(met),
        suppressed_everywhere=any(not block.channel for block in met),
        asks_for_address=stand_for(met, f"message {head.pk}"),
        suppressed_until=_end_of(met),
        needs_correction=bool(own and own.reason in TO_CORRECT),
        replaced=bool(address and address.pk != head.address_id) or is_forgiven(head, health),
        hard_fails=health.hard_fails,
        enough=health.enough,
        unreachable=health.unreachable,
        valuable=view.recipient.contact.value_tier > 0,
        closed=health.closed,
        zone=" ".join(zone.key for zone in _zones(view, address)),
        window=(campaign.window_start, campaign.window_end),
        laws=_laws(view, address),
        urgent=campaign.is_urgent,
        ended=_is_over(view) or view.recipient.pk in context.refused,
        relevant_until=campaign.relevant_until,
        alternatives=tuple(in_order(likely) or usable),
        compared=compared(likely),
        next_route=_next_route(view, context, address),
        pass_on_after=timedelta(0) if campaign.is_urgent else PASS_ON_AFTER,
    )
    return facts, rules_of(campaign.playbook)


def _evidence_missing(message: Message, context: Context) -> bool:
    since = context.silent.get(message.account_id)
    return since is not None and message.is_without_evidence(since)


def _end_of(met: Sequence[Block]) -> datetime | None:
    """When the last of these ends; None when one never does."""
    ends = [block.expires_at for block in met if block.expires_at]
    return max(ends, default=None) if len(ends) == len(met) else None


def _laws(view: RecipientContext, address: Address | None) -> tuple[Law, ...]:
    if address is None:
        return ()
    return laws(address.region, address.match_key, view.head.channel, view.campaign.purpose)


def _zones(view: RecipientContext, address: Address | None) -> tuple[ZoneInfo, ...]:
    return local_zones(view.recipient.contact.time_zone, address.time_zone if address else "")


def reason_of(message: Message, context: Context) -> str:
    """What its code means, in words; '' without a code."""
    if not message.reason_code:
        return ""
    provider = context.providers.get(message.account_id, "")
    return describe(provider, message.channel, message.reason_code, message.status).short


def _blocked(verdict: Verdict | None) -> str:
    """Why the gate would stop the next attempt, in words; '' when it would pass or only wait."""
    if verdict is None or verdict.allowed or REASONS[Reason(verdict.reason)].holds:
        return ""
    return REASONS[Reason(verdict.reason)].sentence
