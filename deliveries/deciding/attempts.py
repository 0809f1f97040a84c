"""Making attempts and taking them back: the next message of a recipient, and messages that have not left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime

from campaigns.models import Content
from contacts.channels import KIND_OF, Channel
from contacts.models import Address
from deliveries.deciding.context import Context
from deliveries.deciding.recipients import RecipientContext
from deliveries.deciding.routes import CampaignRoute, RouteOption, refused_by_route
from deliveries.ledger.events import apply, event
from deliveries.ledger.statements import chunks
from deliveries.ledger.statements.values import MESSAGE_DIMENSIONS
from deliveries.ledger.tallies import append
from deliveries.models import (
    Message,
    Outbox,
)
from deliveries.statuses import Evidence, FailureClass, Fault, Meaning, Status


def succeed(
    wanted: Iterable[tuple[RecipientContext, str, str, str]],
    context: Context,
    now: datetime,
    due_at: datetime | None = None,
) -> dict[int, Message]:
    """Make the next attempt for each (view, channel, cause, reason): recipient -> message, queued for handover.

    Recipients whose channel has no route or address are left out. The unique successor of a message is enforced
    by the database as well.
    """
    made = {}
    for view, channel, cause, reason in wanted:
        route = context.routes.get((view.campaign.pk, channel))
        address = context.addresses.get((view.recipient.contact_id, KIND_OF[Channel(channel)]))
        option = route and address and option_for(view, channel, route, address)
        if not (route and address and option):
            continue
        made[view.recipient.pk] = _successor(
            view, channel, cause, reason, route.content, option, address, now, due_at or now
        )
    messages = Message.objects.bulk_create(made.values(), batch_size=300)
    Outbox.objects.bulk_create([outbox_of(message) for message in messages], batch_size=500)
    append(Counter(tuple(getattr(m, name) for name in MESSAGE_DIMENSIONS) for m in messages))
    return made


def option_for(
    view: RecipientContext, channel: str, route: CampaignRoute, address: Address
) -> RouteOption | None:
    """What the next attempt leaves by: not by what has just refused this one, where another may take it."""
    usual = route.pick(address.region, address.carrier, view.recipient.pk)
    if channel == view.head.channel and refused_by_route(view.head):
        return route.unused(address.region, view.tried_by(channel)) or usual
    return usual


def _successor(
    view: RecipientContext,
    channel: str,
    cause: str,
    reason: str,
    content: Content,
    option: RouteOption,
    address: Address,
    now: datetime,
    due_at: datetime,
) -> Message:
    head = view.head
    return Message(
        recipient_id=view.recipient.pk,
        campaign_id=view.campaign.pk,
        contact_id=view.recipient.contact_id,
        address_id=address.pk,
        sender_id=option.sender.pk,
        account_id=option.account.pk,
        follows_id=head.pk,
        list_source_id=head.list_source_id,
        channel=channel,
        attempt=1 + sum(m.channel == channel for m in view.messages),
        cause=cause,
        cause_reason=reason[:200],
        rule_version=view.campaign.playbook.version,
        priority=view.campaign.priority,
        goal=view.campaign.goal,
        carrier=address.carrier,
        region=address.region,
        content_version=content.version,
        created_at=now,
        created_on=now.date(),
        due_at=due_at,
        updated_at=now,
    )


def outbox_of(message: Message) -> Outbox:
    return Outbox(
        message_id=message.pk,
        campaign_id=message.campaign_id,
        account_id=message.account_id,
        sender_id=message.sender_id,
        urgent=message.priority == "urgent",
        due_at=message.due_at,
    )


def withdraw(message_ids: Collection[int], reason: str, now: datetime) -> list[int]:
    """Take messages back that nobody has begun to hand over; return those it was not too late for."""
    taken: list[int] = []
    for chunk in chunks(sorted(message_ids)):
        waiting = (
            Outbox.objects.select_for_update().filter(message_id__in=chunk, claimed_until=None).order_by("pk")
        )
        ids = list(waiting.values_list("message_id", flat=True))
        Outbox.objects.filter(pk__in=ids).delete()
        taken += ids
    messages = Message.objects.filter(pk__in=taken)
    meaning = Meaning(Status.CANCELED, FailureClass.NONE, Fault.NONE, Evidence.CLOCK)
    apply([event(m.pk, m.goal, meaning, at=now, native=(reason, "", "")) for m in messages], now)
    messages.update(canceled_at=now)
    return taken
