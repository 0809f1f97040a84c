"""What a bulk action would do with each row, and the preview that counts it. Writes nothing.

The run asks `judge` about each row too, so what the preview counts is what acts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from contacts.blocking import blocks
from contacts.channels import KIND_OF, Channel
from contacts.gate import REASONS, Reason, check
from contacts.models import Address, AddressHealth
from deliveries.bulk.selections import Selection
from deliveries.deciding.context import (
    Context,
    ask,
    has_opted_out,
    load_context,
)
from deliveries.deciding.decide import HISTORY
from deliveries.deciding.health import NO_FAILURES, is_forgiven
from deliveries.deciding.recipients import RecipientContext, load_recipients
from deliveries.deciding.routes import CampaignRoute
from deliveries.models import Batch, Message
from deliveries.statuses import OPEN, Disposition, FailureClass
from deliveries.wording import SKIPS

Action = Batch.Action
PREVIEW_SLICE = 1_000  # rows judged together: more would only take more memory
PREVIEW_MOST = 5_000  # rows judged for a page; about a second
SAMPLE = 10  # rows shown, half of them skipped ones


class Skip(NamedTuple):
    reason: str
    label: str
    n: int


@dataclass(frozen=True)
class Preview:
    """What a bulk action would do, row for row, without doing it.

    `total` rows were looked at: the first of the selection, when `more` is set.
    """

    total: int
    will_act: int
    later: int  # of those that act: held until the recipient's hours open
    skipped: list[Skip] = field(default_factory=list)
    sample: list[dict] = field(default_factory=list)  # message, acts, reason
    reversible: str = ""
    more: bool = False
    first: Mapping[tuple[int, str], Message] = field(
        default_factory=dict
    )  # that acts, by campaign and channel


class Judged(NamedTuple):
    """What the action does with one message: acts (perhaps later), or is skipped for `skip`."""

    view: RecipientContext | None
    message: Message
    skip: str = ""
    later: bool = False


REVERSIBLE = {
    Action.RETRY: "until each message is handed over, a minute from now at the earliest",
    Action.SWITCH: "until each message is handed over, a minute from now at the earliest",
    Action.CORRECT: "at any time",
    Action.SUPPRESS: "at any time, by an administrator or by undoing this bulk action",
}


def preview(action: str, selection: Selection, options: dict, now: datetime) -> Preview:
    """Count what would act and what would be skipped, by the same rules that will run; of a very large selection
    among its first rows. Locks nothing and writes nothing."""
    total = will_act = later = 0
    skipped: Counter[str] = Counter()
    acts: list[dict] = []
    skips: list[dict] = []
    first: dict[tuple[int, str], Message] = {}
    for slice_of in _slices(selection, PREVIEW_SLICE, PREVIEW_MOST):
        views = load_recipients(sorted({message.recipient_id for message in slice_of}))
        for judged in judge(action, slice_of, views, load_context(views, now), options, now):
            total += 1
            will_act += not judged.skip
            later += judged.later
            if judged.skip:
                skipped[judged.skip] += 1
            else:
                first.setdefault((judged.message.campaign_id, judged.message.channel), judged.message)
            like = skips if judged.skip else acts
            if len(like) < SAMPLE:
                reason = SKIPS.get(judged.skip, judged.skip)
                like.append({"message": judged.message, "acts": not judged.skip, "reason": reason})
    rows = [Skip(reason, SKIPS.get(reason, reason), n) for reason, n in skipped.most_common()]
    # Half of each kind, or more of one where the other has fewer; those that are skipped need explaining first.
    sample = [*skips[: max(SAMPLE // 2, SAMPLE - len(acts))], *acts][:SAMPLE]
    more = total >= PREVIEW_MOST and selection.messages()[PREVIEW_MOST : PREVIEW_MOST + 1].exists()
    return Preview(total, will_act, later, rows, sample, REVERSIBLE[Action(action)], more, first)


def _slices(selection: Selection, size: int, most: int) -> Iterator[list[Message]]:
    last = seen = 0
    while seen < most and (rows := list(selection.messages().filter(pk__gt=last)[: min(size, most - seen)])):
        yield rows
        last, seen = rows[-1].pk, seen + len(rows)


def judge(
    action: str,
    messages: Sequence[Message],
    views: Sequence[RecipientContext],
    context: Context,
    options: dict,
    now: datetime,
) -> list[Judged]:
    """What `action` does with each message, by what is known about its recipient. Writes nothing."""
    by_recipient = {view.recipient.pk: view for view in views}
    judged = [
        Judged(view, message, _obstacle(action, message, view, context, now))
        for message in messages
        for view in [by_recipient.get(message.recipient_id)]
    ]
    if action in (Action.RETRY, Action.SWITCH):
        return _ask_gate(action, judged, options, context, now)
    return _done_already(action, judged, now)


def _obstacle(
    action: str, message: Message, view: RecipientContext | None, context: Context, now: datetime
) -> str:
    """Why this message is not fit for the action, before anybody asks the gate; '' when it is."""
    if view is None:
        return "not_latest"
    if action in (Action.CORRECT, Action.SUPPRESS):
        arrived = view.reached_by
        newer = action == Action.SUPPRESS and arrived is not None and arrived.pk > message.pk
        return "reached" if newer else ""
    if view.reached_by:
        return "delivered"
    if message.pk != view.head.pk:
        return "under_way" if view.head.status in OPEN else "not_latest"
    if has_opted_out(view, context):
        return "opted_out"
    if now - (message.handed_over_at or message.created_at) >= HISTORY:
        return "history"
    if action == Action.RETRY:
        if message.status in OPEN:
            return "under_way"
        health = context.health.get((message.address_id, message.channel), NO_FAILURES)
        unchanged = message.address.preferred and not is_forgiven(message, health)
        if message.disposition == Disposition.BOUNCED_HARD and unchanged:
            return "permanent"
    return ""


def _ask_gate(
    action: str, judged: Sequence[Judged], options: dict, context: Context, now: datetime
) -> list[Judged]:
    asks, answers = [], {}
    for number, (view, message, skip, _) in enumerate(judged):
        if skip or view is None:
            continue
        channel = options["channel"] if action == Action.SWITCH else message.channel
        route = context.routes.get((view.campaign.pk, channel))
        if route is None:
            answers[number] = "no_route"
        elif action == Action.RETRY and _says_the_same(message, route):
            answers[number] = "ours_to_mend"
        elif action == Action.SWITCH and channel == message.channel:
            answers[number] = "same_channel"
        else:
            address = context.addresses.get((message.contact_id, KIND_OF[Channel(channel)]))
            asks.append(ask(number, view.campaign, route, message.contact_id, address, channel))
    verdicts = check(asks, now)
    result = []
    for number, one in enumerate(judged):
        if number in answers:
            one = one._replace(skip=answers[number])
        elif (verdict := verdicts.get(number)) and not verdict.allowed:
            holds = REASONS[Reason(verdict.reason)].holds
            one = one._replace(later=holds, skip="" if holds else str(verdict.reason))
        result.append(one)
    return result


def _says_the_same(message: Message, route: CampaignRoute) -> bool:
    """Whether a message that was refused for its content would be sent with that very content again."""
    refused = message.failure_class == FailureClass.CONTENT
    return refused and message.content_version == route.content.version


def _done_already(action: str, judged: Sequence[Judged], now: datetime) -> list[Judged]:
    """With those skipped at whose address something arrived since, or that is marked, or suppressed, already.

    Three queries at most.
    """
    judged = _except_reached(judged)
    if action == Action.CORRECT:
        marked = AddressHealth.objects.filter(
            address__in={one.message.address_id for one in judged}, marked_at__isnull=False
        )
        pairs = set(marked.values_list("address_id", "channel"))
        return [
            one._replace(skip="already_marked") if not one.skip and _marked(one, pairs) else one
            for one in judged
        ]
    met = blocks({one.message.target for one in judged}, now)
    return [
        one._replace(skip="already_suppressed") if not one.skip and met[one.message.target] else one
        for one in judged
    ]


def _except_reached(judged: Sequence[Judged]) -> list[Judged]:
    """An address where a newer message arrived on that channel, of whichever campaign, works."""
    messages = [one.message for one in judged if not one.skip]
    arrived = Message.objects.filter(
        contact__in={message.contact_id for message in messages},
        disposition=Disposition.DELIVERED,
        pk__gt=min((message.pk for message in messages), default=0),
    )
    latest: dict[tuple[int, str], int] = {}
    for address, channel, pk in arrived.values_list("address_id", "channel", "pk") if messages else ():
        latest[address, channel] = max(pk, latest.get((address, channel), 0))
    return [
        one._replace(skip="reached")
        if not one.skip and latest.get((one.message.address_id, one.message.channel), 0) > one.message.pk
        else one
        for one in judged
    ]


def _marked(one: Judged, pairs: Collection[tuple[int, str]]) -> bool:
    address = one.message.address
    if (address.pk, one.message.channel) in pairs:
        return True
    return address.validity == Address.Validity.NEEDS_CORRECTION or not address.preferred
