"""What is still to come for one contact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils import timezone

from campaigns.models import Recipient
from contacts.channels import Channel
from contacts.gate import REASONS, Reason
from contacts.hours import clocks
from contacts.models import Contact
from deliveries.models import Message
from deliveries.models.work import DAILY_LIMIT, OWN_PACE
from deliveries.outcomes.held_until import TOMORROW, asked_at, held_until, outbox_reason
from deliveries.outcomes.message_details import LINKS
from deliveries.statuses import Status
from deliveries.wording import begins_words

SHOWN_UPCOMING = 20  # of each kind, the soonest: one person rarely has more than a few


@dataclass(frozen=True)
class Upcoming:
    """A step that has not happened yet, and who can hurry or stop it."""

    recipient: Recipient
    at: datetime
    words: str
    reason: str
    clocks: str  # what they show then where the person may be
    automatic: bool = True


def upcoming(contact: Contact, zones: tuple[ZoneInfo, ...], now: datetime) -> list[Upcoming]:
    """Steps with a time: automatic next steps, and messages that wait for theirs; the soonest first. Two queries.

    Where a colleague has stopped the steps nothing comes any more: a message under way is only judged one day.
    `zones` are those in which the person may be.
    """
    planned = Recipient.objects.filter(contact=contact, next_step_at__isnull=False, automatic=True)
    planned = planned.select_related("campaign")
    waiting = Message.objects.filter(contact=contact, status=Status.QUEUED, due_at__gt=now, canceled_at=None)
    waiting = waiting.select_related("recipient__campaign", *LINKS).order_by("due_at")[:SHOWN_UPCOMING]
    steps = [
        Upcoming(one, one.next_step_at, _future(one), one.next_step_reason, _clocks(one.next_step_at, zones))
        for one in planned.order_by("next_step_at")[:SHOWN_UPCOMING]
        if one.next_step_at and one.goes_on_by_itself
    ]
    sends = [
        Upcoming(
            m.recipient, m.due_at, f"{Channel(m.channel).label} leaves", _held(m) or m.cause_reason,
            _clocks(m.due_at, zones), automatic=False,
        )
        for m in waiting
    ]  # fmt: skip
    return sorted([*steps, *sends], key=lambda step: step.at)


def _clocks(at: datetime, zones: tuple[ZoneInfo, ...]) -> str:
    return clocks(at, zones, timezone.localdate(at))


def _held(message: Message) -> str:
    """What it waits for, beside its time."""
    held = outbox_reason(message)
    if held == DAILY_LIMIT:
        return f"It waits: {TOMORROW}."
    if held == OWN_PACE and message.campaign.per_minute:
        return f"It waits for its turn: the campaign sends {message.campaign.per_minute:,} a minute at most."
    if held in (Reason.REPLY_UNREAD, Reason.SENDER_NOT_APPROVED):
        return f"It waits: {REASONS[Reason(held)].sentence}."
    if message.attempt == 1 and (
        message.campaign.local_start or not message.campaign.has_begun(timezone.now())
    ):
        return f"{message.campaign} is scheduled for {begins_words(message.campaign)}."
    hours = held_until(message, message.due_at, asked_at(message))
    return f"{hours}." if hours else ""


def _future(recipient: Recipient) -> str:
    return str(Recipient.NextStep(recipient.next_step).label)
