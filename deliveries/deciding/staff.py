"""What a colleague decides for one recipient: run the next step now, or stop the automatic ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from campaigns.models import Content, Recipient
from contacts.channels import KIND_OF, Channel
from contacts.models import Address
from deliveries.deciding.attempts import succeed, withdraw
from deliveries.deciding.context import (
    Context,
    arguments,
    load_context,
)
from deliveries.deciding.decide import Step, decide
from deliveries.deciding.facts import Decided
from deliveries.deciding.followup import lock_with_context, settle
from deliveries.deciding.recipients import RecipientContext, load_recipients
from deliveries.models import (
    Cause,
    Decision,
)


class Planned(NamedTuple):
    """What the planned step of a recipient would send, and where to, were it made now."""

    channel: str
    address: Address
    content: Content


def would_send(recipients: Sequence[Recipient], now: datetime) -> dict[int, Planned]:
    """Recipient -> what `run_next_step_now` would send; without those for whom it would send nothing.

    Reads only, in a fixed number of queries.
    """
    views = load_recipients([one.pk for one in recipients if one.next_step in (Step.RETRY, Step.SWITCH)])
    if not views:
        return {}
    context = load_context(views, now)
    found = {view.recipient.pk: _planned(view, context, now) for view in views}
    return {recipient: planned for recipient, planned in found.items() if planned}


def _planned(view: RecipientContext, context: Context, now: datetime) -> Planned | None:
    plan = _next(view, context, now)
    if plan is None:
        return None
    channel = plan.switch_to or view.head.channel
    route = context.routes.get((view.campaign.pk, channel))
    address = context.addresses.get((view.recipient.contact_id, KIND_OF[Channel(channel)]))
    return Planned(channel, address, route.content) if route and address else None


def _next(view: RecipientContext, context: Context, now: datetime) -> Decided | None:
    """The retry or switch that is planned by today's facts; None when there is none any more."""
    plan = decide(*arguments(view, context), now)
    retries = plan.step == Step.RETRY
    return plan if retries or (plan.step == Step.SWITCH and plan.switch_to) else None


def run_next_step_now(recipient: Recipient, by, now: datetime) -> bool:
    """Make the planned retry or switch at once; False when there is none any more."""
    with transaction.atomic():
        views, context = lock_with_context([recipient.pk], now)
        planned = bool(views) and views[0].recipient.next_step in (Step.RETRY, Step.SWITCH)
        plan = _next(views[0], context, now) if planned else None
        if plan is None:
            settle([recipient.pk], now)
            return False
        view = views[0]
        cause = Cause.BULK_SWITCH if plan.switch_to else Cause.BULK_RETRY
        reason = f"{by.display_name} did not wait: {plan.reason}"
        made = succeed([(view, plan.switch_to or view.head.channel, cause, reason)], context, now)
        note_staff(view, plan.step, reason, now)
        settle([recipient.pk], now)
        return bool(made)


def cancel_next_step(recipient: Recipient, by, now: datetime) -> bool:
    """Stop the automatic steps for this recipient, and take back what has not left yet."""
    with transaction.atomic():
        views = load_recipients([recipient.pk], lock=True)
        if not views:
            settle([recipient.pk], now)
            return False
        Recipient.objects.filter(pk=recipient.pk).update(automatic=False)
        withdraw([m.pk for m in views[0].messages], "stopped", now)
        note_staff(views[0], Step.NONE, f"{by.display_name} stopped the automatic steps.", now)
        settle([recipient.pk], now)
        return True


def note_staff(view: RecipientContext, step: str, reason: str, now: datetime) -> None:
    """Record what a colleague decided for one recipient."""
    Decision.objects.create(
        message_id=view.head.pk,
        recipient_id=view.recipient.pk,
        contact_id=view.recipient.contact_id,
        at=now,
        by="staff",
        rule="staff",
        step=step,
        due_at=now,
        reason=reason[:300],
    )
