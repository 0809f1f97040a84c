"""What a colleague decides for one recipient: run the next step now, or stop the automatic ones."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns.models import Recipient
from deliveries.deciding.attempts import succeed, withdraw
from deliveries.deciding.context import View, arguments, learn, load
from deliveries.deciding.decide import Step, decide
from deliveries.deciding.followup import settle
from deliveries.models import (
    Cause,
    Decision,
)


def run_next_step_now(recipient: Recipient, by, now: datetime) -> bool:
    """Make the planned retry or switch at once; False when there is none any more."""
    with transaction.atomic():
        views = load([recipient.pk])
        if not views or views[0].recipient.next_step not in (Step.RETRY, Step.SWITCH):
            return False
        view = views[0]
        known = learn(views, now)
        plan = decide(*arguments(view, known), now)
        if plan.step not in (Step.RETRY, Step.SWITCH) or (plan.step == Step.SWITCH and not plan.switch_to):
            settle([recipient.pk], now)
            return False
        cause = Cause.BULK_SWITCH if plan.switch_to else Cause.BULK_RETRY
        reason = f"{by.display_name} did not wait: {plan.reason}"
        made = succeed([(view, plan.switch_to or view.head.channel, cause, reason)], known, now)
        note_staff(view, plan.step, reason, now)
        settle([recipient.pk], now)
        return bool(made)


def cancel_next_step(recipient: Recipient, by, now: datetime) -> bool:
    """Stop the automatic steps for this recipient, and take back what has not left yet."""
    with transaction.atomic():
        views = load([recipient.pk])
        if not views:
            return False
        Recipient.objects.filter(pk=recipient.pk).update(automatic=False)
        withdraw([m.pk for m in views[0].messages], "stopped", now)
        note_staff(views[0], Step.NONE, f"{by.display_name} stopped the automatic steps.", now)
        settle([recipient.pk], now)
        return True


def note_staff(view: View, step: str, reason: str, now: datetime) -> None:
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
